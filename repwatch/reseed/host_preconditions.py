"""Why files cannot be copied from one machine to the other: every reason at once."""

from collections.abc import Iterator

from repwatch.model.plan import Refusal
from repwatch.reseed.facts import Facts, ServerFacts
from repwatch.reseed.hosts import FileFacts, HostFacts, Hosts
from repwatch.reseed.method import Method
from repwatch.reseed.roles import some

# What mariadb-backup copies whole (MariaDB manual, "mariadb-backup Overview"); MEMORY has no rows in its files.
COPIED_ENGINES = {"innodb", "aria", "myisam", "csv", "mrg_myisam", "sequence"}
_MARGIN = 1.1  # of the size of the data: redo log and temporary files of the recovery
_SPARE = 256 << 20  # bytes


def host_refusals(facts: Facts) -> tuple[Refusal, ...]:
    """All that forbids a physical reseed beside what forbids any. Empty: it may be done."""
    if not facts.source.server.version.is_mariadb:
        return (Refusal(code="not-mariadb", summary="the physical method is for MariaDB alone"),)
    if facts.hosts is None:
        summary = "both servers need a [clusters.….servers.….host] in the configuration"
        return (*_servers(facts), Refusal(code="no-host", summary=summary))
    return (*_servers(facts), *_reached(facts, facts.hosts))


def _servers(facts: Facts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if source.version.number[:2] != target.version.number[:2]:
        yield Refusal(
            code="series-differs",
            summary=f"files are copied within a series only: {source.address} runs {source.version.text}, "
            f"{target.address} {target.version.text}",
        )
    if facts.follows_source and not facts.login:
        yield Refusal(
            code="no-replication-account",
            summary="the channel goes with the old files: give the account in [clusters.….replication] of the configuration",
        )
    if facts.local_tables:
        yield Refusal(code="local-tables", summary=f"the replica's own tables would be replaced: {some(facts.local_tables)}")


def _reached(facts: Facts, hosts: Hosts) -> Iterator[Refusal]:
    source, target = facts.source.server, facts.target.server
    if hosts.strangers:
        yield Refusal(
            code="account-differs",
            summary=f"accounts come with the files, and with the password of {target.address} {source.address} does not let in, "
            f"or not far enough: {some(hosts.strangers)}",
        )
    if hosts.trouble:
        yield Refusal(code="host-unreachable", summary=hosts.trouble)
    if hosts.source_files and hosts.target_files:
        yield from _files(facts, hosts.source_files, hosts.target_files)
    if hosts.source_host and hosts.target_host:
        yield from _tools(source, hosts.source_host, gives=True)
        yield from _tools(target, hosts.target_host, gives=False)
        yield from _place(facts, hosts.source_host, hosts.target_host)


def _files(facts: Facts, ours: FileFacts, theirs: FileFacts) -> Iterator[Refusal]:
    ends = ((facts.source.server, ours, ours.elsewhere), (facts.target.server, theirs, theirs.elsewhere + theirs.logs_elsewhere))
    for server, files, elsewhere in ends:
        if elsewhere:
            yield Refusal(
                code="files-elsewhere", summary=f"{server.address} has files outside of {files.folder}: {some(elsewhere)}"
            )
        if files.encrypted:
            yield Refusal(code="encrypted", summary=f"the files of {server.address} are encrypted")
    for name, one, other in (
        ("innodb_page_size", ours.page_size, theirs.page_size),
        ("innodb_data_file_path", ours.data_file_path, theirs.data_file_path),
    ):
        if one != other:
            yield Refusal(
                code="settings-differ",
                summary=f"{name} is {one} on {facts.source.server.address} and {other} on {facts.target.server.address}",
            )


def _tools(server: ServerFacts, host: HostFacts, *, gives: bool) -> Iterator[Refusal]:
    missing = [] if host.backup else ["mariadb-backup"]
    if not gives:
        missing += ([] if host.stream else ["mbstream"]) + ([] if host.server else ["mariadbd"])
    if missing:
        yield Refusal(code="tool-missing", summary=f"the machine of {server.address} lacks {', '.join(missing)}")
    for name, number in (("mariadb-backup", host.backup), ("mariadbd", () if gives else host.server)):
        if number and (number[:2] != server.version.number[:2] or number < server.version.number):
            yield Refusal(
                code="tool-version",
                summary=f"{name} beside {server.address} is {'.'.join(map(str, number))}, and the server {server.version.text}",
            )


def _place(facts: Facts, giving: HostFacts, taking: HostFacts) -> Iterator[Refusal]:
    target, folder = facts.target.server, taking.folders.data
    if taking.own_mount:
        yield Refusal(
            code="folder-fixed",
            summary=f"{folder} of {target.address} is a mount point and cannot be renamed: move the data one folder down",
        )
    elif not taking.writable:
        yield Refusal(
            code="folder-fixed", summary=f"the user of the shell may not rename {folder} of {target.address} or write beside it"
        )
    if facts.target.marker is not None and facts.target.marker.method is Method.PHYSICAL:
        return  # an interrupted one has its copy there
    if taking.left and not (facts.hosts and facts.hosts.begun):
        yield Refusal(
            code="folder-left",
            summary=f"{taking.folders.old} lies beside the data of {target.address}, and no reseed that goes on is known to have "
            "put it there: look at it, then move it away or delete it",
        )
    need = int(giving.used * _MARGIN) + _SPARE
    if giving.used < 0 or taking.free < 0:
        yield Refusal(code="disk-space", summary=f"how much room there is beside {folder} of {target.address} cannot be read")
    elif taking.free < need:
        yield Refusal(
            code="disk-space",
            summary=f"a second copy beside {folder} of {target.address} takes about {need >> 20} MiB, "
            f"and {taking.free >> 20} MiB are free",
        )
