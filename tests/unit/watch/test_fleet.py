"""A fleet of twelve servers in three clusters and four sites, against every order of events.

Invariants, whatever happens and wherever the service is killed:

1. A receiver that drops repeated ids hears of each occurrence *opened* once, first, and *resolved* once, last. (Save that an
   opening which it refused may come after what was under way to a machine when the service was killed.)
2. It gets a message again only after a kill, as many as calls were under way, or after an answer of its own that was lost; with
   the same notices in it, each of which is in no other message. (Save what it refused, which is put into messages anew.)
3. One subject's occurrences follow one another: the next is not *opened* before the one before is *resolved*. (Save where the
   receiver refused something, for that is sent after the next start.)
4. There are no more occurrences of *unreachable* than times that a server went away.
5. Nothing is shown as healthy that was not seen to be, within two polls; nor a cluster with such a server.
6. Three polls without a kill and with a store that takes writes, and each server that is away has an open incident.
7. In the end all that was open, unsilenced and unexplained was told to everybody, and is over; nothing waits. (Save what was
   refused by a receiver that took a later notice of the same subject.)
"""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from repwatch.health.flaps import LONGEST_HOLD
from repwatch.health.incident import Phase
from repwatch.health.storm import FIRST
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.notice import NoticeEvent
from repwatch.model.settings import Receiver
from repwatch.model.silence import Silence
from tests.unit.watch.fleet import (
    ALL,
    CLUSTERS,
    LANES,
    RECEIVERS,
    REPLICAS,
    SIZE,
    Ear,
    Fleet,
    Mood,
    address_of,
    cluster_of,
    incident_of,
    numbers,
)

AWAY = FindingCode.SERVER_UNREACHABLE


class Storm(RuleBasedStateMachine):
    """See the module's invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.went: Counter[int] = Counter()  # how often each server went away
        self.away: set[int] = set()

    # -- the world -----------------------------------------------------------------------------------------------------

    @rule(number=st.sampled_from(ALL))
    def a_server_goes_or_comes(self, number: int) -> None:
        self.fleet.truth.dead ^= {number}
        self.count()

    @rule(site=st.integers(1, SIZE))
    def a_site_goes_or_comes(self, site: int) -> None:
        self.fleet.truth.dark_sites ^= {site}
        self.count()

    @rule(number=st.sampled_from(ALL))
    def a_server_is_hidden_or_not(self, number: int) -> None:
        self.fleet.truth.hidden ^= {number}
        self.count()

    @rule(number=st.sampled_from(ALL))
    def looks_at_it_hang_or_not(self, number: int) -> None:
        self.fleet.truth.stuck ^= {number}

    @rule(number=st.sampled_from(REPLICAS))
    def an_applier_stops_or_goes_on(self, number: int) -> None:
        self.fleet.truth.broken ^= {number}

    @rule()
    def all_appliers_stop_or_go_on(self) -> None:
        """More than people are told of one by one."""
        broken = self.fleet.truth.broken
        broken.symmetric_difference_update(REPLICAS if len(broken) in {0, len(REPLICAS)} else broken)

    @rule(number=st.sampled_from(ALL), times=st.integers(2, 4), polls=st.integers(1, 3))
    def a_server_flaps(self, number: int, times: int, polls: int) -> None:
        for _ in range(2 * times):
            self.a_server_goes_or_comes(number)
            self.polls(polls)

    @rule(number=st.sampled_from(REPLICAS), times=st.integers(2, 4))
    def an_applier_flaps(self, number: int, times: int) -> None:
        for _ in range(2 * times):
            self.an_applier_stops_or_goes_on(number)
            self.polls(2)

    def count(self) -> None:
        truth = self.fleet.truth
        away = {number for number in ALL if truth.is_down(number) or number in truth.hidden}
        self.went.update(away - self.away)
        self.away = away

    # -- time and people -----------------------------------------------------------------------------------------------

    @rule(times=st.integers(1, 3))
    def polls(self, times: int) -> None:
        quiet = [self.fleet.tick() for _ in range(times)]
        truth = self.fleet.truth
        if times < 3 or not all(quiet) or self.fleet.store.full:
            return
        found = {subject.server for subject in self.fleet.open_subjects() if subject.code is AWAY}
        assert found >= {address_of(number) for number in self.away - truth.stuck}

    @rule(minutes=st.sampled_from([1, 40, 120]))
    def time_passes(self, minutes: int) -> None:
        self.fleet.clock.sleep(60 * minutes)

    @rule(choice=st.integers(0, 30))
    def somebody_acknowledges(self, choice: int) -> None:
        store = self.fleet.store
        living = [each for each in store.incidents.values() if each.phase is not Phase.RESOLVED]
        if living:
            store.answers.setdefault(living[choice % len(living)].id, "ann")

    @rule(what=st.sampled_from(["shop", f"wiki/{address_of(21)}", "*/*/server-unreachable"]))
    def somebody_silences(self, what: str) -> None:
        now = self.fleet.clock.now()
        until = now + timedelta(minutes=10)
        self.fleet.store.wishes.append(Silence(target=what, author="bob", reason="r", since=now, until=until))

    # -- faults --------------------------------------------------------------------------------------------------------

    @rule(moments=st.integers(0, 40))
    def a_kill_is_near(self, moments: int) -> None:
        self.fleet.fuse.left = moments

    @rule()
    def killed(self) -> None:
        self.fleet.restart()

    @rule(receiver=st.sampled_from(RECEIVERS), mood=st.sampled_from(Mood))
    def a_receiver_changes(self, receiver: Receiver, mood: Mood) -> None:
        self.fleet.ears[receiver.id].mood = mood

    @rule()
    def the_disk_fills_or_is_cleaned(self) -> None:
        self.fleet.store.full ^= True

    # -- what holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def each_is_told_once_and_in_order(self) -> None:
        for ear in self.fleet.ears.values():
            late = 0
            for events in lives(ear).values():
                assert ear.refused or events[0] is NoticeEvent.OPENED
                assert events.count(NoticeEvent.OPENED) <= 1
                late += NoticeEvent.OPENED in events[1:]
                assert NoticeEvent.RESOLVED not in events[:-1]
            assert late <= self.fleet.kills * LANES
            assert ear.repeats <= ear.lost + self.fleet.kills * LANES
            if not ear.refused:
                each_in_one_message(ear)
            if not ear.refused:
                one_after_another(ear)
            opened = Counter(each.subject for each in ear.once if each.event is NoticeEvent.OPENED)
            for number in ALL:
                assert opened[Subject(cluster_of(number), address_of(number), "", AWAY)] <= self.went[number]

    def teardown(self) -> None:
        fleet = self.fleet
        fleet.fuse.left, fleet.store.full = None, False
        fleet.truth.heal()
        for ear in fleet.ears.values():
            ear.mood = Mood.WELL
        self.calm_passes()
        fleet.restart()  # which sends what was refused
        fleet.deliver()
        self.calm_passes()
        self.each_is_told_once_and_in_order()
        assert fleet.store.waiting == 0
        assert not [each for each in fleet.store.incidents.values() if each.phase is not Phase.RESOLVED]
        for receiver in RECEIVERS:
            told = lives(fleet.ears[receiver.id])
            self.all_is_over(receiver, told)
            if not receiver.escalate_after:
                self.all_was_told(receiver, set(told))

    def all_is_over(self, receiver: Receiver, told: Mapping[str, list[NoticeEvent]]) -> None:
        """It hears last of each subject that it is over: of an occurrence before, it may have refused to hear so."""
        lasting = {name for name, events in told.items() if events[-1] is not NoticeEvent.RESOLVED}
        assert not lasting or self.fleet.ears[receiver.id].refused
        known, latest = self.fleet.store.incidents, self.latest(told)
        assert all(known[name].since < latest[known[name].subject] for name in lasting)

    def latest(self, told: Collection[str]) -> dict[Subject, datetime]:
        """When the last of each subject's occurrences of these began."""
        known = self.fleet.store.incidents
        return {known[name].subject: known[name].since for name in sorted(told, key=lambda name: known[name].since)}

    def all_was_told(self, receiver: Receiver, told: set[str]) -> None:
        """It hears of all, save that it takes no notices, and of what it refused before it was told something later."""
        known = self.fleet.store.incidents
        undeliverable = {each.id for each in known.values() if each.subject.channel == receiver.id}
        owed = self.fleet.store.tellable - undeliverable
        assert told <= owed
        assert told == owed or self.fleet.ears[receiver.id].refused
        latest = self.latest(told)
        assert all(known[name].since < latest[known[name].subject] for name in owed - told)

    def calm_passes(self) -> None:
        """Long enough for everything to be over, and told."""
        for span in (timedelta(minutes=10), LONGEST_HOLD, timedelta(hours=1)):
            for _ in range(4):
                assert self.fleet.tick()
            self.fleet.clock.sleep(span.total_seconds())


def lives(ear: Ear) -> dict[str, list[NoticeEvent]]:
    """What it heard of each occurrence, without repeated ids."""
    heard: dict[str, list[NoticeEvent]] = {}
    for notice in ear.once:
        heard.setdefault(incident_of(notice), []).append(notice.event)
    return heard


def one_after_another(ear: Ear) -> None:
    """No occurrence begins before the one before it is over, as far as the receiver knows."""
    living: dict[Subject, str] = {}
    for notice in ear.once:
        name = incident_of(notice)
        assert living.setdefault(notice.subject, name) == name
        if notice.event is NoticeEvent.RESOLVED:
            del living[notice.subject]


def each_in_one_message(ear: Ear) -> None:
    """A message always holds the same notices, and a notice is in no other one."""
    holds = dict(ear.messages)
    assert all(holds[name] == notices for name, notices in ear.messages)
    assert len({notice.id for notice in ear.heard}) == sum(map(len, holds.values()))


TestStorm = Storm.TestCase
TestStorm.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_the_loss_of_the_sources_site_is_told_once_for_each_source_and_not_for_each_replica() -> None:
    fleet = Fleet()
    fleet.tick()
    fleet.truth.dark_sites.add(1)
    for _ in range(6):
        assert fleet.tick()
    symptoms = {subject.code for subject in fleet.open_subjects()}
    assert FindingCode.RECEIVER_RETRYING in symptoms, "the facts are there"
    sources = {address_of(numbers(cluster)[0]) for cluster in CLUSTERS}
    for receiver in RECEIVERS[:2]:
        heard = fleet.ears[receiver.id].heard
        assert [(each.event, each.subject.code) for each in heard] == [(NoticeEvent.OPENED, AWAY)] * len(CLUSTERS)
        assert {each.subject.server for each in heard} == sources
    fleet.truth.heal()
    for _ in range(6):
        assert fleet.tick()
    for receiver in RECEIVERS[:2]:
        assert sorted(map(len, lives(fleet.ears[receiver.id]).values())) == [2] * len(CLUSTERS)


def test_what_strikes_all_at_once_is_told_to_people_in_few_messages_and_to_machines_one_by_one() -> None:
    fleet = Fleet()
    fleet.tick()
    fleet.truth.broken.update(REPLICAS)
    for _ in range(8):
        assert fleet.tick()
    fleet.truth.heal()
    for _ in range(40):
        assert fleet.tick()
    people, machine = fleet.ears[RECEIVERS[0].id], fleet.ears[RECEIVERS[1].id]
    for ear in (people, machine):
        assert sorted(len(events) for events in lives(ear).values()) == [2] * len(REPLICAS)
    assert [len(notices) for _, notices in machine.messages] == [1] * 2 * len(REPLICAS)
    told = [len(notices) for _, notices in people.messages]
    assert told[: FIRST + 1] == [*[1] * FIRST, len(REPLICAS) - FIRST]
    assert max(told[FIRST + 1 :]) > 1


def outage(goes: int, moment: int) -> tuple[Fleet, bool]:
    """A server is away, somebody answers, it comes back, and the service is killed at that moment of it; whether it was."""
    fleet = Fleet()
    fleet.tick()
    fleet.fuse.left = moment
    (fleet.truth.broken if goes in REPLICAS else fleet.truth.dead).add(goes)
    polls(fleet, 4)
    told = {posting.incident_id for posting in (row.posting for row in fleet.store.rows)}
    fleet.store.answers |= dict.fromkeys(told, "ann")
    polls(fleet, 2)
    fleet.truth.heal()
    polls(fleet, 4)
    killed = bool(fleet.kills)
    fleet.fuse.left = None
    return fleet, killed


def polls(fleet: Fleet, times: int) -> None:
    """So many that come to their end."""
    while times:
        times -= fleet.tick()


@pytest.mark.parametrize("goes", [numbers("shop")[0], numbers("shop")[1]], ids=["a-source-is-away", "an-applier-stops"])
def test_a_kill_at_each_moment_of_one_outage_loses_and_doubles_nothing(goes: int) -> None:
    for moment in count():
        fleet, killed = outage(goes, moment)
        assert fleet.store.waiting == 0, moment
        assert not [each for each in fleet.store.incidents.values() if each.phase is not Phase.RESOLVED], moment
        for receiver in RECEIVERS[:2]:
            ear = fleet.ears[receiver.id]
            assert [(each.event, each.subject.server) for each in ear.once] == [
                (event, address_of(goes)) for event in (NoticeEvent.OPENED, NoticeEvent.ACKNOWLEDGED, NoticeEvent.RESOLVED)
            ], (moment, receiver.name)
            assert ear.repeats <= fleet.kills, (moment, receiver.name)  # the one that was under way
        if not killed:
            break
    assert moment >= 2 * 2 * (3 + 3 * 2)  # before and after: three records, and for each of two a message and its record
