"""The step of a reseed that makes the replica's data that of one position of its source: rows, a clone, or files."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from repwatch.errors import Refused, RepwatchError, ServerError, StatementRefused
from repwatch.flows import reseed_physical
from repwatch.flows.hold import run_until
from repwatch.flows.reseed_clone import CloneFailed, Turn, clone, clone_status, is_untouched
from repwatch.flows.reseed_definitions import read_triggers
from repwatch.flows.reseed_donor import held
from repwatch.flows.reseed_left import doors_of
from repwatch.flows.reseed_marked import PATIENT, Marked, NotOurs
from repwatch.flows.reseed_outlook import Outlook
from repwatch.flows.reseed_physical import Backup, Machine, machine_of
from repwatch.flows.reseed_settings import restore_load_settings
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.flows.reseed_tools import Tools
from repwatch.reseed import clone as clone_plan
from repwatch.reseed.choice import Choice
from repwatch.reseed.donor import least_position
from repwatch.reseed.facts import Facts
from repwatch.reseed.method import Method
from repwatch.reseed.stages import Stage
from repwatch.sql import clone as clone_sql
from repwatch.sql import reseed as sql
from repwatch.sql.clone import CloneStatus
from repwatch.sql.definitions import Definition, reader_setup
from repwatch.sql.rowload import set_local_infile

_RUN_SECONDS = 600.0  # for a held replica to reach the snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What is copied to where. When `fill` returns, the marker has the position."""

    request: ReseedRequest
    tools: Tools
    facts: Facts
    choice: Choice
    marked: Marked
    outlook: Outlook

    def fill(self) -> tuple[str, ...]:
        """By the chosen method; what a person is to be told. Raises Refused, ServerError, HostFailed."""
        match self.choice.method:
            case Method.CLONE:
                self._clone()
            case Method.PHYSICAL:
                self._copy_files()
            case Method.DIFFERENTIAL | Method.LOGICAL | Method.TABLE:
                return self._load()
        return ()

    def _load(self) -> tuple[str, ...]:
        from repwatch.flows.reseed_load import Load, load  # noqa: PLC0415 - a tenth of the start of a copy of files

        marked = self.marked
        job = Load(
            source=self.request.copied.writer,
            writer=marked.db,
            connect=marked.connect,
            clock=self.tools.clock,
            progress=self.tools.progress,
            keep=self.facts.owns_schema,
            method=self.choice.method,
            tables=frozenset(self.choice.tables),
            donor=self._hold_donor if self.request.donor else None,
            begin=self._begin_at,
            tear=self._tear,
        )
        try:
            loaded = load(job)
        finally:
            with suppress(ServerError):  # it may be gone; then the end of the next run puts it back
                restore_load_settings(marked.db, marked.marker)
        if marked.executed(loaded.position if self.choice.in_place else "") != marked.marker.before:
            raise ServerError("something was applied or written while the data was copied", server=marked.db.server)
        marked.marker = replace(marked.marker, position=loaded.position, torn=False)
        marked.record("written", rows=str(loaded.rows), position=loaded.position)
        return tuple(f"not made, because it is broken on the source too: {text}" for text in loaded.broken)

    def _begin_at(self, position: str) -> None:
        """The snapshot stands; from here on data is replaced."""
        marked = self.marked
        self.outlook.begin(position)
        if self.choice.in_place:
            run_until(marked.db, self.facts.channel, position, self.tools.clock, _RUN_SECONDS)
            triggers = marked.marker.triggers if marked.marker.replaced else self._triggers()
            marked.marker = replace(marked.marker, before=marked.executed(position), triggers=triggers)
        marked.marker = replace(marked.marker, replaced=True)
        marked.advance(Stage.LOADING)
        marked.db.execute(sql.set_trust_creators(on=True))
        if self.choice.method is Method.LOGICAL and not marked.marker.local_infile:
            with suppress(StatementRefused):  # MariaDB wants SUPER for it; without it rows are inserted
                marked.db.execute(set_local_infile(on=True))

    def _triggers(self) -> tuple[Definition, ...]:
        """They go before rows are written, and come back where the reseed is given up."""
        with self.marked.connect(self.request.replica.server.writer, PATIENT) as db:
            for statement in reader_setup(db.version):
                db.execute(statement)
            return read_triggers(db, self.choice.tables)

    def _tear(self) -> None:
        """Rows go that were there, and do not come back with the same transaction."""
        if not self.marked.marker.torn:
            self.marked.marker = replace(self.marked.marker, torn=True)
            self.marked.write()

    def _hold_donor(self) -> AbstractContextManager[None]:
        donor = self.request.donor
        assert donor is not None
        return held(donor, self.tools.holds, self.tools.connect, self.tools.clock, self._least())

    def _least(self) -> str:
        """What a donor must have: tables are put right at its position, which may not lie behind the replica's."""
        if not self.choice.in_place:
            return ""
        return least_position(self.marked.db.version.flavour, self.marked.marker.before, self.facts.target.errant)

    def _clone(self) -> None:
        """The statement removes the marker; what it says is written down before, for whoever goes on from here."""
        login, marked = self.request.clone_login, self.marked
        if login is None:
            raise Refused("there is no account to clone with")
        before, replaced = clone_status(marked.db), marked.marker.replaced
        marked.marker = replace(marked.marker, replaced=True)
        marked.advance(Stage.LOADING)
        marked.record(clone_plan.BEGUN, **clone_plan.entry_of(marked.marker, before.begun))
        marked.db.execute(clone_sql.PERSIST_READ_ONLY)
        marked.db.execute(sql.set_super_read_only(on=False))
        try:
            position = clone(doors_of(self.request, self.tools), login, before, Turn(marked.db, marked.check))
        except CloneFailed:
            with suppress(RepwatchError):
                self._mark_after_failure(before, replaced=replaced)
            raise
        self.outlook.place(position)
        marked.reopen(None)
        if marked.db.scalar(clone_sql.PERSISTED_READ_ONLY) != "ON":  # whoever has proved the clone puts that back
            raise NotOurs(f"another reseed has ended what this one began on {marked.db.server}")
        marked.open_for_marker()
        marked.marker = replace(marked.marker, position=position)
        marked.record("written", position=position)

    def _mark_after_failure(self, before: CloneStatus, *, replaced: bool) -> None:
        """The marker may be gone with the data. A clone that is refused before it begins has left everything."""
        marked = self.marked
        marked.reopen(None, marked.marker)
        untouched = is_untouched(marked.db, before)
        if untouched:
            marked.check(marked.db)
        marked.open_for_marker()
        if untouched:
            marked.marker = replace(marked.marker, stage=Stage.QUIET, replaced=replaced)
        marked.write()

    def _copy_files(self) -> None:
        """The copy says LOADED of itself before its server starts for the first time; the old data goes on saying LOADING."""
        machine, marked = files_of(self.request, self.tools, self.facts), self.marked
        marked.record("folder", data=machine.folders.data)
        marked.advance(Stage.LOADING)

        def loaded(position: str) -> Mapping[str, str]:
            return replace(marked.marker, stage=Stage.LOADED, position=position, copied=True).entries()

        giving = self.facts.hosts.source_host if self.facts.hosts else None
        size = giving.used if giving else 0
        backup = Backup(source=self.request.source, run=marked.marker.run, size=size, marker=loaded)
        copy = reseed_physical.make_copy(machine, backup, marked.step)
        self.outlook.place(copy.position)
        marked.marker = replace(marked.marker, position=copy.position, copied=True)
        marked.record("written", position=copy.position)
        marked.reopen()  # the server may have restarted while files were copied, and the turn may have gone with it
        marked.db.close()
        reseed_physical.put_in_place(machine, backup, copy, marked.step)
        marked.reopen(replace(marked.marker, stage=Stage.LOADED))
        marked.db.execute(sql.set_read_only(on=True))


def files_of(request: ReseedRequest, tools: Tools, facts: Facts) -> Machine:
    """The target's machine, and where its data lies."""
    host = facts.hosts.target_host if facts.hosts else None
    assert host is not None  # else the plan has a refusal
    return machine_of(request.replica.server, tools, host.folders)
