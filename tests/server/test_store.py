"""The store's contract, on SQLite; and what it says when it cannot be used."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, inspect, text

from repwatch.adapters.store import codec, schema
from repwatch.adapters.store.engine import open_engine
from repwatch.adapters.store.reader import read_views
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.adapters.store.tables import KEEP, RowState, metadata, stamp
from repwatch.adapters.store.upgrade import MIGRATIONS
from repwatch.errors import StoreError
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.notice import Posting, Reason
from repwatch.health.view import DatedView
from repwatch.health.world import SettledSource, SourceChange
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.restart import ChannelThread, Restart, RestartOutcome
from repwatch.model.view import ClusterView, FindingView, Role, ServerView, State
from repwatch.ports.store import Entry, Envelope, Fate, Settled, StoreConflict
from tests.server.postgres import Postgres

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
SUBJECT = Subject("shop", "db:1", "ch", FindingCode.APPLIER_ERROR)
FINDING = Finding(
    subject=SUBJECT, severity=Severity.CRITICAL, summary="s ✂", meaning="m", remedy="r", avoid="a", evidence={"errno": "1062"}
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a store that is not there yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new folder/s%20.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    database = server.new_database()
    yield server.url(database)
    server.drop(database)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(url)
    yield opened
    opened.close()


@contextmanager
def elsewhere(url: str) -> Iterator[Connection]:
    """Another process's transaction on the store."""
    engine = open_engine(url).execution_options(repwatch_writes=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def incident(number: int = 1, **changes: object) -> Incident:
    made = Incident(id=f"i{number}", finding=FINDING, since=NOW, phase=Phase.OPEN, told=("x",), told_to=("r",), revision=1)
    return replace(made, **changes)  # type: ignore[arg-type]


def posting(number: int, of: Incident, *receivers: str, event: NoticeEvent = NoticeEvent.OPENED) -> Posting:
    notice = Notice(
        id=f"{of.id}-{number}", subject=SUBJECT, event=event, server_name="db", severity=Severity.CRITICAL, since=NOW, at=NOW,
        summary="s", meaning="m", remedy="r", avoid="", evidence={"a": "b"},
    )  # fmt: skip
    return Posting(incident_id=of.id, notice=notice, receivers=receivers, reason=Reason.FIRST)


def test_an_incident_comes_back_as_it_was(store: SqlStore) -> None:
    store.record(Entry(changes=(Change(None, incident()),)), NOW)
    assert store.known("shop", NOW).incidents == (incident(),)
    assert store.known("other", NOW).incidents == ()


def test_a_resolved_incident_is_no_longer_open_and_its_key_is_free(store: SqlStore) -> None:
    done = incident(phase=Phase.RESOLVED, resolved=NOW, revision=2)
    store.record(Entry(changes=(Change(None, incident()), Change(incident(), done), Change(None, incident(2)))), NOW)
    assert store.known("shop", NOW).incidents == (incident(2),)


def test_a_dropped_incident_is_gone(store: SqlStore) -> None:
    pending = incident(phase=Phase.PENDING)
    store.record(Entry(changes=(Change(None, pending),)), NOW)
    store.record(Entry(changes=(Change(pending, None),)), NOW)
    assert store.known("shop", NOW).incidents == ()


@pytest.mark.parametrize(
    "late",
    [
        Change(incident(revision=7), incident(revision=8)),
        Change(incident(revision=7), None),
        Change(None, incident(2)),
    ],
    ids=["update", "drop", "second open incident of one subject"],
)
def test_a_conflict_writes_nothing_at_all(store: SqlStore, late: Change) -> None:
    store.record(Entry(changes=(Change(None, incident()),)), NOW)
    other = incident(3, finding=replace(FINDING, subject=replace(SUBJECT, channel="other")))
    with pytest.raises(StoreConflict):
        store.record(Entry(changes=(Change(None, other), late), postings=(posting(1, other, "r"),)), NOW)
    assert store.known("shop", NOW).incidents == (incident(),)
    assert store.waiting() == 0


def at_once(store: SqlStore, entries: Sequence[Entry]) -> list[BaseException | None]:
    """Record them when all have come; what each met."""
    together = store._together
    with ThreadPoolExecutor(len(entries)) as pool:
        with together._desk:
            coming = [pool.submit(store.record, entry, NOW) for entry in entries]
            while len(together._queue) < len(entries):
                time.sleep(0.01)
        return [each.exception(timeout=60) for each in coming]


def begun(number: int, channel: str) -> Entry:
    """A new incident of that channel with its notice."""
    made = incident(number, finding=replace(FINDING, subject=replace(SUBJECT, channel=channel)))
    return Entry(changes=(Change(None, made),), postings=(posting(number, made, "r"),))


def test_entries_that_come_at_once_are_written_in_one_transaction(store: SqlStore) -> None:
    commits: list[Connection] = []
    event.listen(store._engine, "commit", commits.append)
    assert at_once(store, [begun(number, str(number)) for number in range(20)]) == [None] * 20
    assert len(commits) == 1
    assert {each.id for each in store.known("shop", NOW).incidents} == {f"i{number}" for number in range(20)}
    assert store.waiting() == 20


def unwritable(entry: Entry) -> Entry:
    """As it would be after a mistake in repwatch: a text that is none."""
    (change,) = entry.changes
    assert change.after is not None
    broken = replace(change.after, finding=replace(change.after.finding, summary="\ud800"))
    return replace(entry, changes=(Change(None, broken),))


@pytest.mark.parametrize("bad", [begun(5, "mine"), unwritable(begun(5, "5"))], ids=["a conflict", "a mistake"])
def test_what_is_wrong_with_one_entry_is_nothing_to_those_that_come_with_it(store: SqlStore, bad: Entry) -> None:
    store.record(begun(0, "mine"), NOW)
    met = at_once(store, [bad if number == 5 else begun(number, str(number)) for number in range(1, 10)])
    assert [each is not None for each in met] == [number == 5 for number in range(1, 10)]
    assert {each.id for each in store.known("shop", NOW).incidents} == {f"i{number}" for number in range(10) if number != 5}
    assert store.waiting() == 9


def test_a_store_that_cannot_be_written_is_told_to_all_who_come(store: SqlStore, url: str) -> None:
    with elsewhere(url) as other:
        other.exec_driver_sql("DROP TABLE threads")
        other.exec_driver_sql("DROP TABLE outbox")
    met = at_once(store, [begun(number, str(number)) for number in range(5)])
    assert all(isinstance(each, StoreError) for each in met)
    assert store.known("shop", NOW).incidents == ()


def test_a_failing_notice_takes_the_incident_with_it(store: SqlStore) -> None:
    twice = (posting(1, incident(), "r"), posting(1, incident(), "r"))
    with pytest.raises(StoreError):
        store.record(Entry(changes=(Change(None, incident()),), postings=twice), NOW)
    assert store.known("shop", NOW).incidents == ()


def test_a_notice_belongs_to_an_incident(store: SqlStore) -> None:
    with pytest.raises(StoreError):
        store.record(Entry(postings=(posting(1, incident(), "r"),)), NOW)


def test_acknowledging_does_not_race_with_the_service(store: SqlStore, url: str) -> None:
    store.record(Entry(changes=(Change(None, incident()),)), NOW)
    with elsewhere(url) as other:
        other.exec_driver_sql("UPDATE incidents SET acknowledged = 'x'")
    (read,) = store.known("shop", NOW).incidents
    assert read.acknowledged
    store.record(Entry(changes=(Change(read, replace(read, revision=2)),)), NOW)
    assert store.known("shop", NOW).incidents[0].acknowledged


def due(store: SqlStore, receiver: str = "r", now: datetime = NOW) -> list[Envelope]:
    """All that may be tried now."""
    return list(store.due(receiver, now, 99))


def settled(envelope: Envelope, fate: Fate, at: datetime = NOW, **thread: str) -> Settled:
    return Settled(envelope=envelope, fate=fate, at=at, thread=thread or envelope.thread, text="" if thread else "no")


def test_an_incident_s_notices_stay_in_order_and_hold_up_no_other(store: SqlStore) -> None:
    other = incident(2, finding=replace(FINDING, subject=replace(SUBJECT, channel="other")))
    store.record(
        Entry(
            changes=(Change(None, incident()), Change(None, other)),
            postings=(
                posting(1, incident(), "r"),
                posting(2, incident(), "r", event=NoticeEvent.RESOLVED),
                posting(1, other, "r"),
            ),
        ),
        NOW,
    )
    first, second = due(store)
    assert (first.incident_id, second.incident_id) == (incident().id, other.id)
    assert store.due("r", NOW, 1) == (first,)
    later = NOW + timedelta(seconds=30)
    store.settle([settled(first, Fate.POSTPONED, later, seen="yes"), settled(second, Fate.DELIVERED, ts="1")])
    assert due(store) == []
    (again,) = due(store, now=later)
    assert (again.notice, again.attempts, again.thread, again.reached) == (first.notice, 1, {"seen": "yes"}, False)
    store.settle([settled(again, Fate.DELIVERED, ts="2")])
    (last,) = due(store, now=later)
    assert isinstance(last.notice, Notice)
    assert (last.notice.event, last.thread, last.reached) == (NoticeEvent.RESOLVED, {"ts": "2"}, True)


def test_the_end_of_an_incident_goes_before_the_beginning_of_the_next_of_its_subject(store: SqlStore) -> None:
    """A receiver that knows them by their key would take the late end for that of the new one."""
    done, again = incident(phase=Phase.RESOLVED, resolved=NOW, revision=2), incident(2)
    postings = (posting(1, done, "r", event=NoticeEvent.RESOLVED), posting(1, again, "r"))
    changes = (Change(None, incident()), Change(incident(), done), Change(None, again))
    store.record(Entry(changes=changes, postings=postings), NOW)
    (end,) = due(store)
    store.settle([settled(end, Fate.POSTPONED, NOW + timedelta(seconds=30))])
    assert due(store) == []
    store.settle([settled(end, Fate.DELIVERED)])
    assert [envelope.incident_id for envelope in due(store)] == [again.id]


def test_what_became_of_several_is_written_whole_or_not_at_all(store: SqlStore, url: str) -> None:
    other = incident(2, finding=replace(FINDING, subject=replace(SUBJECT, channel="other")))
    postings = (posting(1, incident(), "r"), posting(1, other, "r"))
    store.record(Entry(changes=(Change(None, incident()), Change(None, other)), postings=postings), NOW)
    with elsewhere(url) as database:
        database.exec_driver_sql("CREATE UNIQUE INDEX no_second ON outbox (attempts) WHERE state = 'delivered'")
    with pytest.raises(StoreError):
        store.settle([settled(each, Fate.DELIVERED, ts="1") for each in due(store)])
    assert [(each.attempts, each.thread) for each in due(store)] == [(0, {}), (0, {})]


def test_keeping_twice_what_became_of_a_notice_does_no_harm(store: SqlStore) -> None:
    store.record(Entry(changes=(Change(None, incident()),), postings=(posting(1, incident(), "r"),)), NOW)
    (envelope,) = due(store)
    for _ in range(2):
        store.settle([settled(envelope, Fate.POSTPONED)])
    assert due(store)[0].attempts == 1


def test_each_receiver_has_its_own_row_and_thread(store: SqlStore) -> None:
    store.record(Entry(changes=(Change(None, incident()),), postings=(posting(1, incident(), "a", "b"),)), NOW)
    for name in ("a", "b"):
        (envelope,) = due(store, name)
        assert envelope.thread == {}
        store.settle([settled(envelope, Fate.DELIVERED, receiver=name)])
    assert store.waiting() == 0


def test_a_clock_that_was_set_back_does_not_keep_a_notice_for_ever(store: SqlStore) -> None:
    store.record(Entry(changes=(Change(None, incident()),), postings=(posting(1, incident(), "r"),)), NOW)
    assert due(store, now=NOW - timedelta(days=1))
    assert not due(store, now=NOW - timedelta(seconds=1))


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.MOOT])
def test_a_start_tries_again_what_did_not_arrive_and_drops_what_nobody_receives(store: SqlStore, fate: Fate) -> None:
    store.record(Entry(changes=(Change(None, incident()),), postings=(posting(1, incident(), "a", "gone"),)), NOW)
    (envelope,) = due(store, "a")
    store.settle([settled(envelope, fate)])
    assert due(store, "a") == []
    store.begin_service(["a"], [], NOW)
    assert len(due(store, "a")) == 1
    assert due(store, "gone") == []


def test_a_start_does_not_tell_what_was_refused_before_something_later_of_its_subject_arrived(store: SqlStore) -> None:
    """Else a receiver would hear *opened* of what it knows to be over, and open it for good."""
    postings = [posting(n, incident(), "a", "b", event=event) for n, event in enumerate(NoticeEvent)]
    other = incident(2, finding=replace(FINDING, subject=replace(SUBJECT, channel="other")))
    changes = (Change(None, incident()), Change(None, other))
    store.record(Entry(changes=changes, postings=(*postings, posting(1, other, "a"))), NOW)
    fates = iter([Fate.REFUSED, Fate.REFUSED, Fate.DELIVERED, Fate.REFUSED, Fate.REFUSED])
    while left := [each for each in due(store, "a") if each.incident_id == "i1"]:
        store.settle([settled(left[0], next(fates))])
    store.settle([settled(each, Fate.REFUSED) for each in due(store, "a")])
    store.begin_service(["a", "b"], [], NOW)
    told = []
    while left := due(store, "a"):
        told += [each.notice.id for each in left]
        store.settle([settled(each, Fate.DELIVERED) for each in left])
    assert sorted(told) == ["i1-3", "i1-4", "i2-1"]
    assert len(due(store, "b")) == 1


def test_old_history_goes_and_what_is_open_or_waits_stays(store: SqlStore) -> None:
    old = NOW - KEEP - timedelta(days=1)
    numbers = (1, 2, 3)
    made = [incident(n, since=old, finding=replace(FINDING, subject=replace(SUBJECT, channel=str(n)))) for n in numbers]
    done = [replace(one, phase=Phase.RESOLVED, resolved=old, revision=2) for one in made[:2]]
    store.record(
        Entry(
            changes=(*(Change(None, one) for one in made), *(Change(a, b) for a, b in zip(made, done, strict=False))),
            postings=(posting(1, made[1], "r"),),
        ),
        old,
    )
    store.forget_old(NOW)
    with store._engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT id FROM incidents ORDER BY id").scalars().all()
    assert kept == ["i2", "i3"]


def test_a_restart_is_put_down_twice_and_kept_for_a_week(store: SqlStore) -> None:
    intended = Restart(
        id="a", cluster="shop", server="db:1", channel="", thread=ChannelThread.APPLIER, at=NOW, number=1, errno=1205,
        transaction="u:1", position="", starts=3, stops=2,
    )  # fmt: skip
    earlier = replace(intended, id="z", at=NOW - timedelta(days=7, seconds=1), outcome=RestartOutcome.REFUSED, text="no")
    for each in (intended, earlier, replace(intended, id="o", cluster="other")):
        store.record_restart(each)
    assert store.restarts("shop") == (earlier, intended)
    done = replace(intended, outcome=RestartOutcome.STARTED)
    store.record_restart(done)
    store.forget_old(NOW)
    assert store.restarts("shop") == (done,)


def test_standing_findings_are_set_replaced_and_cleared(store: SqlStore) -> None:
    store.set_standing(FINDING)
    store.set_standing(replace(FINDING, summary="new"))
    assert store.standing("shop") == (replace(FINDING, summary="new"),)
    store.clear_standing(SUBJECT)
    store.clear_standing(SUBJECT)
    assert store.standing("shop") == ()


def a_view() -> DatedView:
    finding = FindingView(
        code=FindingCode.LAGGING, severity=Severity.WARNING, channel="", since=NOW, summary="s", meaning="m", remedy="r",
        avoid="", evidence={"a": "b"},
    )  # fmt: skip
    server = ServerView(server="db:1", name=None, role=Role.REPLICA, state=State.WARNING, lag_seconds=0.5, findings=(finding,))
    cluster = ClusterView(name="shop", state=State.WARNING, findings=(), servers=(server,))
    return DatedView(cluster=cluster, as_of=NOW, poll_interval=timedelta(seconds=2.5))


def test_another_process_reads_the_view_while_the_service_runs_and_after(store: SqlStore, url: str) -> None:
    assert read_views(url) == ()
    store.record(Entry(view=a_view()), NOW)
    store.record(Entry(view=a_view()), NOW)
    assert read_views(url) == (a_view(),)
    store.close()
    assert read_views(url) == (a_view(),)


def test_the_migrations_make_the_tables_that_the_code_uses(store: SqlStore) -> None:
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("revision", schema.KNOWN)
def test_an_older_store_is_brought_up_to_date_with_what_is_in_it(url: str, revision: str) -> None:
    (Path(url.removeprefix("sqlite:///")).parent).mkdir(exist_ok=True) if url.startswith("sqlite") else None
    told, opened = posting(0, incident(), "r"), posting(1, incident(), "r")
    with elsewhere(url) as old:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = old
        command.upgrade(config, revision)
        body = codec.dump(codec.INCIDENT, incident())
        whose = {"id": "i1", "key": SUBJECT.key, "cluster": "shop", "phase": "open"}
        _insert(old, "incidents", {**whose, "since": stamp(NOW), "revision": 1, "body": body})
        for each, state in ((told, RowState.DELIVERED), (opened, RowState.WAITING)):
            whose = {"notice_id": each.notice.id, "receiver": "r", "incident_id": "i1", "state": state}
            letter = {"body": codec.dump(codec.NOTICE, each.notice), "next_attempt": stamp(NOW), "last_error": ""}
            _insert(old, "outbox", {**whose, **letter, "attempts": 1})
    store = SqlStore.open(url)
    assert store.known("shop", NOW).incidents == (incident(),)
    (envelope,) = due(store)
    assert (envelope.notice, envelope.reached) == (opened.notice, True)
    # What waited may have been sent already: it stays a message of its own.
    assert envelope.message == (opened.notice.id if revision < "0007" else "")
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    store.close()


def _insert(connection: Connection, table: str, row: Mapping[str, str | int]) -> None:
    names = ", ".join(row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), dict(row))


def test_the_source_that_a_cluster_has_settled_on_is_kept_until_it_is_forgotten(store: SqlStore) -> None:
    first = SettledSource(cluster="shop", label="db1", seen=NOW)
    changed = SourceChange(before="db1", after="db2", at=NOW + timedelta(hours=1), last_known=NOW)
    second = replace(first, label="db2", seen=NOW + timedelta(hours=2), change=changed)
    for kept in (first, second):
        store.record(Entry(source=kept), NOW)
        store.record(Entry(), NOW)
        assert store.known("shop", NOW).source == kept
    assert store.known("blog", NOW).source is None
    store.record(Entry(source=replace(first, cluster="blog")), NOW)
    store.keep_sources(["shop"])
    assert (store.known("shop", NOW).source, store.known("blog", NOW).source) == (second, None)


def test_a_newer_schema_is_refused(store: SqlStore, url: str) -> None:
    store.record(Entry(view=a_view()), NOW)
    store.close()
    with elsewhere(url) as other:
        other.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for use in (SqlStore.open, read_views):
        with pytest.raises(StoreError) as caught:
            use(url)
        assert "9999" in str(caught.value)
        assert caught.value.hint


def test_a_locked_store_says_so(store: SqlStore, url: str) -> None:
    store.record(Entry(view=a_view()), NOW)
    with elsewhere(url) as other:
        other.exec_driver_sql("UPDATE views SET body = ''")
        with pytest.raises(StoreError) as caught:
            store.record(Entry(view=a_view()), NOW)
    assert caught.value.hint
    store.record(Entry(view=a_view()), NOW)


def test_reading_and_being_refused_leave_nothing_behind(url: str) -> None:
    assert read_views(url) == ()
    with elsewhere(url) if url.startswith("postgresql") else nullcontext() as other:
        assert other is None or not inspect(other).get_table_names()
