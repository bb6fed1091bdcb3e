"""What tables have beside columns, out of `information_schema`: indexes, constraints, partitions, options.

A handful of statements for some tables of a schema; each part becomes a text that is equal where the definitions are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from repwatch.model.schema import Part, PartKind, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.catalogue import in_scope
from repwatch.sql.expression import canonical
from repwatch.sql.quoting import quote_name, quote_text

Record = Mapping[str, str | None]
Parts = dict[TableName, list[Part]]


@dataclass(frozen=True, slots=True)
class PartReader:
    """A statement, and what makes parts of its answer.

    `detail`: a second statement, where the answer to the first is not empty; `parse` gets the answers to both. They are not
    joined: that took MySQL 20 s for 1,000 tables.
    """

    statement: str
    parse: Callable[..., Parts]
    detail: Callable[[Sequence[Record]], str] | None = None


def part_readers(version: ServerVersion, only: Sequence[TableName]) -> tuple[PartReader, ...]:
    """The parts of tables of one schema are those of all readers together."""
    return (
        PartReader(_options_statement(only), _parse_options),
        PartReader(_indexes_statement(version, only), _parse_indexes),
        *_check_readers(version, only),
        PartReader(_foreign_keys_statement(only), _parse_foreign_keys, lambda _: _rules_statement(only)),
        PartReader(_partitions_statement(only), _parse_partitions),
    )


def _options_statement(only: Sequence[TableName]) -> str:
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS table_type, ROW_FORMAT AS row_format_text,
TABLE_COLLATION AS collation_name, CREATE_OPTIONS AS options_text, TABLE_COMMENT AS comment_text
FROM information_schema.TABLES WHERE {in_scope(only)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"""


def _parse_options(records: Sequence[Record]) -> Parts:
    return {_name(record): list(_options(record)) for record in records}


def _options(record: Record) -> Iterator[Part]:
    if record["table_type"] == "SYSTEM VERSIONED":
        yield Part(PartKind.VERSIONING, "", "WITH SYSTEM VERSIONING")
    yield Part(PartKind.COLLATION, "", record["collation_name"] or "")
    yield Part(PartKind.ROW_FORMAT, "", (record["row_format_text"] or "").upper())
    # The row format stands in a column of its own, with the format that is in use; partitions are read for themselves.
    words = [
        word for word in (record["options_text"] or "").split() if not word.lower().startswith(("row_format=", "partitioned"))
    ]
    if words:
        yield Part(PartKind.OPTIONS, "", " ".join(sorted(words)))
    if record["comment_text"]:
        yield Part(PartKind.COMMENT, "", record["comment_text"])


def _indexes_statement(version: ServerVersion, only: Sequence[TableName]) -> str:
    """Without CARDINALITY, which would be counted for it."""
    expression, ignored = "NULL", "'NO'"
    if version.is_mariadb and version.at_least(10, 6):
        ignored = "IGNORED"
    elif not version.is_mariadb and version.at_least(8, 0, 13):
        expression, ignored = "EXPRESSION", "IF(IS_VISIBLE = 'YES', 'NO', 'YES')"
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, INDEX_NAME AS name, NON_UNIQUE AS plain, COLUMN_NAME AS column_name,
COLLATION AS direction, SUB_PART AS sub_part, INDEX_TYPE AS index_type, INDEX_COMMENT AS comment_text,
{expression} AS expression_text, {ignored} AS ignored
FROM information_schema.STATISTICS WHERE {in_scope(only)} ORDER BY 1, 2, 3, SEQ_IN_INDEX"""


def _parse_indexes(records: Sequence[Record]) -> Parts:
    columns: dict[tuple[TableName, str], list[str]] = {}
    first: dict[tuple[TableName, str], Record] = {}
    for record in records:
        index = _name(record), record["name"] or ""
        columns.setdefault(index, []).append(_index_column(record))
        first.setdefault(index, record)
    found: Parts = {}
    for (table, name), record in first.items():
        if name != "PRIMARY":  # the key's columns are compared by themselves, because rows are read by it
            found.setdefault(table, []).append(Part(PartKind.INDEX, name, _index(record, columns[table, name])))
    return found


def _index_column(record: Record) -> str:
    name = record["column_name"]
    column = f"({canonical(record['expression_text'] or '')})" if name is None else quote_name(name)
    length = f"({record['sub_part']})" if record["sub_part"] else ""
    return f"{column}{length}{' DESC' if record['direction'] == 'D' else ''}"


def _index(record: Record, columns: Sequence[str]) -> str:
    words = ["UNIQUE"] if record["plain"] == "0" else []
    words.append(f"({', '.join(columns)})")
    if record["index_type"] != "BTREE":
        words.append(record["index_type"] or "")
    if record["ignored"] == "YES":
        words.append("INVISIBLE")
    if record["comment_text"]:
        words.append(f"COMMENT {record['comment_text']}")
    return " ".join(words)


def _check_readers(version: ServerVersion, only: Sequence[TableName]) -> Iterator[PartReader]:
    """CHECK constraints; on MySQL their texts are in a second statement, which knows schemas and no tables."""
    if version.is_mariadb and version.at_least(10, 2, 22):
        yield PartReader(
            f"""SELECT CONSTRAINT_SCHEMA AS s, TABLE_NAME AS t, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause_text,
'YES' AS enforced
FROM information_schema.CHECK_CONSTRAINTS
WHERE {in_scope(only, "CONSTRAINT_SCHEMA")}""",
            _parse_checks,
        )
    elif not version.is_mariadb and version.at_least(8, 0, 16):
        yield PartReader(
            f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, CONSTRAINT_NAME AS name, ENFORCED AS enforced
FROM information_schema.TABLE_CONSTRAINTS WHERE {in_scope(only)} AND CONSTRAINT_TYPE = 'CHECK'""",
            _parse_checks,
            _clauses_statement,
        )


def _clauses_statement(constraints: Sequence[Record]) -> str:
    names = ", ".join(quote_text(record["name"] or "") for record in constraints)
    return f"""SELECT CONSTRAINT_SCHEMA AS s, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause_text
FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = {quote_text(constraints[0]["s"] or "")} AND CONSTRAINT_NAME IN ({names})"""


def _parse_checks(constraints: Sequence[Record], clauses: Sequence[Record] = ()) -> Parts:
    """The answers of `_check_readers`. The name of a CHECK is its schema's own on MySQL, its table's own on MariaDB."""
    texts = {(record["s"], record["name"]): record["clause_text"] for record in clauses}
    found: Parts = {}
    for record in constraints:
        printed = record["clause_text"] if "clause_text" in record else texts.get((record["s"], record["name"]))
        text = None if printed is None else canonical(printed) + ("" if record["enforced"] == "YES" else " NOT ENFORCED")
        found.setdefault(_name(record), []).append(Part(PartKind.CHECK, record["name"] or "", text))
    return found


def _foreign_keys_statement(only: Sequence[TableName]) -> str:
    """The columns of all foreign keys."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, CONSTRAINT_NAME AS name, COLUMN_NAME AS column_name,
REFERENCED_TABLE_SCHEMA AS other_schema, REFERENCED_TABLE_NAME AS other_table, REFERENCED_COLUMN_NAME AS other_column
FROM information_schema.KEY_COLUMN_USAGE WHERE {in_scope(only)} AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY 1, 2, 3, ORDINAL_POSITION"""


def _rules_statement(only: Sequence[TableName]) -> str:
    """The rules of foreign keys, which MariaDB hides from an account that may only read."""
    return f"""SELECT CONSTRAINT_SCHEMA AS s, TABLE_NAME AS t, CONSTRAINT_NAME AS name,
UPDATE_RULE AS update_rule, DELETE_RULE AS delete_rule FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE {in_scope(only, "CONSTRAINT_SCHEMA")}"""


def _parse_foreign_keys(columns: Sequence[Record], rules: Sequence[Record] = ()) -> Parts:
    """The answers to `_foreign_keys_statement` and `_rules_statement`."""
    columns_of: dict[tuple[TableName, str], list[Record]] = {}
    for record in columns:
        columns_of.setdefault((_name(record), record["name"] or ""), []).append(record)
    rules_of = {(_name(record), record["name"] or ""): record for record in rules}
    found: Parts = {}
    for (table, name), rows in columns_of.items():
        text = _foreign_key(table, rows, rules_of.get((table, name)))
        found.setdefault(table, []).append(Part(PartKind.FOREIGN_KEY, name, text))
    return found


def _foreign_key(table: TableName, rows: Sequence[Record], rules: Record | None) -> str | None:
    if rules is None:
        return None
    first = rows[0]
    ours = ", ".join(quote_name(row["column_name"] or "") for row in rows)
    theirs = ", ".join(quote_name(row["other_column"] or "") for row in rows)
    other = quote_name(first["other_table"] or "")
    if first["other_schema"] != table.schema:
        other = f"{quote_name(first['other_schema'] or '')}.{other}"
    return f"({ours}) REFERENCES {other} ({theirs}){_rule('UPDATE', rules)}{_rule('DELETE', rules)}"


def _rule(event: str, record: Record) -> str:
    """RESTRICT and NO ACTION are one thing in both flavours, which print the default by different names."""
    rule = record[f"{event.lower()}_rule"]
    return "" if rule in ("RESTRICT", "NO ACTION") else f" ON {event} {rule}"


def _partitions_statement(only: Sequence[TableName]) -> str:
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, PARTITION_NAME AS name, SUBPARTITION_NAME AS sub_name,
PARTITION_METHOD AS method, PARTITION_EXPRESSION AS expression_text, PARTITION_DESCRIPTION AS description_text,
SUBPARTITION_METHOD AS sub_method, SUBPARTITION_EXPRESSION AS sub_expression_text
FROM information_schema.PARTITIONS WHERE {in_scope(only)} AND PARTITION_NAME IS NOT NULL
ORDER BY 1, 2, PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION"""


def _parse_partitions(records: Sequence[Record]) -> Parts:
    heads: dict[TableName, str] = {}
    lists: dict[TableName, list[str]] = {}
    for record in records:
        head = f"{record['method']} ({canonical(record['expression_text'] or '')})"
        if record["sub_method"]:
            head += f" SUBPARTITION BY {record['sub_method']} ({canonical(record['sub_expression_text'] or '')})"
        heads[_name(record)] = head
        words = (record["name"], record["sub_name"], record["description_text"])
        lists.setdefault(_name(record), []).append(" ".join(word for word in words if word))
    return {name: [Part(PartKind.PARTITIONING, "", f"{head}: {', '.join(lists[name])}")] for name, head in heads.items()}


def _name(record: Record) -> TableName:
    return TableName(record["s"] or "", record["t"] or "")
