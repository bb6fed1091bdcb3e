"""Which tables an account sees for sure."""

import pytest

from repwatch.model.server import Flavour, ServerVersion
from repwatch.sql.sight import sight


@pytest.mark.parametrize(
    ("grants", "seen", "unseen", "everything"),
    [
        (["GRANT SELECT, PROCESS ON *.* TO `u`@`%`"], "d e", "", True),
        (["GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION"], "d e", "", True),
        (["GRANT PROCESS ON *.* TO `u`@`%`"], "", "d e", False),
        (["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT ON `d`.* TO `u`@`%`"], "d", "e D", False),
        (["GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%`"], "d", "e", False),
        (["GRANT INSERT ON `d`.* TO `u`@`%`"], "", "d", False),
        (["GRANT SELECT ON `d`.`t` TO `u`@`%`"], "", "d", False),  # the schema may have more
        (["GRANT SELECT ON `d%`.* TO `u`@`%`"], "d dx", "e", False),
        (["GRANT SELECT ON `d_x`.* TO `u`@`%`"], "d_x dax", "dx", False),
        ([r"GRANT SELECT ON `d\_x`.* TO `u`@`%`"], "d_x", "dax", False),
        (["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `e`.* FROM `u`@`%`"], "d", "e", False),
        (["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE INSERT, SELECT ON `e`.* FROM `u`@`%`"], "d", "e", False),
        (["GRANT SELECT, INSERT ON *.* TO `u`@`%`", "REVOKE INSERT ON `e`.* FROM `u`@`%`"], "d e", "", True),
        (["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `mysql`.* FROM `u`@`%`"], "d e", "mysql", True),
        (["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT ON *.* TO `role`"], "d", "", True),
    ],
)
def test_sees_tables(grants: list[str], seen: str, unseen: str, everything: bool) -> None:
    found = sight(grants, "u@%", ServerVersion(Flavour.MYSQL, (8, 4, 0), "8.4.0"))
    assert [schema for schema in (*seen.split(), *unseen.split()) if found.sees_tables(schema)] == seen.split()
    assert found.sees_all_tables() == everything
