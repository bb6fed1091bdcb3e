"""Errors of the applier: what the replica could not do that the source did."""

from repwatch.health.errors_catalogue import Advice, Entry, ErrorClass, entry

_NEVER_SKIP = "Do not skip the transaction: all it changed would be lost on this replica, not the one row alone."

_AFTER = (
    " Then see what else differs, and mend that: {drift}, {repair}; neither can before the applier runs. If many rows differ: "
    "{reseed}, which writes only the rows that differ where most are right (differential)."
)

# What the number leaves open, the text tells: without its relay log an applier of MySQL says "Could not open log file".
_FATAL = (1593, 13117)
_UNREADABLE = Advice(
    ErrorClass.RELAY_LOG,
    "The applier cannot read the relay log where it stands: the file is damaged or gone, as after a crash or a full disk.",
    "Nothing is lost: throw the relay logs away, and fetch them again from what is applied: {refetch}. If the same "
    "place fails again, the source's binary log is damaged: {reseed}",
    "Without GTID positions, do not reset the channel alone: RESET forgets what was applied, and it begins at the source's "
    "oldest binary log.",
)

APPLIER_ERRORS: tuple[Entry, ...] = (
    entry(
        (1062, 1022, 1586, 1859),
        "",
        Advice(
            ErrorClass.DUPLICATE_KEY,
            "The replica already has a row with a key that the source only now inserts{in_table}: the replica's data was "
            "different before this transaction came. Mostly somebody wrote to the replica.",
            "Mend this one row by hand. See what the replica has{in_key} and what the source has, and keep the replica's row. "
            "Then delete it there, so that the transaction can bring its own; in one session: {delete_row}."
            + _AFTER
            + " Find who wrote, and see that the replica is read-only.",
            _NEVER_SKIP + " Do not set slave_exec_mode to IDEMPOTENT: it hides such rows instead of mending them.",
        ),
    ),
    entry(
        (1032,),
        "",
        Advice(
            ErrorClass.ROW_NOT_FOUND,
            "The source changed or deleted a row{in_table} that the replica does not have as it was on the source: the "
            "replica's data was different before this transaction came.",
            "Mend this one row by hand. As it was before, it stands in the source's binary log, in the event that failed, the "
            "last one here: {read_event}. Put it back on the replica, so that the transaction finds it; in one session: "
            "{insert_row}. Without a primary key it may be there with other values: change that one instead." + _AFTER + " If "
            "somebody deleted on the replica, see that it is read-only; if not, look for replication filters.",
            _NEVER_SKIP + " Do not set slave_exec_mode to IDEMPOTENT: it hides such rows instead of mending them.",
        ),
    ),
    entry(
        (1677, 13146),
        "",
        Advice(
            ErrorClass.SCHEMA,
            "A column{in_table} has another type on the replica than on the source, and its values cannot be converted.",
            "Make the replica's definition that of the source (compare SHOW CREATE TABLE on both), then: {start_applier}",
            "Do not allow lossy conversions (slave_type_conversions = ALL_LOSSY): values would be cut without a word.",
        ),
    ),
    entry(
        (1146, 1049, 1054, 1051, 1091, 1109, 1136, 1176, 1305, 1360, 1364, 1366, 1406, 1264, 1265, 1048, 1292, 1356, 3819, 4025),
        "",
        Advice(
            ErrorClass.SCHEMA,
            "The transaction needs a schema, table, column or the like{in_table} that the replica does not have as the source "
            "has it. Somebody changed the schema on one side only, or a filter or a skipped statement kept a change away.",
            "Compare the definitions (SHOW CREATE TABLE on both), bring the replica's into line with the binary log off (SET "
            "SESSION sql_log_bin = 0), then: {start_applier}. What the missing table held has to be copied as well: check "
            "with {drift}, or {reseed}",
            _NEVER_SKIP,
        ),
    ),
    entry(
        # Of an InnoDB table that is MyISAM on the replica MySQL 9.7 says 1785; both may say 1837 (its text in errmsg-utf8.txt).
        (1785, 1837),
        "",
        Advice(
            ErrorClass.SCHEMA,
            "The transaction writes to a table{in_table} whose engine has no transactions on the replica, and has them on the "
            "source; so it would be in pieces under one GTID. Or somebody set GTID_NEXT in a session, and forgot to set it back.",
            "Compare the engines (SHOW CREATE TABLE on both), and bring the replica's into line with the binary log off (SET "
            "SESSION sql_log_bin = 0, ALTER TABLE … ENGINE=InnoDB), then: {start_applier}. Then check what was written to the "
            "table before: {drift}",
            _NEVER_SKIP + " Do not turn enforce_gtid_consistency off.",
        ),
    ),
    entry(
        (1966,),
        "",
        Advice(
            ErrorClass.SETTING,
            "Somebody wants to skip a transaction by count (sql_slave_skip_counter), which MariaDB refuses where several GTID "
            "domains are applied in parallel: it would not be clear which one is left out.",
            "Find what stopped the applier: the error that it shows, or the one before this in the error log. Mend that, then: "
            "{start_applier}",
            "Do not set gtid_slave_pos beyond the transaction, as the server's text says: all it changed would be lost on this "
            "replica, and those of other domains with it if the position is wrong.",
        ),
    ),
    entry(
        (1050, 1007, 1008, 1060, 1061, 1304, 1359, 1396, 1410, 1826),
        "",
        Advice(
            ErrorClass.SCHEMA,
            "The statement creates what the replica already has, or drops what it no longer has: somebody ran it on the "
            "replica by hand, or it was run twice.",
            "Compare the definitions on both. If the replica's copy is not needed, remove it with the binary log off (SET "
            "SESSION sql_log_bin = 0), then: {start_applier}. Then check: {drift}",
            "Do not skip before the definitions are proved equal, and never more than this one transaction.",
        ),
    ),
    entry(
        (1451, 1452, 1215, 1216, 1217, 1825),
        "",
        Advice(
            ErrorClass.FOREIGN_KEY,
            "A foreign key{in_table} does not hold on the replica though it held on the source: parent or child rows differ.",
            "Mend this by hand. A parent cannot go (1451): the replica has child rows that the source does not have; delete them "
            "in one session: {delete_child}. A child finds no parent (1452): insert that as the source has it: {insert_parent}."
            + _AFTER
            + " Find who wrote, and see that the replica is read-only.",
            _NEVER_SKIP + " Do not turn foreign_key_checks off for the applier.",
        ),
    ),
    entry(
        (1205, 1213, 1614, 1969, 1317, 1927, 3024, 3058, 3572, 3101),
        "",
        Advice(
            ErrorClass.TRANSIENT,
            "The transaction lost against something else on the replica (a lock, a deadlock, a killed or timed-out "
            "statement), more often than the applier tries again. The data does not differ because of this.",
            "Find who held it up (long transactions or a backup on the replica), then: {start_applier}. If it stops there "
            "again, the same local work is still running.",
            "Do not skip: the transaction will work once the way is free.",
        ),
    ),
    entry(
        (1590, 13119),
        "",
        Advice(
            ErrorClass.LOST_EVENTS,
            "The source says that it could not write some changes to its binary log. No replica has received them.",
            "Look into the source's error log for the time. Check all replicas: {drift}. Repair or rebuild what differs: "
            "{reseed}",
            "Do not skip this marker and go on as if nothing had happened: what it stands for is missing everywhere.",
        ),
    ),
    entry((1594, 13121, 1872, 13124), "", _UNREADABLE),
    entry(_FATAL, r"could not (open|find)|log file", _UNREADABLE),
    entry(
        (1950, 1951, 1952, 1953, 1954),
        "",
        Advice(
            ErrorClass.ERRANT,
            "The next transaction does not fit into this server's GTID order (gtid_strict_mode): the replica has written a "
            "transaction of its own, or a stretch of the source's is missing.",
            "Compare gtid_slave_pos and gtid_binlog_pos of the replica with gtid_binlog_pos of the source. Then copy the replica "
            "anew: {reseed}",
            "Do not just turn gtid_strict_mode off: it has told you that the two histories differ.",
        ),
    ),
    entry(
        (1942, 1943, 1946, 1947, 1948),
        "",
        Advice(
            ErrorClass.SETTING,
            "The server cannot use its stored GTID position.",
            "Check the table mysql.gtid_slave_pos (mariadb-upgrade repairs its definition) and the domain ids, then: "
            "{start_applier}",
            "Do not empty mysql.gtid_slave_pos: the replica would begin at the wrong place.",
        ),
    ),
    entry(
        (1964, 1756, 3030),
        "",
        Advice(
            ErrorClass.OTHER,
            "This is a follow-up: the worker gave up because another transaction, before this one, had failed.",
            "The first error is the one that counts; it stands in the replica's error log just above this one. Or let it show "
            "itself again: {start_applier}",
            "Do not act on this message, and do not skip anything because of it.",
        ),
    ),
    entry(
        (1114, 1021, 3, 28, 1026, 3675, 1041, 1037, 1038, 5),
        "",
        Advice(
            ErrorClass.HOST,
            "The replica ran out of disk space or memory.",
            "Free space or memory on the replica's host, then: {start_applier}",
            "Do not delete binary or relay log files by hand.",
        ),
    ),
    entry(
        (1030, 1105, 1033, 1034, 1194, 1195, 126, 127, 144, 145, 1712),
        "",
        Advice(
            ErrorClass.HOST,
            "The storage engine failed{in_table}: a damaged file, a full or failing disk.",
            "Check the replica's disk, free space and error log first. If the table is damaged: {reseed}. Otherwise: "
            "{start_applier}",
            "Do not go on reading from this replica before the storage is proved sound.",
        ),
    ),
    entry(
        (1197, 1534, 1864, 1153, 1301),
        "",
        Advice(
            ErrorClass.SETTING,
            "A limit of the replica is too small for this transaction (max_binlog_cache_size, replica_pending_jobs_size_max, "
            "max_allowed_packet; the text says which).",
            "Raise the limit on the replica to at least the source's, then: {start_applier}",
            "Do not skip: the transaction is sound, the limit is not.",
        ),
    ),
    entry(
        (1290, 1836, 1792),
        "",
        Advice(
            ErrorClass.SETTING,
            "The server refused to write because an option forbids it (a read-only mode, another option that the text names).",
            "See which option the text names, and whether it should be set on this replica. Then: {start_applier}",
            "Do not make the replica writable for everybody: appliers are exempt from read_only.",
        ),
    ),
    entry(
        (1227, 1142, 1044, 1449, 3530),
        "",
        Advice(
            ErrorClass.SCHEMA,
            "The statement needs an account or a privilege that the replica does not have: a definer that does not exist "
            "there, or a privilege-checks user without enough rights.",
            "Create the account or grant the privilege on the replica with the binary log off (SET SESSION sql_log_bin = 0), "
            "then: {start_applier}",
            _NEVER_SKIP,
        ),
    ),
)
