"""Looks at the machines and files of both servers for a reseed by files. Changes nothing."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from repwatch.errors import HostFailed
from repwatch.flows.beside import beside
from repwatch.flows.reseed_accounts import shut_out
from repwatch.model.topology import HostSpec, ServerSpec
from repwatch.ports.database import Connect, Database
from repwatch.ports.shell import Job, Shell
from repwatch.reseed import host_scripts
from repwatch.reseed.hosts import FileFacts, HostFacts, Hosts
from repwatch.sql import physical

_LOOK_SECONDS = 120.0  # the size of a folder of many thousand files


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHosts:
    """Machines that are being looked at."""

    ends: tuple[ServerSpec, ServerSpec]
    files: tuple[FileFacts, FileFacts]
    stop: str
    start: str
    looks: tuple[Future[HostFacts], ...]

    def answers(self, connect: Connect) -> Hosts:
        """What was found. Raises ServerError."""
        giving, taking = self.ends
        hosts = Hosts(
            source_files=self.files[0],
            target_files=self.files[1],
            stop=self.stop,
            start=self.start,
            strangers=shut_out(giving.writer, taking, connect),
        )
        try:
            giver, taker = (look.result() for look in self.looks)
        except HostFailed as error:
            return replace(hosts, trouble=str(error))
        return replace(hosts, source_host=giver, target_host=taker)


def ask_hosts(ends: tuple[ServerSpec, ServerSpec], source: Database, target: Database, shell: Shell) -> AskedHosts | None:
    """Begin to look at what two servers and their machines say; None where a machine is not in the configuration.

    Raises ServerError.
    """
    giving, taking = ends
    if giving.host is None or taking.host is None:
        return None
    files = _files(source), _files(target)
    looks = tuple(
        beside(partial(_host, host, its_files, shell), f"look at {end}")
        for host, its_files, end in ((giving.host, files[0], "source"), (taking.host, files[1], "target"))
    )
    return AskedHosts(ends=ends, files=files, stop=taking.host.stop, start=taking.host.start, looks=looks)


def _files(db: Database) -> FileFacts:
    variables = {row["Variable_name"] or "": row["Value"] or "" for row in db.texts(physical.VARIABLES)}
    return FileFacts.parse(variables, tuple(row["path"] or "" for row in db.texts(physical.TABLESPACES)))


def _host(host: HostSpec, files: FileFacts, shell: Shell) -> HostFacts:
    look = Job(host=host, script=host_scripts.look(files.folder, files.not_copied), seconds=_LOOK_SECONDS)
    return HostFacts.parse(shell.run(look))
