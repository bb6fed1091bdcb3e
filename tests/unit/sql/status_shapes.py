"""Status rows in the shapes of many versions, as the manuals list them (9.7 and 10.11 as the servers gave them)."""

from collections.abc import Mapping

Row = Mapping[str, str | None]

UUID = "6f25f23b-e664-11f1-9967-02fc00000001"
_OLD = {
    "Slave_IO_State": "Waiting for master to send event",
    "Master_Host": "10.0.0.1",
    "Master_User": "repl",
    "Master_Port": "3307",
    "Connect_Retry": "60",
    "Master_Log_File": "binlog.000004",
    "Read_Master_Log_Pos": "900",
    "Relay_Log_File": "relay.000002",
    "Relay_Log_Pos": "766",
    "Relay_Master_Log_File": "binlog.000003",
    "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes",
    "Last_Errno": "0",
    "Last_Error": "",
    "Skip_Counter": "0",
    "Exec_Master_Log_Pos": "500",
    "Until_Condition": "None",
    "Seconds_Behind_Master": "3",
    "Last_IO_Errno": "0",
    "Last_IO_Error": "",
    "Last_SQL_Errno": "0",
    "Last_SQL_Error": "",
    "Master_Server_Id": "11",
    "SQL_Delay": "60",
    "SQL_Remaining_Delay": None,
    "Slave_SQL_Running_State": "Reading event from the relay log",
}
_MYSQL = {
    "Master_UUID": UUID.upper(),
    "Master_Info_File": "mysql.slave_master_info",
    "Master_Retry_Count": "86400",
    "Last_IO_Error_Timestamp": "",
    "Last_SQL_Error_Timestamp": "261122 10:45:00",
    "Retrieved_Gtid_Set": f"{UUID}:1-9",
    "Executed_Gtid_Set": f"{UUID}:1-5,\n7e11fa47-71ca-11e1-9e33-c80aa9429562:1",
    "Auto_Position": "1",
    "Channel_Name": "billing",
}
_MARIADB = {
    "Connection_name": "billing",
    "Slave_SQL_State": "Reading event from the relay log",
    "Using_Gtid": "Slave_Pos",
    "Gtid_IO_Pos": "0-11-9",
    "Gtid_Slave_Pos": "0-12-77",
    "Parallel_Mode": "optimistic",
    "Slave_received_heartbeats": "4",
    "Slave_heartbeat_period": "30.000",
}


def _new_words(row: Row) -> dict[str, str | None]:
    """As MySQL 8.0.22 renamed the columns."""
    return {name.replace("Master", "Source").replace("Slave", "Replica"): value for name, value in row.items()}


SHAPES: dict[str, dict[str, str | None]] = {
    "mysql-5.7": {**_OLD, **_MYSQL},
    "mysql-8.0.21": {**_OLD, **_MYSQL, "Get_master_public_key": "0", "Network_Namespace": ""},
    "mysql-8.0.22": _new_words({**_OLD, **_MYSQL, "Get_master_public_key": "0"}),
    "mysql-8.4": _new_words({**_OLD, **_MYSQL, "Source_Retry_Count": "10"}),
    "mysql-26.7": {
        name: value
        for name, value in _new_words({**_OLD, **_MYSQL, "Source_Shiny_New_Thing": "bright"}).items()
        if name not in ("Last_Errno", "Last_Error", "Skip_Counter")
    },
    "mariadb-10.3": {**_OLD, **_MARIADB},
    "mariadb-10.5": {**_OLD, **_MARIADB, "Slave_DDL_Groups": "1", "Retried_transactions": "0"},
    "mariadb-11.6": {
        **_OLD,
        **_MARIADB,
        "Master_last_event_time": "2026-11-22 10:00:00",
        "Slave_last_event_time": "2026-11-22 09:59:57",
        "Master_Slave_time_diff": "0",
    },
    "mariadb-12.1": {**_OLD, **_MARIADB, "Connects_Tried": "1", "Master_Retry_Count": "100000"},
}

NO_TIME = "0000-00-00 00:00:00.000000"


def worker(number: int, **values: str | None) -> dict[str, str | None]:
    """A row of replication_applier_status_by_worker as 8.0 has it."""
    idle: dict[str, str | None] = {
        "now_utc": "2026-11-22 10:45:10.500000",
        "CHANNEL_NAME": "billing",
        "WORKER_ID": str(number),
        "SERVICE_STATE": "ON",
        "LAST_ERROR_NUMBER": "0",
        "LAST_ERROR_MESSAGE": "",
        "LAST_ERROR_TIMESTAMP": NO_TIME,
        "APPLYING_TRANSACTION": "",
        "APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP": NO_TIME,
    }
    return idle | values
