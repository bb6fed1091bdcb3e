"""Cloning a MySQL server: what stands in its way, its steps, and what an interrupted one leaves in the journal.

A clone removes everything of the target, the marker too, and brings the donor's accounts. So the marker of a reseed that has
begun to clone stands in the journal until the target has it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from repwatch.model.plan import Refusal, Step
from repwatch.reseed.facts import CloneFacts, Facts
from repwatch.reseed.method import Method
from repwatch.reseed.roles import some
from repwatch.reseed.stages import SETTINGS, Marker, Stage
from repwatch.sql import clone, definitions
from repwatch.sql.clone import CloneState

BEGUN: Final = "cloning"  # the journal's event, with `marker` and `begun`
_LEAST_PACKET: Final = 2 * 1024 * 1024  # MySQL manual, "Remote Cloning Prerequisites"


def hindrances(facts: Facts) -> tuple[Refusal, ...]:
    """Every reason why the target cannot be cloned, beside what forbids any reseed of it."""
    donor, target = facts.copied.server, facts.target.server
    if lacking := [str(server.address) for server in (donor, target) if server.missing_grants]:
        summary = f"whether it can be cloned is not known before the account on {some(lacking)} has its privileges"
        return (Refusal(code="privilege-missing", summary=summary),)
    if facts.clone is None:
        summary = f"{donor.address} runs {donor.version.text} and {target.address} {target.version.text}: only MySQL servers of "
        return (Refusal(code="series-differs", summary=f"{summary}one series, from 8.0.17 on, can be cloned"),)
    return (*_servers(facts, facts.clone), *_sides(facts, facts.clone), *_accounts(facts, facts.clone))


def is_cloned(facts: Facts) -> bool:
    """True if the target is a clone already, made by an interrupted reseed."""
    marker = facts.target.marker
    here = marker is not None and marker.method is Method.CLONE and marker.stage.rank >= Stage.LOADED.rank
    return here or (facts.clone is not None and bool(facts.clone.position))


def _servers(facts: Facts, found: CloneFacts) -> Iterator[Refusal]:
    donor, target = facts.copied.server, facts.target.server
    for server, side in ((donor, found.donor), (target, found.target)):
        if clone.PLUGIN not in side.plugins:
            yield Refusal(
                code="clone-plugin",
                summary=f"{server.address} has no clone plugin: INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
            )
        elif side is found.target and side.registered and not found.donor.registered:
            yield Refusal(
                code="clone-plugin",
                summary=f"{server.address} would lose its clone plugin: name it in its configuration (plugin-load-add = "
                f"mysql_clone.so), or INSTALL PLUGIN on {donor.address} too",
            )
        if server.max_allowed_packet < _LEAST_PACKET:
            yield Refusal(
                code="packet-too-small",
                summary=f"max_allowed_packet of {server.address} ({server.max_allowed_packet}) is less than a clone needs, "
                f"which is {_LEAST_PACKET}",
            )
    if found.address.socket or ":" in found.address.host:
        yield Refusal(
            code="source-address",
            summary=f"no server can be cloned through a socket or an IPv6 address ({found.address}): give a name",
        )
    if found.state is CloneState.RUNNING and not _ours(facts):
        yield Refusal(code="cloning", summary=f"somebody clones another server into {target.address} at this moment")


def _ours(facts: Facts) -> bool:
    marker = facts.target.marker
    return marker is not None and marker.stage is Stage.LOADING


def _sides(facts: Facts, found: CloneFacts) -> Iterator[Refusal]:
    donor, target = facts.copied.server.address, facts.target.server.address
    for code, what, ours, theirs in (
        ("platform-differs", "platforms", found.donor.platform, found.target.platform),
        ("charset-differs", "server character sets", found.donor.charset, found.target.charset),
        ("settings-differ", "InnoDB page size or system tablespace", found.donor.storage, found.target.storage),
    ):
        if ours != theirs:
            yield Refusal(code=code, summary=f"{what} differ: {ours} on {donor}, {theirs} on {target}")
    if lacking := sorted(found.donor.plugins - found.target.plugins - {clone.PLUGIN}):
        yield Refusal(code="plugins-differ", summary=f"{target} lacks plugins that {donor} has: {some(lacking)}")
    if found.outside_files:
        yield Refusal(
            code="files-elsewhere",
            summary=f"{donor} has data files outside its data folder, which a clone makes at the same path: "
            f"{some(found.outside_files)}",
        )
    # The server names what it drops in backticks that it does not double (tried on 9.7: error 1103, with half of the data gone).
    quoted = [str(table.name) for table in facts.target.tables if "`" in str(table.name)]
    if quoted or (quoted := [schema for schema in facts.target.server.schemas if "`" in schema]):
        yield Refusal(
            code="backtick-names",
            summary=f"a clone fails at names with a backtick, which {target} has: {some(quoted)}: drop them before",
        )
    if own := [schema for schema in facts.target.server.schemas if facts.owns_schema(schema)]:
        yield Refusal(code="local-tables", summary=f"local_tables say that schemas are the replica's own, and a clone "
                      f"removes them: {some(own)}")  # fmt: skip


def _accounts(facts: Facts, found: CloneFacts) -> Iterator[Refusal]:
    target = facts.target.server.address
    for grant in found.missing_grants:
        yield Refusal(code="privilege-missing", summary=f"{target}: {grant}")
    if found.shut_out:
        yield Refusal(
            code="account-differs",
            summary=f"a clone brings the accounts of {found.address} to {target}; there these are refused or lack privileges: "
            f"{some(found.shut_out)}",
        )
    if facts.donor is not None and facts.donor.channel != facts.channel:
        yield Refusal(
            code="donor-channels",
            summary=f"a clone has the donor's channel {facts.donor.channel!r}, and {facts.channel!r} is asked for",
        )
    if not facts.login and facts.donor is None:  # a donor's channel comes along
        yield Refusal(
            code="no-replication-account",
            summary="a clone forgets the channel: give the account in [clusters.….replication] of the configuration",
        )


def steps(facts: Facts) -> tuple[Step, ...]:
    """From what makes the target ready to a server that has the data and is marked again."""
    target, donor = str(facts.target.server.address), str(facts.copied.server.address)
    dropped = facts.target.server.schemas
    allow = f"SET GLOBAL clone_valid_donor_list = '{donor}'"
    return (
        Step(what="stop the event scheduler until all is proved", where=target, statement=clone.STOP_SCHEDULER, reversible=True),
        Step(what="stay read-only over the restart", where=target, statement=clone.PERSIST_READ_ONLY, reversible=True),
        *(Step(what=f"drop {name}", where=target, statement=definitions.drop_schema(name), reversible=False) for name in dropped),
        Step(
            what=f"replace all data, accounts and binary logs by those of {donor}",
            where=target,
            statement=f"{allow}; CLONE INSTANCE FROM '<user>'@{donor} IDENTIFIED BY '<password>'",
            reversible=False,
        ),
        Step(
            what="restart, which the server does by itself where something starts it again (systemd, mysqld_safe, a container)",
            where=target,
            statement="RESTART",
            reversible=False,
        ),
        Step(
            what="mark it again, remove other channels that came along, and disable events",
            where=target,
            statement="RESET REPLICA ALL FOR CHANNEL …; ALTER EVENT … DISABLE ON REPLICA",
            reversible=False,
        ),
    )


def left_behind(entries: Sequence[Mapping[str, str]]) -> tuple[Marker, str] | None:
    """The marker of a reseed that began to clone and has not been seen to end, and which clone there was before it.

    Raises KeyError or ValueError for what is no journal of ours.
    """
    found = None
    for entry in entries:
        event, step = entry["event"], entry.get("step", "")
        if event == BEGUN:
            found = (Marker.from_text(entry["marker"]), entry["begun"])
        elif event in ("cancelled", SETTINGS) or (event, step) == ("begin", Stage.POSITIONED.value):
            found = None
    return found


def entry_of(marker: Marker, begun: str) -> dict[str, str]:
    """What `left_behind` reads."""
    return {"marker": marker.text(), "begun": begun}
