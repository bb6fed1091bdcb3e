"""What of a server and its machine a reseed by files or by cloning needs, as `doctor` tells it."""

from collections.abc import Iterator

from repwatch.health.checkup import Failed, Level, Login, Look, Remark, Topic
from repwatch.reseed.hosts import HostFacts
from repwatch.sql.grants import held, missing, statement
from repwatch.sql.privileges import clone_needs

_INSTALL = "plugin-load-add = mysql_clone.so in its configuration, or INSTALL PLUGIN clone SONAME 'mysql_clone.so'"


def machine(look: Look, *, receives: bool) -> Iterator[Remark]:
    """Whether files can be copied from this machine, and, if it `receives`, to it."""
    found = look.machine
    match found:
        case None:
            return
        case Failed():
            hint = found.hint or "look at host.shell: it gets a script as one more argument"
            yield Remark(topic=Topic.MACHINE, level=Level.PROBLEM, text=f"its machine: {found.text}", hint=hint)
        case HostFacts():
            problems = [*_tools(found, receives=receives), *(_folder(found) if receives else ())]
            yield from problems
            if not problems:
                room = f", {found.free >> 30} GiB are free beside its data" if receives and found.free >= 0 else ""
                yield Remark(topic=Topic.MACHINE, level=Level.GOOD, text=f"its machine has what a copy of files needs{room}")


def _tools(found: HostFacts, *, receives: bool) -> Iterator[Remark]:
    # Every machine is asked for the backup: a replica unpacks one, and may be the source tomorrow.
    there = {"mariadb-backup": bool(found.backup)}
    if receives:
        there |= {"mbstream": found.stream, "mariadbd": bool(found.server)}
    if lacking := [name for name, has in there.items() if not has]:
        told = f"its machine lacks {', '.join(lacking)}"
        hint = "install them there (Debian: mariadb-backup, mariadb-server), or put them into the PATH of host.shell"
        yield Remark(topic=Topic.MACHINE, level=Level.PROBLEM, text=told, hint=hint)
    if receives and found.unknown:
        told = f"its machine does not know {', '.join(found.unknown)}"
        yield Remark(topic=Topic.MACHINE, level=Level.PROBLEM, text=told, hint="look at host.stop and host.start")


def _folder(found: HostFacts) -> Iterator[Remark]:
    if found.own_mount:
        told = f"its data folder {found.folders.data} is a mount point and cannot be renamed"
        yield Remark(topic=Topic.MACHINE, level=Level.PROBLEM, text=told, hint="move the data one folder down")
    elif not found.writable:
        told = f"the user of host.shell may not rename its data folder {found.folders.data} or write beside it"
        yield Remark(topic=Topic.MACHINE, level=Level.PROBLEM, text=told, hint="let host.shell become root, or the server's user")


def cloning(look: Look, *, receives: bool) -> Iterator[Remark]:
    """Whether it can be cloned: worth knowing, for a reseed does without."""
    if look.can_clone is None:
        return
    if not look.can_clone:
        told = "no clone plugin is active: a reseed copies rows, which takes longer"
        yield Remark(topic=Topic.CLONING, level=Level.NOTE, text=told, hint=_INSTALL)
        return
    account = look.operator if isinstance(look.operator, Login) else look.login
    lacking = missing(clone_needs(look.version), held(account.grants, look.version)) if receives else ()
    if lacking:
        told = f"{account.user} may not clone another server into this one"
        grants = tuple(statement(grant, account.user) for grant in lacking)
        yield Remark(topic=Topic.CLONING, level=Level.NOTE, text=told, hint="run as an administrator:", grants=grants)
    else:
        yield Remark(topic=Topic.CLONING, level=Level.GOOD, text="the clone plugin is active")
