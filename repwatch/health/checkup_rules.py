"""What `doctor` says about servers, from looks at them: pure, one small function for each thing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from repwatch.health import checkup_copies
from repwatch.health.abilities import abilities
from repwatch.health.checkup import Ability, ClusterCheckup, Failed, Level, Login, Look, Remark, ServerCheckup, Topic
from repwatch.health.inventory import role_of
from repwatch.health.upstream import agreed_source, leads_to, wanted_source
from repwatch.model.endpoint import TlsMode
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from repwatch.sql.grants import covered_by_schemas, held, missing, missing_on_table, statement
from repwatch.sql.heartbeat import make_table, writing_needs
from repwatch.sql.privileges import Grant, lock_hot_needs, operator_needs, replication_needs, restart_needs, watch_needs
from repwatch.sql.replication import follow_by_gtid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """One server among the others of its cluster. `looks` holds those that were reached, by label."""

    cluster: ClusterSpec
    spec: ServerSpec
    look: Look
    looks: Mapping[str, Look]
    source: str | None  # the label of the source in force

    @property
    def is_source(self) -> bool:
        """True for the cluster's source, and for one that only channels of others name."""
        return self.source == self.spec.label or not self.cluster.upstream(self.spec)


def check_cluster(cluster: ClusterSpec, results: Mapping[str, Look | Failed]) -> ClusterCheckup:
    """All remarks on a cluster; `results` by label, one for each server."""
    looks = {label: result for label, result in results.items() if isinstance(result, Look)}
    source = agreed_source(looks) if cluster.source == AUTO else cluster.source
    servers = tuple(_server(cluster, spec, results[spec.label], looks, source) for spec in cluster.servers)
    return ClusterCheckup(name=cluster.name, servers=servers)


def _server(
    cluster: ClusterSpec, spec: ServerSpec, result: Look | Failed, looks: Mapping[str, Look], source: str | None
) -> ServerCheckup:
    able: tuple[Ability, ...] = ()
    if isinstance(result, Failed):
        remarks: tuple[Remark, ...] = (_problem(Topic.CONNECTION, result.text, result.hint),)
    else:
        context = _Context(cluster=cluster, spec=spec, look=result, looks=looks, source=source)
        remarks = tuple(remark for rule in RULES for remark in rule(context))
        able = abilities(result, is_source=context.is_source, heartbeat=cluster.heartbeat)
    version = f"{_product(result)} {_number(result)}" if isinstance(result, Look) else ""
    address = str(spec.endpoint.address)
    role = role_of(cluster, spec, source)
    return ServerCheckup(server=address, name=spec.name, role=role, version=version, remarks=remarks, abilities=able)


def _good(topic: Topic, text: str) -> Remark:
    return Remark(topic=topic, level=Level.GOOD, text=text)


def _note(topic: Topic, text: str, hint: str = "") -> Remark:
    return Remark(topic=topic, level=Level.NOTE, text=text, hint=hint)


def _problem(topic: Topic, text: str, hint: str = "", grants: tuple[str, ...] = ()) -> Remark:
    return Remark(topic=topic, level=Level.PROBLEM, text=text, hint=hint, grants=grants)


def _product(look: Look) -> str:
    return "MariaDB" if look.version.is_mariadb else "MySQL"


def _number(look: Look) -> str:
    return ".".join(str(part) for part in look.version.number)


def connection(context: _Context) -> Iterator[Remark]:
    """It connects, as whom."""
    yield _good(Topic.CONNECTION, f"logged in as {context.look.login.user}")


def tls(context: _Context) -> Iterator[Remark]:
    """Whether others on the way can read along."""
    if context.look.tls:
        yield _good(Topic.TLS, f"the connection is encrypted ({context.look.tls})")
    elif context.look.address.socket:
        yield _good(Topic.TLS, "a Unix socket, which needs no TLS")
    elif context.spec.endpoint.tls is not TlsMode.DISABLED:
        yield _note(Topic.TLS, "the connection is not encrypted: the server offers no TLS", "enable TLS on the server")


def privileges(context: _Context) -> Iterator[Remark]:
    """Whether the account may see all that watching and drift checks look at."""
    look = context.look
    yield from _privileges(Topic.PRIVILEGES, "watching and drift checks", look.login, watch_needs(look.version), look)


def locking(context: _Context) -> Iterator[Remark]:
    """Whether `drift --lock-hot` may lock rows of a source; only old servers want more for it than SELECT."""
    look = context.look
    lacking = missing(lock_hot_needs(look.version), held(look.login.grants, look.version)) if context.is_source else ()
    for grant in lacking:
        told = f"{look.login.user} may not lock rows, which `drift --lock-hot` would"
        yield _note(Topic.PRIVILEGES, told, statement(grant, look.login.user))


def operator(context: _Context) -> Iterator[Remark]:
    """Whether the account of repair, reseed and `drift --proof exact` may do its work."""
    look = context.look
    match look.operator:
        case None:
            if context.spec.name is not None:  # a URL has no place for a second account
                told = "no operator account: repair, reseed and exact checks use the watching account"
                yield _note(Topic.OPERATOR, told, "set operator = { user = …, password = … }")
        case Failed():
            yield _problem(Topic.OPERATOR, f"the operator account: {look.operator.text}", look.operator.hint)
        case Login():
            yield from _privileges(
                Topic.OPERATOR, "repair, reseed and exact checks", look.operator, operator_needs(look.version), look
            )


def restarting(context: _Context) -> Iterator[Remark]:
    """Whether the operator may start a stopped thread again, where the configuration wants that."""
    login, version = context.look.operator, context.look.version
    if context.cluster.restarts(context.spec) and isinstance(login, Login) and not context.is_source:
        yield from _privileges(Topic.RESTART, "restarts of threads", login, restart_needs(version), context.look)


def replication_account(context: _Context) -> Iterator[Remark]:
    """Whether a reseeded replica will be let in. From here, that is: the account may be bound to the replicas' hosts."""
    look = context.look
    match look.replication:
        case Failed():
            told = f"the replication account cannot be tried from here: {look.replication.text}"
            yield _note(Topic.REPLICATION_ACCOUNT, told, "this is right if it may log in from the replicas' hosts alone")
        case Login():
            needs = replication_needs(look.version)
            yield from _privileges(Topic.REPLICATION_ACCOUNT, "replicas that connect", look.replication, needs, look)


def machine(context: _Context) -> Iterator[Remark]:
    """Of a reseed by files."""
    yield from checkup_copies.machine(context.look, receives=not context.is_source)


def cloning(context: _Context) -> Iterator[Remark]:
    """Of a reseed by cloning."""
    yield from checkup_copies.cloning(context.look, receives=not context.is_source)


def _privileges(topic: Topic, work: str, login: Login, needs: Sequence[Grant], look: Look) -> Iterator[Remark]:
    holds = held(login.grants, look.version)
    lacking = missing(needs, holds)
    if not lacking:
        yield _good(topic, f"{login.user} has the privileges for {work}")
        return
    schemas = covered_by_schemas(lacking, holds)
    names = ", ".join(privilege for grant in lacking for privilege in grant.privileges)
    if schemas:
        yield _note(topic, f"{login.user} may use {names} on {', '.join(schemas)} alone: nothing else is seen")
        return
    grants = tuple(statement(grant, login.user) for grant in lacking)
    yield _problem(topic, f"{login.user} lacks privileges for {work}: {names}", "run as an administrator:", grants)


def heartbeat(context: _Context) -> Iterator[Remark]:
    """Whether the watching account may write a heartbeat on this source, where the configuration wants one."""
    database, look = context.cluster.heartbeat, context.look
    if database is None or not context.is_source:
        return
    need = writing_needs(database)
    lacking = missing_on_table(look.login.grants, need)
    grants = (statement(Grant(lacking, need.on), look.login.user),) if lacking else ()
    if not look.heartbeat:
        told = "the table of the heartbeat is not there, or may not be seen"
        yield _problem(Topic.HEARTBEAT, told, "run as an administrator:", (*make_table(database), *grants))
    elif lacking:
        told = f"{look.login.user} may not write the heartbeat"
        yield _problem(Topic.HEARTBEAT, told, "run as an administrator:", grants)
    else:
        yield _good(Topic.HEARTBEAT, "the heartbeat can be written")


def same_server(context: _Context) -> Iterator[Remark]:
    """Two entries of the cluster that lead to one server."""
    for label, other in context.looks.items():
        if label != context.spec.label and other.identity == context.look.identity:
            yield _problem(
                Topic.SAME_SERVER,
                f"{context.spec.label} and {label} are one and the same server",
                "correct one of the URLs; a check would compare the server with itself",
            )


def server_id(context: _Context) -> Iterator[Remark]:
    """Server ids: set, and different. Two replicas with one id throw each other out of the source, again and again."""
    look = context.look
    if look.server_id == 0:
        yield _problem(Topic.SERVER_ID, "server_id is 0: the server can neither be a source nor a replica", "set server_id")
        return
    twins = [
        label for label, other in context.looks.items() if other.server_id == look.server_id and other.identity != look.identity
    ]
    if twins:
        yield _problem(
            Topic.SERVER_ID, f"server_id {look.server_id} is also that of {', '.join(twins)}", "give each server its own"
        )
    elif context.is_source or look.channels:
        yield _good(Topic.SERVER_ID, f"server_id {look.server_id} is its own")


def replication(context: _Context) -> Iterator[Remark]:
    """Whether each channel leads where the configuration says."""
    if context.look.channels is None:
        return  # the missing privilege is told already
    if context.source is None:
        yield _problem(
            Topic.REPLICATION, "the replicas agree on no source", "name it: --source URL, or source = … in the configuration"
        )
        return
    if context.is_source:
        yield from _source_channels(context)
        return
    for channel in context.cluster.upstream(context.spec):
        yield from _channel(context, channel)


def _source_channels(context: _Context) -> Iterator[Remark]:
    for channel in context.look.channels or ():
        if context.source == context.spec.label:
            yield _note(Topic.REPLICATION, f"the source replicates itself, from {channel.source}{_named(channel.channel)}")


def _channel(context: _Context, name: str) -> Iterator[Remark]:
    wanted = wanted_source(context.cluster, context.spec, name, context.source)
    channels = {channel.channel: channel for channel in context.look.channels or ()}
    channel = channels.get(name)
    if channel is None and name == "" and len(channels) == 1:
        channel = next(iter(channels.values()))  # the only one, under a name of its own
    if channel is None:
        others = f"; it has {', '.join(repr(other) for other in channels)}" if channels else ""
        told = f"it does not replicate{_named(name)}, and should from {wanted}{others}"
        yield _problem(Topic.REPLICATION, told, "is it a replica at all, and is channels = … right?")
        return
    look = context.looks.get(wanted or "")
    if look is None:
        yield _note(Topic.REPLICATION, f"it replicates from {channel.source}; {wanted} was not reached, to tell if that is it")
    elif leads_to(channel, look):
        yield _good(Topic.REPLICATION, f"it replicates from {wanted}{_named(channel.channel)}")
    else:
        elsewhere = next((label for label, other in context.looks.items() if leads_to(channel, other)), None)
        place = f"{elsewhere} ({channel.source})" if elsewhere else str(channel.source)
        told = f"it replicates from {place}{_named(channel.channel)}, and should from {wanted}"
        yield _problem(Topic.REPLICATION, told, "correct replicates_from or source, or point the replica to the right source")


def _named(channel: str) -> str:
    return f" on channel {channel!r}" if channel else ""


def binlog(context: _Context) -> Iterator[Remark]:
    """What the source writes into its binary log."""
    look = context.look
    if context.is_source and not look.is_on("log_bin"):
        yield _problem(Topic.BINLOG, "log_bin is off: nothing can replicate from it", "set log_bin and restart the server")
    if not context.is_source or not look.is_on("log_bin"):
        return
    if look.variables.get("binlog_format", "ROW").upper() == "STATEMENT":
        yield _note(
            Topic.BINLOG, "binlog_format is STATEMENT: statements that are not deterministic make replicas drift", "set it to ROW"
        )
    for name, schemas in (("binlog_do_db", look.logged.do), ("binlog_ignore_db", look.logged.ignore)):
        if schemas:
            told = (
                f"{name} is {', '.join(schemas)}: what it leaves out reaches no replica, and where statements are logged it goes"
            )
            hint = "take it out of the option file, and filter on the replicas (replicate_…) what they need not have"
            yield _note(Topic.BINLOG, f"{told} by the session's default schema, so that writes to others are lost as well", hint)
    image = look.variables.get("binlog_row_image", "FULL").upper()
    if image not in ("FULL", "FULL_NODUP"):
        yield _note(
            Topic.BINLOG,
            f"binlog_row_image is {image}: where a replica has other columns or another key, wrong rows may be changed",
            "set it to FULL",
        )


def disk(context: _Context) -> Iterator[Remark]:
    """Whether it can be told before a disk is full."""
    look = context.look
    if not look.version.is_mariadb:
        told = "how full its disks are cannot be known before they are full: MySQL does not tell"
        yield _note(Topic.DISK, told, "have the host watched")
    elif look.disks is None:
        told = "how full its disks are is not known: the plugin `disks` is not installed"
        yield _note(Topic.DISK, told, "INSTALL SONAME 'disks', or have the host watched")
    elif not look.disks:
        told = f"how full its disks are is not known: {look.login.user} lacks FILE, or none of them is listed"
        yield _note(Topic.DISK, told, "FILE lets an account read and write the host's files: rather have the host watched")
    else:
        yield _good(Topic.DISK, f"it tells how full its disks are ({', '.join(space.path for space in look.disks)})")


def durability(context: _Context) -> Iterator[Remark]:
    """What a MySQL replica keeps through a crash of its host, where its binary log holds its position (MySQL manual, "GTID Life
    Cycle"). Without that, as on MariaDB, the position lies in InnoDB with the rows."""
    look = context.look
    logs = look.is_on("log_bin") and (look.is_on("log_replica_updates") or look.is_on("log_slave_updates"))
    if not look.channels or look.version.is_mariadb or not logs or not look.is_on("gtid_mode"):
        return
    wanted = {"sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}
    loose = [f"{name} = {value}" for name, safe in wanted.items() if (value := look.variables.get(name, safe)) != safe]
    if loose:
        yield _note(
            Topic.DURABILITY,
            f"{', '.join(loose)}: after a crash of its host this replica may take transactions for executed whose rows are lost, "
            "or execute some twice",
            "set both to 1, or check it with `repwatch drift` after each crash of its host",
        )


def gtid(context: _Context) -> Iterator[Remark]:
    """Global transaction ids: repair and reseed tell positions by them."""
    look = context.look
    if look.version.is_mariadb:
        without = [channel for channel in look.channels or () if not channel.uses_gtid]
        for channel in without:
            yield _note(
                Topic.GTID,
                f"replication{_named(channel.channel)} does not use GTIDs",
                follow_by_gtid(look.version, channel.channel),
            )
    elif look.variables.get("gtid_mode", "OFF").upper() != "ON":
        mode = look.variables.get("gtid_mode", "OFF")
        yield _problem(
            Topic.GTID,
            f"gtid_mode is {mode}: repair and reseed need it ON",
            "see the MySQL manual, Enabling GTID Transactions Online",
        )


def read_only(context: _Context) -> Iterator[Remark]:
    """Replicas that anybody may write to."""
    look = context.look
    if context.is_source:
        if look.is_on("read_only") and context.source == context.spec.label:
            yield _note(Topic.READ_ONLY, "the source is read_only: nobody can write to it")
    elif not look.is_on("read_only") and not context.spec.writable:
        yield _note(
            Topic.READ_ONLY,
            "read_only is off: anybody may write to this replica",
            "SET GLOBAL read_only = ON, or writable = true",
        )


def against_source(context: _Context) -> Iterator[Remark]:
    """Differences from the source that matter to replication."""
    source = context.looks.get(context.source or "")
    look = context.look
    if source is None or source is look:
        return
    if source.version.flavour is not look.version.flavour:
        yield _note(Topic.VERSION, f"{_product(look)} replicates from {_product(source)}: a migration; GTIDs do not match up")
    elif look.version.number[:2] < source.version.number[:2]:
        told = f"older than its source ({_number(look)}, {_number(source)}): what the source writes may be unknown to it"
        yield _note(Topic.VERSION, told, "upgrade replicas before their source")
    theirs, own = (one.variables.get("lower_case_table_names", "") for one in (source, look))
    if theirs != own:
        yield _note(Topic.TABLE_NAMES, f"lower_case_table_names is {own}, and {theirs} on the source: names may not match")
    theirs, own = (_zone(one) for one in (source, look))
    if theirs != own:
        told = f"the time zone is {own}, and {theirs} on the source"
        yield _note(Topic.TIME_ZONE, told, "statement-based replication of local times then differs")


def _zone(look: Look) -> str:
    zone = look.variables.get("time_zone", "")
    return look.variables.get("system_time_zone", "") if zone == "SYSTEM" else zone


# In the order in which a person wants to read it.
RULES = (
    connection,
    tls,
    privileges,
    locking,
    operator,
    restarting,
    replication_account,
    machine,
    cloning,
    heartbeat,
    same_server,
    server_id,
    replication,
    gtid,
    binlog,
    disk,
    durability,
    read_only,
    against_source,
)
