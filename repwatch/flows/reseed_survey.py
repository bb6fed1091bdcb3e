"""Reads what a reseed must know about both servers. Changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from repwatch.errors import LoginRefused, StatementRefused, Unreachable
from repwatch.flows.beside import beside
from repwatch.flows.hold import channel_states
from repwatch.flows.openings import open_beside
from repwatch.flows.reseed_accounts import missing_grants
from repwatch.flows.reseed_clone import ask_accounts, clone_facts, clone_status
from repwatch.flows.reseed_definitions import fingerprint, read_definitions, read_present, tables_of_triggers
from repwatch.flows.reseed_errant import read_errant
from repwatch.flows.reseed_feeders import glanced, read_feeders
from repwatch.flows.reseed_hosts import AskedHosts, ask_hosts
from repwatch.flows.reseed_marker import read_marker
from repwatch.flows.reseed_others import Glance, disputes_of, glance_at, glance_at_all, replicas_of
from repwatch.flows.reseed_way import read_way
from repwatch.model.gtid import of_origins, reached
from repwatch.model.schema import TableName
from repwatch.model.server import Address
from repwatch.model.topology import ClusterSpec, ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.ports.shell import NO_SHELL, Shell
from repwatch.reseed.choice import by_files, is_loaded, settled_choice
from repwatch.reseed.facts import CloneFacts, DonorFacts, Facts, Feeder, ServerFacts, SourceFacts, TableFacts, TargetFacts, Way
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Marker
from repwatch.sql import definitions, replication, rowload
from repwatch.sql import reseed as sql
from repwatch.sql.clone import CloneState
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.privileges import export_needs, operator_needs
from repwatch.sql.replication import SourceLogin

_PATIENT = Timeouts(connect=10.0, read=600.0)
_LET_END: Final = 1.0  # seconds; then its session is closed under it
_FETCH_SECONDS: Final = 5.0  # a transaction takes its time to the replica
_FETCH_PAUSE: Final = 0.1

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReseedRequest:
    """What is asked for. `others` are the further servers of the inventory: none of them may replicate from the target.

    `login` is needed where the channel must be made anew.
    """

    source: ServerSpec
    replica: ReplicaTarget
    others: tuple[ServerSpec, ...] = ()
    login: SourceLogin | None = None
    overwrite_standalone: str = ""
    method: Method | None = None  # None: what costs least
    tables: tuple[TableName, ...] = ()
    export: Path | None = None  # a new file for the transactions that only the target has
    donor: ReplicaTarget | None = None  # a replica of `source` that is copied from in its place
    clone_login: SourceLogin | None = None  # how the target logs in to the server that it is cloned from
    files_begun: bool = False  # a reseed by files has begun and not ended, as the journal has it
    inventory: ClusterSpec | None = None  # a cluster whose source the configuration names; None: AUTO, or there is none
    left: tuple[Marker, str] | None = None  # what an interrupted clone left in the journal (`reseed/clone.py`)

    @property
    def copied(self) -> ServerSpec:
        """The server whose data is read."""
        return self.donor.server if self.donor else self.source


def survey(request: ReseedRequest, connect: Connect, clock: Clock, shell: Shell = NO_SHELL) -> Facts:
    """Look at both servers, at the others for channels that read from the target, and at machines where files may be copied.

    Raises ServerError.
    """
    with ExitStack() as opened:
        givers = open_givers(request, connect, opened)
        opening = open_beside(connect, request.replica.server.writer, _PATIENT, opened)
        givers[0].result()  # where it cannot be had, the target is not waited for
        return survey_from(request, givers, opening.result(), connect, clock=clock, shell=shell)


def open_givers(request: ReseedRequest, connect: Connect, opened: ExitStack) -> list[Future[Database]]:
    """Sessions with the source and, if there is one, the donor, that `opened` closes; they are had from the results."""
    ends = (request.source, *((request.donor.server,) if request.donor else ()))
    return [open_beside(connect, spec.writer, _PATIENT, opened) for spec in ends]


def survey_from(  # noqa: PLR0913 - two ends that are open, and three doors
    request: ReseedRequest,
    givers: Sequence[Future[Database]],
    target: Database,
    connect: Connect,
    *,
    clock: Clock,
    shell: Shell,
) -> Facts:
    """The same over sessions that are there, those of `open_givers` and one with the target."""
    source = givers[0].result()
    try:
        copied = givers[1].result() if request.donor else source
    except (Unreachable, LoginRefused):
        if not _is_needed_no_more(request, target):
            raise
        request, copied = replace(request, donor=None), source
    asked_hosts = _ask_hosts(request, source, target, shell) if request.method is Method.PHYSICAL else None
    asked_accounts = ask_accounts(copied, target, request.replica.server, connect)
    with _beside_all(partial(_source, source, with_data=request.donor is None), "read source") as reading:
        target_server = _server(target)
        glances = glance_at_all(request.others, connect)
        replicas = replicas_of(target_server, request.replica.server, request.others, glances)
        target_facts = _target(target, target_server, replicas)
        source_facts = reading.result()
    errant, _ = read_errant(source, target)
    donor = _donor(source, copied, request.donor) if request.donor else None
    told = not (target_server.missing_grants or source_facts.server.missing_grants)
    lacking = target_server.missing_grants or (donor.data if donor else source_facts).server.missing_grants
    clone = None if lacking else clone_facts(copied, target, asked_accounts)
    if clone is not None and target_facts.marker is None and request.left is not None:
        target_facts, clone = _with_what_is_left(target, target_facts, clone, request.left)
    facts = Facts(
        source=source_facts,
        target=replace(target_facts, errant=errant),
        channel=request.replica.channel,
        login=request.login is not None,
        overwrite_standalone=request.overwrite_standalone,
        local_tables=request.replica.server.local_tables,
        asked=request.method,
        only=request.tables,
        export=request.export is not None,
        donor=donor,
        clone=clone,
        way=read_way(source, target, request.replica.channel) if told else Way(),
        feeders=_feeders(request, target, target_facts, glances, connect),
        disputes=_disputes(request, glances, (source, source_facts.server), (target, target_server)),
    )
    if facts.current and not facts.follows_source:
        facts = replace(facts, fetching=_fetching(source, target, request.replica.channel, clock))
    if not by_files(facts):
        return facts
    hosts = asked_hosts or _ask_hosts(request, source, target, shell)
    return replace(facts, hosts=replace(hosts.answers(connect), begun=request.files_begun) if hosts else None)


def _feeders(
    request: ReseedRequest, target: Database, facts: TargetFacts, glances: dict[str, Glance], connect: Connect
) -> tuple[Feeder, ...]:
    """Only tables that are named can be put right beside other channels; what is taken up has been asked for before."""
    if not request.tables or facts.marker is not None:
        return ()
    others = (state for state in facts.server.channels if state.channel != request.replica.channel)
    return read_feeders(others, request.tables, target, glanced(request.others, glances), connect)


def _disputes(request: ReseedRequest, glances: dict[str, Glance], *ends: tuple[Database, ServerFacts]) -> tuple[str, ...]:
    """Where there is no third server, all that could be told of the source is told by what either end replicates from."""
    if request.inventory is None or not request.others or any(facts.missing_grants for _, facts in ends):
        return ()
    specs = (request.source, request.replica.server)
    seen = {spec.label: glance_at(db) for spec, (db, _) in zip(specs, ends, strict=True)}
    return disputes_of(request.inventory, request.replica.server, glances | seen)


@contextmanager
def _beside_all(work: Callable[[], Found], name: str) -> Iterator[Future[Found]]:
    """`work` on a session that is asked for nothing else in the block, which a failure leaves when it has ended."""
    working = beside(work, name)
    try:
        yield working
    finally:
        wait([working], _LET_END)


def _is_needed_no_more(request: ReseedRequest, target: Database) -> bool:
    """True of a donor whose data is there already, and is what is asked for; but a clone's channel has come from it."""
    marker = read_marker(target)
    choice = settled_choice(request.tables, request.method, marker)
    return choice is not None and choice.method is not Method.CLONE and is_loaded(marker, choice)


def _with_what_is_left(
    target: Database, facts: TargetFacts, clone: CloneFacts, left: tuple[Marker, str]
) -> tuple[TargetFacts, CloneFacts]:
    """With the marker that a clone took away, if one has begun since it was written down; and with its end."""
    (marker, before), status = left, clone_status(target)
    if status.begun in ("", before) or marker.target_key not in ("", facts.server.key):
        return facts, clone
    position = status.position if status.state is CloneState.COMPLETED else ""
    return replace(facts, marker=marker), replace(clone, position=position)


def _fetching(source: Database, target: Database, channel: str, clock: Clock) -> bool:
    """Whether the channel's receiver has what the source had written a moment ago, and nothing that it had not.

    Only on MariaDB, where nothing else tells a source from another one with its server id. A receiver that connects begins
    with all of `gtid_slave_pos`, so that domains which came from elsewhere stand in its Gtid_IO_Pos too (10.11, seen).
    """
    if not (source.version.is_mariadb and target.version.is_mariadb):
        return False
    flavour, written = source.version.flavour, replication.written(source.version)
    before = source.scalar(written) or ""
    deadline = clock.monotonic() + _FETCH_SECONDS
    while True:
        state = next((state for state in channel_states(target) if state.channel == channel and state.connected), None)
        if state is None or not state.received:
            return False
        now = source.scalar(written) or ""
        received = of_origins(flavour, state.received, now)
        if received and reached(flavour, received, before) and reached(flavour, now, received):
            return True
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(_FETCH_PAUSE)


def _ask_hosts(request: ReseedRequest, source: Database, target: Database, shell: Shell) -> AskedHosts | None:
    return ask_hosts((request.source, request.replica.server), source, target, shell)


def _donor(source: Database, db: Database, target: ReplicaTarget) -> DonorFacts:
    errant, _ = read_errant(source, db)
    read_only = db.scalar(sql.READ_ONLY) == "1"
    data = _source(db, with_data=True)
    way = Way() if data.server.missing_grants else read_way(source, db, target.channel)
    return DonorFacts(data=data, channel=target.channel, read_only=read_only, errant=errant, way=way)


def _executed(db: Database) -> str:
    return db.scalar(replication.executed(db.version)) or ""


def _source(db: Database, *, with_data: bool) -> SourceFacts:
    """Without its data it is only asked who it is."""
    if not with_data:
        return SourceFacts(server=_server(db), tables=(), fingerprint="")
    for statement in definitions.reader_setup(db.version):
        db.execute(statement)
    server = _server(db)
    # Without the privileges the definitions cannot be read; that they are missing is then the answer.
    items = () if server.missing_grants else read_definitions(db)
    return SourceFacts(
        server=server,
        tables=_tables(db, items),
        fingerprint=fingerprint(items),
        foreign_keys=_foreign_keys(db),
        objects=_objects(items),
        triggers=tuple(tables_of_triggers(db).items()),
    )


def _foreign_keys(db: Database) -> tuple[tuple[TableName, TableName], ...]:
    return tuple(
        (TableName(row["s"] or "", row["n"] or ""), TableName(row["rs"] or "", row["rn"] or ""))
        for row in db.texts(definitions.LIST_FOREIGN_KEYS)
    )


def _objects(items: Sequence[Definition]) -> tuple[tuple[Kind, TableName], ...]:
    others = (item for item in items if item.kind not in (Kind.SCHEMA, Kind.TABLE))
    return tuple((item.kind, TableName(item.schema, item.name)) for item in others)


def _tables(db: Database, items: Sequence[Definition]) -> tuple[TableFacts, ...]:
    known = {TableName(item.schema, item.name): item for item in items if item.kind is Kind.TABLE}
    rows = ((TableName(row["s"] or "", row["n"] or ""), row) for row in db.texts(definitions.LIST_TABLES))
    return tuple(
        TableFacts(
            name=name,
            kind=row["t"] or "",
            engine=row["e"] or "",
            rows=int(row["r"] or 0),
            data_bytes=int(row["d"] or 0),
            definition=definitions.without_counters(known[name].statement) if name in known else "",
        )
        for name, row in rows
        if name.schema != sql.MARKER_SCHEMA
    )


def _server(db: Database) -> ServerFacts:
    (row,) = db.texts(sql.identity(db.version))

    def number(name: str) -> int:
        return int(row[name] or 0)

    member = number("member") or (0 if db.version.is_mariadb else int(db.scalar(sql.GROUP_MEMBER) or 0))
    lacking = missing_grants(db, operator_needs(db.version))
    return ServerFacts(
        address=db.endpoint.address,
        version=db.version,
        server_id=number("server_id"),
        server_uuid=row["server_uuid"] or "",
        log_bin=bool(number("log_bin")),
        logs_updates=bool(number("updates")),
        gtid=bool(number("gtid")),
        lower_case_names=number("names"),
        max_allowed_packet=number("packet"),
        binlog_expires=number("expires"),
        group_member=bool(member),
        schemas=tuple(name for r in db.texts(definitions.LIST_SCHEMAS) if (name := r["SCHEMA_NAME"] or "")),
        prepared=_prepared(db),
        channels=() if lacking else tuple(channel_states(db)),
        missing_grants=lacking,
        places=tuple(
            Address(host, number(f"{whose}port"))
            for whose, host in (("", row["hostname"]), ("report_", row["report_host"]))
            if host
        ),
    )


_XA_RMERR = 1401  # the answer to XA RECOVER without XA_RECOVER_ADMIN (MySQL)


def _prepared(db: Database) -> tuple[str, ...]:
    try:
        return tuple(row.get("data") or "?" for row in db.texts(sql.XA_RECOVER))
    except StatementRefused as error:
        if error.errno == _XA_RMERR:
            return ("unknown: GRANT XA_RECOVER_ADMIN lets the account see them",)
        raise


def _target(db: Database, server: ServerFacts, replicas: tuple[str, ...]) -> TargetFacts:
    processes = db.texts(sql.PROCESSES)
    marker = read_marker(db)
    for statement in definitions.reader_setup(db.version):
        db.execute(statement)
    # Without its privileges it is refused, and all that it lacks is told: not the first statement that fails for it.
    items = () if server.missing_grants else read_present(db)
    writing = () if server.missing_grants else db.texts(sql.WRITING_TRANSACTIONS)
    return TargetFacts(
        server=_without_marker(server),
        read_only=db.scalar(sql.READ_ONLY) == "1",
        super_read_only=not db.version.is_mariadb and db.scalar(sql.SUPER_READ_ONLY) == "1",
        trust_creators=db.scalar(sql.TRUST_CREATORS) == "1",
        local_infile=db.scalar(rowload.LOCAL_INFILE) == "1",
        dump_clients=tuple(p["host"] or "" for p in processes if (p["command"] or "").startswith("Binlog Dump")),
        replicas=replicas,
        writers=tuple(f"{row['user']} (connection {row['id']})" for row in writing),
        marker=marker,
        executed=_executed(db),
        tables=() if server.missing_grants else _tables(db, items),
        objects=_objects(items),
        foreign_keys=_foreign_keys(db),
        triggers=tuple(tables_of_triggers(db).items()),
        export_grants=missing_grants(db, export_needs()),
    )


def _without_marker(server: ServerFacts) -> ServerFacts:
    return replace(server, schemas=tuple(name for name in server.schemas if name != sql.MARKER_SCHEMA))
