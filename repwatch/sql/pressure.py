"""The statements that tell how busy a server is, and their answers."""

from collections.abc import Mapping, Sequence

from repwatch.model.server import ServerVersion

Record = Mapping[str, str | None]


def busy(version: ServerVersion) -> str:
    """Threads_running and the length of InnoDB's history list, as rows of name and value. Needs PROCESS on MySQL."""
    if version.is_mariadb:
        return "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Innodb_history_list_length')"
    return (
        "SELECT VARIABLE_NAME AS Variable_name, VARIABLE_VALUE AS Value FROM performance_schema.global_status "
        "WHERE VARIABLE_NAME = 'Threads_running' UNION ALL "
        "SELECT 'Innodb_history_list_length', COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"
    )


def parse_busy(records: Sequence[Record]) -> tuple[int | None, int | None]:
    """Threads that run beside the asking one, and the length of the history list; None for what was not told."""
    found = {(record["Variable_name"] or "").lower(): record["Value"] for record in records}
    threads, history = found.get("threads_running"), found.get("innodb_history_list_length")
    return (None if threads is None else max(0, int(threads) - 1), None if history is None else int(history))
