"""The acts of the story. Each does something to real servers and checks, by the facts, that repwatch saw or mended it."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from repwatch.sandbox.demo.mischief import (
    COLLIDING_KEY,
    DRIFTED_KEYS,
    GONE_KEYS,
    Halt,
    change_status,
    collide,
    lose_rows,
    naive_checksum,
)
from repwatch.sandbox.demo.narrator import Narrator
from repwatch.sandbox.demo.stage import POLL, ActFailedError, Run, Stage, wait
from repwatch.sandbox.demo.told import codes, mails, slack_roots, unresolved

START_SECONDS = 60
NOTICE_SECONDS = POLL.total_seconds() + 2
SETTLE_POLLS = 3
RESOLVE_SECONDS = 60
CODE = "applier-error"
Identity = tuple[str, str, int, tuple[str, ...]]  # of a difference: kind, table, key, columns


def check(act: str, holds: bool, text: str) -> None:
    """Raise ActFailedError unless it holds."""
    if not holds:
        raise ActFailedError(act, text)


def exit_status(act: str, run: Run, wanted: int, command: str) -> None:
    """Raise ActFailedError, with what the command said, unless it ended as it should."""
    check(act, run.status == wanted, f"`{command}` ended with {run.status} instead of {wanted}\n{run.output}{run.log}")


def healthy(stage: Stage, tell: Narrator) -> None:
    """Act 1: servers under load, and repwatch that finds nothing wrong."""
    act = "healthy"
    tell.act(
        "1. A source, two replicas, and somebody who keeps buying", f"{stage.rows:,} rows in a shop; repwatch starts to watch."
    )
    with tell.doing("loading the shop and waiting for the replicas"):
        stage.load()
    with tell.doing("starting `repwatch run`"):
        stage.start_service()
        seen = wait(lambda: '"ok": true' in stage.page("healthz") and 'data-state="ok"' in stage.page(), START_SECONDS)
    check(act, seen is not None, f"the page does not show three healthy servers after {START_SECONDS} s; see {stage.log}")
    run = stage.repwatch("status", "--format", "json")
    exit_status(act, run, 0, "repwatch status")
    servers = run.json["clusters"][0]["servers"]
    check(act, [server["state"] for server in servers] == ["ok"] * 3, f"not three healthy servers: {servers}")
    page = stage.page()
    check(act, all(server.name in page for server in stage.box.servers), "the page does not name all servers")
    tell.fact(f"three healthy servers in `repwatch status` and on {stage.url}")
    before = stage.writer.transactions
    check(act, wait(lambda: stage.writer.transactions > before, 10) is not None, "nobody writes to the source")
    tell.fact("the source is written to all the time")


def halt(stage: Stage, tell: Narrator) -> None:
    """Act 2: replica 1 halts, and people are told once, in time, and why."""
    act = "halt"
    replica = stage.box.replicas[0]
    tell.act("2. A replica stops", f"A row written on {replica.name} by hand collides with one that the source inserts.")
    halted = collide(stage.box)
    deadline = halted.at + NOTICE_SECONDS
    slack = stage.slack.wait_for(lambda _: bool(slack_roots(stage, CODE)), deadline - time.monotonic())
    mail = stage.mail.wait_for(lambda _: bool(mails(stage, CODE)), deadline - time.monotonic())
    late = time.monotonic() - halted.at
    check(act, slack and mail, f"no notice {late:.1f} s after the halt: Slack {slack}, e-mail {mail}; see {stage.log}")
    tell.fact(f"told in Slack and by e-mail {late:.1f} s after the halt (poll interval {POLL.total_seconds():g} s)")
    text, post = mails(stage, CODE)[0].text, slack_roots(stage, CODE)[0].shown
    for name, shown in (("e-mail", text), ("Slack", post)):
        _check_content(act, name, shown, replica.name, halted)
    tell.quote(text)
    with tell.doing("waiting whether more notices come"):
        time.sleep(SETTLE_POLLS * POLL.total_seconds())
    counts = (len(slack_roots(stage, CODE)), len(mails(stage, CODE)), len(stage.slack.roots), len(stage.mail.mails))
    check(act, counts == (1, 1, 1, 1), f"not one incident but {counts} messages")
    tell.fact("one incident, one message to each receiver")
    run = stage.repwatch("status")
    exit_status(act, run, 2, "repwatch status")
    tell.quote(run.output)


def _check_content(act: str, name: str, shown: str, replica: str, halted: Halt) -> None:
    wanted = {
        "the server": replica,
        "the error number": "1062",
        "the table": "shop.orders",
        "the transaction": halted.transaction,
        "since when": halted.day,
        "what to do": f"repwatch reseed shop/{replica}",
        "what not to do": "Do not skip",
    }
    for what, text in wanted.items():
        check(act, text in shown, f"the notice by {name} does not say {what} ({text}):\n{shown}")


def drift(stage: Stage, tell: Narrator) -> None:
    """Act 3: replica 2 drifts behind `Yes/Yes`, and every wrong row is named."""
    act = "drift"
    replica = stage.box.replicas[1]
    tell.act(
        "3. Another replica drifts silently",
        f"On {replica.name} {len(DRIFTED_KEYS)} orders get another status and {len(GONE_KEYS)} vanish. "
        "Both threads run, the lag is 0.",
    )
    before = naive_checksum(replica)
    change_status(replica)
    check(act, naive_checksum(replica) == before, "the common checksum saw the change; the story would prove nothing")
    tell.fact("BIT_XOR(CRC32(…)) over the changed orders is the same as before: such checksums are blind to it")
    lose_rows(replica)
    with tell.doing("`repwatch drift`, while the writer goes on"):
        run = stage.repwatch("drift", "--format", "json", "--max-differences", "1000")
    exit_status(act, run, 1, "repwatch drift")
    report = {each["name"]: each for each in run.json["replicas"]}
    check(act, report[replica.name]["verdict"] == "drifted", f"{replica.name} is called {report[replica.name]['verdict']}")
    stopped = report[stage.box.replicas[0].name]["verdict"]
    check(act, stopped == "undecided", f"the stopped replica is called {stopped}")
    _check_differences(act, _differences(report[replica.name]))
    tell.fact(f"{len(DRIFTED_KEYS)} changed rows with their column, {len(GONE_KEYS)} missing rows, and nothing else, are named")
    (stage.folder / "drift.json").write_text(run.output, encoding="utf-8")
    html = stage.folder / "drift.html"
    page = stage.repwatch("drift", "--format", "html", "--output", str(html), "--max-differences", "1000")
    exit_status(act, page, 1, "repwatch drift --format html")
    check(act, html.is_file() and str(DRIFTED_KEYS[0]) in html.read_text(encoding="utf-8"), "the HTML report lacks a row")
    tell.fact(f"reports: {stage.folder / 'drift.json'}, {html}")


def _differences(replica: Mapping[str, object]) -> list[Mapping[str, object]]:
    tables = replica["tables"]
    assert isinstance(tables, list)
    return [{"table": f"{table['schema']}.{table['table']}", **each} for table in tables for each in table["differences"]]


def _check_differences(act: str, found: Sequence[Mapping[str, object]]) -> None:
    wanted: set[Identity] = {("changed", "shop.orders", key, ("status",)) for key in DRIFTED_KEYS}
    wanted |= {("missing", "shop.orders", key, ()) for key in GONE_KEYS}
    named = {_identity(each) for each in found}
    check(act, named >= wanted, f"not named: {sorted(wanted - named)[:5]} …")
    check(act, named <= wanted, f"named without reason: {sorted(named - wanted)[:5]} …")
    check(act, len(found) == len(wanted), f"{len(found)} differences for {len(wanted)} wrong rows")


def _identity(difference: Mapping[str, object]) -> Identity:
    key, columns = difference.get("key"), difference.get("columns")
    assert isinstance(key, Mapping)
    return (
        str(difference["kind"]),
        str(difference["table"]),
        int(key["id"]),
        tuple(sorted(columns)) if isinstance(columns, Mapping) else (),
    )


def repair(stage: Stage, tell: Narrator) -> None:
    """Act 4: the drifted replica is put right, row by row."""
    act = "repair"
    name = f"shop/{stage.box.replicas[1].name}"
    tell.act("4. The drifted replica is repaired", "The plan first; then the rows, at one exact position; then the proof.")
    _apply(act, stage, tell, "repair", name)
    _check_identical(
        act, stage, tell, stage.box.replicas[1].name, expected=2
    )  # the other replica has stopped and cannot be checked at all


def reseed(stage: Stage, tell: Narrator) -> None:
    """Act 5: the stopped replica is copied anew and follows again; both are proved identical."""
    act = "reseed"
    name = f"shop/{stage.box.replicas[0].name}"
    tell.act(
        "5. The stopped replica is reseeded",
        "Everything is compared with one snapshot of the source, under load, and what differs is written.",
    )
    _apply(act, stage, tell, "reseed", name)
    _check_identical(act, stage, tell, stage.box.replicas[0].name, expected=0)
    rows = stage.box.replicas[0].sql(f"SELECT COUNT(*) FROM shop.orders WHERE id = {COLLIDING_KEY}")
    check(act, rows == [("1",)], f"the row of the stopped transaction is there {rows} times")


def _apply(act: str, stage: Stage, tell: Narrator, verb: str, name: str) -> None:
    with tell.doing(f"`repwatch {verb} {name}`: the plan"):
        shown = stage.repwatch(verb, name, "--format", "json")
    exit_status(act, shown, 1, f"repwatch {verb} {name}")
    plan = shown.json
    check(act, not plan["refusals"], f"refused: {plan['refusals']}")
    tell.quote("\n".join(f"{step['where']}  {step['what']}" for step in plan["steps"]))
    with tell.doing(f"`repwatch {verb} {name} --apply`"):
        start = time.monotonic()
        run = stage.repwatch(verb, name, "--apply", "--plan-hash", plan["plan_hash"], "--format", "json")
    exit_status(act, run, 0, f"repwatch {verb} {name} --apply")
    done = run.json
    check(act, (done["outcome"], done["verdict"]) == ("done", "identical"), f"{verb} ended {done['outcome']}, {done['verdict']}")
    tell.fact(f"done and proved identical in {time.monotonic() - start:.1f} s")


def _check_identical(act: str, stage: Stage, tell: Narrator, name: str, expected: int) -> None:
    with tell.doing("`repwatch drift`"):
        run = stage.repwatch("drift", "--format", "json")
    exit_status(act, run, expected, "repwatch drift")
    verdicts = {each["name"]: each["verdict"] for each in run.json["replicas"]}
    check(act, verdicts[name] == "identical", f"{name} is called {verdicts[name]}")
    tell.fact(f"a drift check calls {name} identical")


def resolved(stage: Stage, tell: Narrator) -> None:
    """Act 6: the end of the incident is delivered, and everything is green."""
    act = "resolved"
    tell.act("6. The incidents resolve", "Whoever was told of the halt is told that it is over.")
    over = wait(lambda: not unresolved(stage), RESOLVE_SECONDS)
    check(act, over is not None, f"no end was told within {RESOLVE_SECONDS} s of: {sorted(unresolved(stage))}; see {stage.log}")
    check(act, codes(stage) <= {CODE, "half-loaded"}, f"people were told of what the reseed itself does: {codes(stage)}")
    tell.fact("every incident that was told of is resolved, in Slack and by e-mail; the reseed raised no storm")
    green = wait(lambda: stage.repwatch("status").status == 0, RESOLVE_SECONDS, pause=1)
    check(act, green is not None, f"`repwatch status` is not green: {stage.repwatch('status').output}")
    run = stage.repwatch("status")
    tell.quote(run.output)
    tell.fact("`repwatch status` is green")
    reports = [stage.folder / "drift.json", stage.folder / "drift.html"]
    check(act, all(_complete(path) for path in reports), f"a report is missing: {reports}")


def _complete(path: Path) -> bool:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return bool(json.loads(text)) if path.suffix == ".json" and text else "</html>" in text
