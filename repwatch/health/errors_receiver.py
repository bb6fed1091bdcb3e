"""Errors of the receiver: the connection to the source, and what the source refuses to send."""

from repwatch.health.errors_catalogue import Advice, Entry, ErrorClass, advise, entry

# 1236 is the source's refusal as MySQL up to 5.7 and MariaDB number it, 13114 the same with MySQL 8's number around its text.
_REFUSED = (1236, 13114)
_FATAL = (1593, 13117)
# A command after the login failed; the text has the source's own error.
_COMMAND = (1597, 13120)

_REFUSED_LOGIN = Advice(
    ErrorClass.LOGIN,
    "The source is alive and does not let the replication account in: password, host, expiry, missing privilege, or a "
    "password method that the connection does not allow (2061: it wants TLS or the source's public key).",
    "Log in to the source as that user from the replica's host, mend the account, or give the replica the right "
    "password: {change_login}. It needs REPLICATION SLAVE. The data is not affected.",
    "Do not reseed: a new copy would be refused in the same way.",
)

_SAME_IDENTITY = Advice(
    ErrorClass.DUPLICATE_IDENTITY,
    "Two replicas log in to the source with one and the same identity, and each throws the other out. Mostly one is a "
    "copy of the other's data folder.",
    "Find both in the source's process list. Give one of them a new server_id; on MySQL also stop it, delete auto.cnf "
    "from its data folder and start it, so that it makes a new server_uuid.",
    "Do not reseed: a copy of the data folder copies the identity with it.",
)

RECEIVER_ERRORS: tuple[Entry, ...] = (
    entry(
        _REFUSED,
        r"purged (required )?binary logs|have been purged|too old|could not find first log file",
        Advice(
            ErrorClass.PURGED,
            "The source has deleted binary logs that this replica has not read yet. It cannot catch up from this source any "
            "more.",
            "Look for another server of the cluster that still has those binary logs and attach the replica there. If there "
            "is none, rebuild it: {reseed}. Then keep binary logs for longer than a replica may be down "
            "(binlog_expire_logs_seconds).",
            "Do not set the replica to the source's present position: everything in between would be missing without a trace.",
        ),
    ),
    entry(_REFUSED, r"same server_(uu)?id", _SAME_IDENTITY),
    entry((4052,), "", _SAME_IDENTITY),  # MariaDB's, which stands in its error log alone: the status shows no error
    entry(
        (*_REFUSED, 1945, 1955),
        r"has more GTIDs|diverged|erroneous transactions|not in the (master|source)'s binlog|is missing the GTID",
        Advice(
            ErrorClass.ERRANT,
            "The replica has transactions that its source does not have: somebody wrote to the replica, or the source lost "
            "transactions in a crash or a failover.",
            "Find out which side is right before you touch anything: compare the two with {drift}. If the replica's extra "
            "transactions are not wanted, rebuild it: {reseed}",
            "Do not reset the GTID state of either server by hand to make the error go away: the rows stay different.",
        ),
    ),
    entry(
        (*_REFUSED, 1153, 13125),
        r"max_allowed_packet|packet bigger",
        Advice(
            ErrorClass.SETTING,
            "One event of the source's binary log is larger than a packet may be.",
            "Raise max_allowed_packet on the source, and on the replica replica_max_allowed_packet (MySQL) or "
            "slave_max_allowed_packet (MariaDB), up to 1 GiB. Then: {start_receiver}",
            "Do not skip the event. If it is not plausibly that large, the binary log is damaged rather than the setting too "
            "small.",
        ),
    ),
    entry(
        (*_REFUSED, *_FATAL),
        # MySQL manual, "Changing the GTID Mode": both sides have to agree, and auto-position takes none without a GTID.
        r"GTID_MODE|anonymous transaction",
        Advice(
            ErrorClass.SETTING,
            "Source and replica do not agree on GTIDs: one has gtid_mode OFF and the other ON, or the source has written "
            "transactions without a GTID, which a replica that finds its position by GTID cannot take.",
            "Compare gtid_mode on both. Bring it back to ON step by step (OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON), each step on "
            "all servers before the next; then: {start_receiver}. What the source wrote without a GTID has to be fetched by file "
            "and position (SOURCE_AUTO_POSITION = 0, the replica's gtid_mode ON_PERMISSIVE or less) before that.",
            "Do not reset the GTID state of either server, and do not skip what has no GTID: it would be missing.",
        ),
    ),
    entry(
        _REFUSED,
        r"bogus data|impossible position|position > file size|crc check|checksum|truncated in the middle|corrupt|"
        r"unknown error reading log event",
        Advice(
            ErrorClass.SOURCE_LOG,
            "The source cannot read its own binary log where this replica stands: it is damaged, or it ends before the "
            "replica's position, as after a crash of a source that does not sync its binary log.",
            "Check the source's disk and error log, and the file with mysqlbinlog --verify-binlog-checksum. If the source "
            "crashed, the replica may have more than the source: check it with {drift}. If the file is damaged: {reseed}",
            "Do not just move on to the next binary log file: what the damaged part held would be missing on this replica.",
        ),
    ),
    entry(
        _REFUSED,
        r"binary log is not open|binary logging",
        Advice(
            ErrorClass.SETTING,
            "The source does not write a binary log.",
            "Start the source with log_bin on. What it executed without a binary log never reaches its replicas: check {drift}",
        ),
    ),
    entry(
        _REFUSED,
        r"server.?id was not set|misconfigured (master|source)",
        Advice(
            ErrorClass.SETTING,
            "The source, or this replica, has no server_id.",
            "Give each server a server_id of its own, above 0. Then: {start_receiver}",
        ),
    ),
    entry(
        _REFUSED,
        "",
        Advice(
            ErrorClass.SOURCE_LOG,
            "The source refuses to send its binary log, for the reason in the text.",
            "Look into the source's error log at the time of the error. When its cause is gone: {start_receiver}",
            "Do not rebuild the replica before the reason is clear: the new one may be refused as well.",
        ),
    ),
    entry(
        _FATAL,
        r"equal (MySQL|MariaDB) server (uu)?ids|server_(uu)?id",
        Advice(
            ErrorClass.DUPLICATE_IDENTITY,
            "Replica and source have the same identity, as a server and its copy have; a replica refuses what it takes for "
            "its own.",
            "Give the replica a new server_id; on MySQL, if it is the server_uuid, stop the replica, delete auto.cnf from its "
            "data folder and start it. Then: {start_receiver}",
            "Do not turn on replicate_same_server_id, and do not reseed: neither gives the replica an identity of its own.",
        ),
    ),
    entry(
        (1044, 1045, 1130, 1698, 1862, 1820, 3118, 4151, 1251, 2059, 2061, 1227),
        "",
        _REFUSED_LOGIN,
    ),
    entry(_COMMAND, r"access denied|\(errno: (1044|1045|1227)\)", _REFUSED_LOGIN),
    entry(
        (1129,),
        "",
        Advice(
            ErrorClass.LOGIN,
            "The source has blocked the replica's host after too many broken connections.",
            "On the source: FLUSH HOSTS (MariaDB) or TRUNCATE TABLE performance_schema.host_cache (MySQL). Then find out what "
            "broke the connections: network, a port scanner, a health check that does not log in.",
        ),
    ),
    entry(
        (1040, 1203, 1226),
        "",
        Advice(
            ErrorClass.HOST,
            "The source is alive and has no connection free for the replica.",
            "On the source, find who holds the connections (SHOW PROCESSLIST) or raise max_connections, or the limit of the "
            "replication account. The replica tries again by itself.",
        ),
    ),
    # What is to be done of the class NETWORK depends on whether the receiver still tries, too: `health/connecting.py` adds that.
    entry(
        (2026,),
        "",
        Advice(
            ErrorClass.NETWORK,
            "Replica and source do not agree on TLS: a certificate has expired or is not trusted, or one side demands what "
            "the other does not have. MariaDB verifies certificates by default from 11.4 on.",
            "Check the certificates' dates and names on both sides.",
            "Do not turn off TLS for good to get going.",
        ),
    ),
    entry(
        (0, 2002, 2003, 2005, 2006, 2012, 2013, 2055, 1158, 1159, 1160, 1161, *_COMMAND),
        "",
        Advice(
            ErrorClass.NETWORK,
            "The replica cannot reach its source, or lost it: the source is down, or network, firewall or name resolution "
            "between the two do not let it through.",
            "See first whether the source is up. From the replica's host, try host and port of the source.",
            "Do not re-create the channel: it has the right position, and nothing is lost yet.",
        ),
    ),
    entry(
        (1595, 13122),
        r"could not queue event",
        # Whatever keeps the receiver from taking an event is told like this (MDEV-29252), a wrong checksum among it.
        Advice(
            ErrorClass.OTHER,
            "The replica could not take an event of its source. Either the event is damaged (its checksum is wrong), in the "
            "source's binary log or on the way; or the relay log cannot be written, most often because its disk is full.",
            "The replica's error log says which, just above this error. Let it try once more: {start_receiver}. If it stops at "
            "the same place, check the source's binary log there with mysqlbinlog --verify-binlog-checksum: if that is damaged, "
            "the replica can only be rebuilt: {reseed}",
            "Do not turn checksums off, and do not move on to the next binary log: what the damaged part held would be missing.",
        ),
    ),
    entry(
        (1595, 13122),
        "",
        Advice(
            ErrorClass.HOST,
            "The replica cannot write its relay log. Most often the disk is full.",
            "Free space on the disk of the relay logs, then: {start_receiver}",
            "Do not delete relay log files by hand.",
        ),
    ),
    entry(
        (1201, 1872, 13123, 13124),
        "",
        Advice(
            ErrorClass.RELAY_LOG,
            "The server cannot open its own notes about this channel: relay log files are missing, or the host name, which is "
            "part of their default names, has changed.",
            "With GTID positions nothing is lost: reset the channel's relay logs and start it again: {refetch}. Set relay_log "
            "to a fixed name.",
            "Without GTID positions, do not reset before you have noted the source's file and position that were applied last.",
        ),
    ),
    entry(
        (1743, 1744, 13115),
        "",
        Advice(
            ErrorClass.TRANSIENT,
            "An event's checksum was wrong: it was damaged on the way or on a disk.",
            "Fetch it again once: {start_receiver}. If the same place fails again, the damage is in the source's binary log "
            "or in hardware: check both.",
            "Do not turn checksums off.",
        ),
    ),
    entry(
        (1789,),
        "",
        Advice(
            ErrorClass.PURGED,
            "The source has deleted binary logs that this replica has not read yet. It cannot catch up from this source any "
            "more.",
            "Attach the replica to a server that still has them, or rebuild it: {reseed}",
            "Do not set the replica to the source's present position: everything in between would be missing without a trace.",
        ),
    ),
)


def is_purged(errno: int, text: str) -> bool:
    """True of an error by which the source tells that it has deleted what the replica needs."""
    return advise(errno, text, RECEIVER_ERRORS).error_class is ErrorClass.PURGED
