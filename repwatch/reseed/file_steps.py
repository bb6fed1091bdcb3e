"""The steps of a reseed by files, as they are shown: what is done to the data folder, and how it would be taken back."""

from repwatch.model.plan import Step
from repwatch.reseed.facts import Facts
from repwatch.reseed.host_scripts import Folders
from repwatch.reseed.roles import some


def copying_steps(facts: Facts) -> tuple[Step, ...]:
    """From the backup to the server that runs on it. None of them touches the old data: `--cancel` takes all back."""
    source, target, folders = str(facts.source.server.address), str(facts.target.server.address), _folders(facts)
    lost = [name for name in facts.dropped_schemas if name not in facts.source.server.schemas]
    without = f"; it has not {some(lost)}" if lost else ""
    steps = (
        (
            f"stream a backup to {target}",
            source,
            f"mariadb-backup --backup … | mbstream --directory={folders.new}",
        ),
        ("make the files consistent", target, f"mariadb-backup --prepare --target-dir={folders.new}"),
        ("mark the copy as half loaded, disable its events", target, "mariadbd --bootstrap"),
        ("meanwhile stop the server", target, facts.hosts.stop if facts.hosts else ""),
        (
            f"put the copy in the place of the data folder{without}",
            target,
            f"mv {folders.data} {folders.old}; …",
        ),
        ("start the server", target, facts.hosts.start if facts.hosts else ""),
    )
    return tuple(Step(what=what, where=where, statement=statement, reversible=True) for what, where, statement in steps)


def discarding_step(facts: Facts) -> Step:
    """After the proof."""
    folders = _folders(facts)
    where = str(facts.target.server.address)
    return Step(what="delete the old data folder", where=where, statement=f"rm -rf {folders.old}", reversible=False)


def _folders(facts: Facts) -> Folders:
    host = facts.hosts.target_host if facts.hosts else None
    return host.folders if host else Folders("DATA")
