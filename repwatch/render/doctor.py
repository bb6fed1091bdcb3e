"""What `doctor` says, as text and as JSON."""

import json
from collections.abc import Iterator, Sequence

from repwatch.health.checkup import Ability, Checkup, ClusterCheckup, Level, Remark, ServerCheckup

_MARKS = {Level.GOOD: "✓", Level.NOTE: "!", Level.PROBLEM: "✗"}


def doctor_text(checkup: Checkup) -> str:
    """For a person: a mark for each thing, and below it what to do."""
    lines = [*_remarks(checkup.remarks, "")]
    for cluster in checkup.clusters:
        lines += ["", *_cluster(cluster)]
    count = checkup.problems
    lines += ["", "no problems found" if not count else f"{count} problem{'s' if count > 1 else ''} found"]
    return "\n".join(lines)


def doctor_json(checkup: Checkup) -> str:
    """For a script; `state` is what the exit status says."""
    document = {
        "schema_version": 1,
        "state": "problems" if checkup.problems else "ok",
        "problems": checkup.problems,
        "remarks": [_remark(remark) for remark in checkup.remarks],
        "clusters": [
            {"name": cluster.name, "servers": [_server(server) for server in cluster.servers]} for cluster in checkup.clusters
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def _cluster(cluster: ClusterCheckup) -> Iterator[str]:
    yield f"cluster {cluster.name}"
    for server in cluster.servers:
        name = f"{server.name} ({server.server})" if server.name else server.server
        yield f"  {name}: {server.role}{f', {server.version}' if server.version else ''}"
        yield from _remarks(server.remarks, "    ")
        yield from _abilities(server.abilities, "    ")


def _remarks(remarks: tuple[Remark, ...], indent: str) -> Iterator[str]:
    for remark in remarks:
        first, *rest = remark.text.splitlines() or [""]
        yield f"{indent}{_MARKS[remark.level]} {first}"
        yield from (f"{indent}  {line}" for line in rest)
        if remark.hint:
            yield f"{indent}  → {remark.hint}"
        yield from (f"{indent}      {grant}" for grant in remark.grants)


def _abilities(abilities: Sequence[Ability], indent: str) -> Iterator[str]:
    """What may be run here, and what may not: each reason once, with all that it stands in the way of."""
    if able := [ability.verb for ability in abilities if ability.able]:
        yield f"{indent}may run: {', '.join(able)}"
    hindered: dict[str, list[str]] = {}
    for ability in abilities:
        for reason in _reasons(ability):
            hindered.setdefault(reason, []).append(ability.verb)
    together: dict[str, list[str]] = {}
    for reason, verbs in hindered.items():
        together.setdefault(", ".join(verbs), []).append(reason)
    for verbs_text, reasons in together.items():
        yield f"{indent}may not run: {verbs_text}"
        yield from (f"{indent}  {reason}" for reason in reasons)


def _reasons(ability: Ability) -> Iterator[str]:
    """Why a verb may not be run."""
    if ability.hindrance:
        yield ability.hindrance
    for grant in ability.lacks:
        where = "" if grant.on == "*.*" else f" on {grant.on}"
        refused = f"; the server refuses {', '.join(grant.refused)}" if grant.refused else ""
        yield f"{ability.account} lacks {', '.join(grant.privileges)}{where}{refused}"


def _server(server: ServerCheckup) -> dict[str, object]:
    return {
        "server": server.server,
        "name": server.name,
        "role": server.role,
        "version": server.version or None,
        "remarks": [_remark(remark) for remark in server.remarks],
        "verbs": [_ability(ability) for ability in server.abilities],
    }


def _ability(ability: Ability) -> dict[str, object]:
    return {
        "verb": ability.verb,
        "able": ability.able,
        "account": ability.account or None,
        "lacks": [{"privileges": list(grant.privileges), "on": grant.on} for grant in ability.lacks],
        "refused": [statement for grant in ability.lacks for statement in grant.refused],
        "hindrance": ability.hindrance or None,
    }


def _remark(remark: Remark) -> dict[str, object]:
    return {
        "topic": remark.topic,
        "level": remark.level,
        "text": remark.text,
        "hint": remark.hint,
        "grants": list(remark.grants),
    }
