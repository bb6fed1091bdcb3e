"""Puts the service together: the only place that knows every class."""

from repwatch.adapters import notifiers
from repwatch.adapters.deadman import DeadMan
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.adapters.scheduler import Scheduler
from repwatch.adapters.slack import REWRITES
from repwatch.adapters.slack_button import Hearing, SlackButton, disconnected
from repwatch.adapters.store.people import People
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_desk import DriftDesk
from repwatch.app.drift_job import drift_runner
from repwatch.app.service import Service
from repwatch.app.suspect_job import suspect_checker
from repwatch.app.targets import replica_targets
from repwatch.flows.book import Book
from repwatch.flows.deliver import Courier, undeliverable
from repwatch.flows.digest import Digester
from repwatch.flows.drift_holds import HOLDS, let_all_go
from repwatch.flows.hands import Hands
from repwatch.flows.heartbeat import HeartWriter
from repwatch.flows.probing import Probing
from repwatch.flows.restart import Restarter
from repwatch.flows.rewriting import Rewriter
from repwatch.flows.sorting import Bundling, Singly, Sorter
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import SelfWatcher, Watcher, retire
from repwatch.health.notice import Audience
from repwatch.health.rules import diagnose
from repwatch.model.endpoint import SecretSource
from repwatch.model.finding import FindingCode
from repwatch.model.settings import EmailReceiver, Receiver, Settings, SlackReceiver, WebhookReceiver
from repwatch.model.topology import AUTO, ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.web import server as web


def build_service(settings: Settings, clock: Clock) -> Service:
    """Everything that `repwatch run` needs, opened and not started. Raises UsageError, StoreError."""
    built = {receiver.id: notifiers.build(receiver) for receiver in settings.receivers}
    store = SqlStore.open(settings.store_url)
    try:
        _forget_what_is_not_configured(store, settings, clock)
        refusing = {finding.subject for finding in store.standing("")}
        suspects = {cluster.name: Suspects(store, cluster.name) for cluster in settings.clusters}
        hands = Hands("look")
        # A server of two clusters is looked at for each: with one prober the second look would find the first in its way.
        probers = {
            cluster.name: Prober(Session.connect_for_looks, clock, heartbeat=cluster.heartbeat) for cluster in settings.clusters
        }
        runners = {cluster.name: drift_runner(cluster, store, settings.state_dir, clock) for cluster in settings.clusters}
        checked = [runner for runner in runners.values() if runner.cluster.drift.schedule or runner.cluster.drift.prove_within]
        checkers = {name: suspect_checker(runner, suspects[name], settings.state_dir, clock) for name, runner in runners.items()}
        targets = [target for cluster in settings.clusters for target in replica_targets(cluster)]
        wanting = tuple(receiver for receiver in settings.receivers if receiver.digest)
        holds = FileRecords(settings.state_dir / HOLDS)
        watchers = [
            _watcher(cluster, settings, store, suspects[cluster.name], Probing(probers[cluster.name].here, clock, hands))
            for cluster in settings.clusters
        ]
        return Service(
            settings=settings,
            clock=clock,
            store=store,
            probers=tuple(probers.values()),
            scheduler=Scheduler(clock),
            watchers=watchers,
            own=SelfWatcher(
                Book(store, clock, ""),
                Audience(receivers=settings.receivers, links=settings.links),
                *(clock, watchers, store.overdue),
            ),
            couriers=[
                Courier(
                    *(each.id, built[each.id], store, _sorter(each, store, clock), clock, notifiers.lanes(each)),
                    refusing=undeliverable(each.id) in refusing,
                )
                for each in settings.receivers
            ],
            rewriters=[
                Rewriter(each.id, messages, store, clock)
                for each in settings.receivers
                if (messages := notifiers.rewriting(each)) is not None
            ],
            buttons=_buttons(settings, store, clock),
            digester=Digester(receivers=wanting, clusters=settings.clusters, ledger=store.digests, records=store, clock=clock),
            digest_couriers=[
                Courier(each.id, built[each.id], store.digests, Singly(each.id, store.digests), clock, vouches=False)
                for each in wanting
            ],
            drift=checked,
            suspects=checkers,
            checks=DriftDesk(
                runners=tuple(runners.values()), suspects=checkers, ledger=store, state_dir=settings.state_dir, clock=clock
            ),
            let_go=lambda: let_all_go(targets, holds, Session.connect, clock),
            start_web=lambda view, health, checks: web.start(settings.page, view=view, health=health, checks=checks),
            alive=DeadMan(settings.deadman.url) if settings.deadman else None,
        )
    except BaseException:
        store.close()
        raise


def _sorter(receiver: Receiver, store: SqlStore, clock: Clock) -> Sorter:
    match receiver.channel:
        case WebhookReceiver():
            return Singly(receiver.id, store)
        case SlackReceiver():
            return Bundling(receiver.id, store, clock, REWRITES)
        case EmailReceiver():
            return Bundling(receiver.id, store, clock)


def _buttons(settings: Settings, store: SqlStore, clock: Clock) -> list[SlackButton]:
    """One listener for each app, however many receivers use it; what is wrong with it is told of the first."""
    people = People(settings.store_url)
    apps: dict[tuple[SecretSource, str], str] = {}
    for receiver in settings.receivers:
        slack = receiver.channel
        if isinstance(slack, SlackReceiver) and slack.app_token is not None:
            apps.setdefault((slack.app_token, slack.api_url), receiver.id)
    listened = {disconnected(receiver) for receiver in apps.values()}
    for finding in store.standing(""):
        if finding.subject.code is FindingCode.BUTTON_DISCONNECTED and finding.subject not in listened:
            store.clear_standing(finding.subject)
    return [
        SlackButton(
            *(token, api_url, lambda key, author: people.acknowledge(key, author, clock.now())), Hearing(receiver, store, clock)
        )
        for (token, api_url), receiver in apps.items()
    ]


def _watcher(cluster: ClusterSpec, settings: Settings, store: SqlStore, suspects: Suspects, probing: Probing) -> Watcher:
    clock = probing.clock
    names = {str(server.endpoint.address): server.name for server in cluster.servers if server.name}
    return Watcher(
        cluster=cluster,
        diagnose=diagnose,
        probing=probing,
        book=Book(store, clock, cluster.name),
        audience=Audience(receivers=settings.receivers, names=names, links=settings.links),
        clock=clock,
        suspects=suspects,
        restarter=Restarter(cluster.name, store, Session.connect, clock) if any(map(cluster.restarts, cluster.servers)) else None,
        heart=HeartWriter(cluster.name, cluster.heartbeat, Session.connect, clock) if cluster.heartbeat else None,
    )


def _forget_what_is_not_configured(store: SqlStore, settings: Settings, clock: Clock) -> None:
    for name in store.clusters() - {cluster.name for cluster in settings.clusters} - {""}:
        retire(Book(store, clock, name), Audience(receivers=settings.receivers), clock)
        for finding in store.standing(name):
            store.clear_standing(finding.subject)
        store.forget_view(name)
        store.record_suspicions(name, ())
    store.keep_sources(cluster.name for cluster in settings.clusters if cluster.source == AUTO)
