"""How `information_schema` is asked about some tables of a server that may have many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql import catalogue
from repwatch.sql.table_parts import part_readers

NAMES = st.lists(st.builds(TableName, st.sampled_from("ab"), st.text(min_size=1, max_size=3)), max_size=30)


@given(NAMES, st.integers(1, 5))
def test_batches_keep_all_names_in_order_and_are_small_and_of_one_schema(names: list[TableName], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "AT_ONCE", most)
        found = list(catalogue.batches(names))
    assert [name for batch in found for name in batch] == names
    assert all(len({name.schema for name in batch}) == 1 and len(batch) <= most for batch in found)


def test_a_scope_names_its_tables_and_no_pattern() -> None:
    one, two = TableName("s", "it's"), TableName("s", "TABLE_SCHEMA")
    assert catalogue.in_scope([one]) == "TABLE_SCHEMA = 's' AND TABLE_NAME = 'it\\'s'"
    assert catalogue.in_scope([one, two]) == "TABLE_SCHEMA = 's' AND TABLE_NAME IN ('it\\'s', 'TABLE_SCHEMA')"
    assert catalogue.in_scope([two], "CONSTRAINT_SCHEMA") == "CONSTRAINT_SCHEMA = 's' AND TABLE_NAME = 'TABLE_SCHEMA'"
    for wrong in ([], [one, TableName("other", "t")]):
        with pytest.raises(ValueError, match="unpack"):
            catalogue.in_scope(wrong)


@pytest.mark.parametrize("version", ["10.11.8-MariaDB", "10.2.1-MariaDB", "5.7.44", "8.0.40", "9.7.0"])
def test_every_statement_about_parts_is_about_those_tables_alone(version: str) -> None:
    readers = part_readers(ServerVersion.parse(version), [TableName("s", "t")])
    assert all("TABLE_NAME = 't'" in reader.statement for reader in readers)
    details = [reader.detail([{"s": "s", "t": "t", "name": "k"}]) for reader in readers if reader.detail]
    assert all("TABLE_NAME = 't'" in detail or "CONSTRAINT_NAME IN ('k')" in detail for detail in details)
