"""The plan of a repair or a reseed, and what became of it, as JSON (repwatch/schemas/plan.schema.json) and as text."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from repwatch.model.plan import Applied, Outcome, Plan, Step

SCHEMA_VERSION: Final = 1
_SHOWN_STEPS: Final = 10  # of one kind in a row, in text
_STATEMENT_WIDTH: Final = 160
_OUTCOMES: Final = {Outcome.DONE: "done", Outcome.FAILED: "FAILED", Outcome.NEEDS_PERSON: "A PERSON IS NEEDED"}


def plan_json(plan: Plan, applied: Applied | None) -> str:
    """The contract's JSON object; with `applied`, what came of it as well."""
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "plan_hash": plan.plan_hash,
        "method": plan.method,
        "reason": plan.reason,
        "refusals": [{"code": refusal.code, "summary": refusal.summary} for refusal in plan.refusals],
        "steps": [_step(step) for step in plan.steps],
    }
    if applied is not None:
        document |= {
            "outcome": applied.outcome.value,
            "verdict": applied.verdict or None,
            "done_steps": list(applied.done_steps),
            "text": applied.text,
            "undo_file": applied.undo_file or None,
        }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _step(step: Step) -> dict[str, object]:
    return {"what": step.what, "where": step.where, "statement": step.statement, "reversible": step.reversible}


def plan_text(plan: Plan, applied: Applied | None) -> str:
    """For people: what, why, why not, each step; long runs of one kind of step are cut, JSON has them all."""
    if applied is not None:
        return "\n".join(_applied_lines(applied))
    return "\n".join([f"{plan.method}: {plan.reason}", *_refusal_lines(plan), *_step_lines(plan.steps), *_last_lines(plan)])


def _refusal_lines(plan: Plan) -> Iterator[str]:
    if plan.refusals:
        yield "refused, because:"
        yield from (f"  {refusal.code}: {refusal.summary}" for refusal in plan.refusals)


def _step_lines(steps: Iterable[Step]) -> Iterator[str]:
    number = 0
    for _, run in groupby(steps, key=_kind):
        kind = list(run)
        for step in kind[:_SHOWN_STEPS]:
            number += 1
            mark = "" if step.reversible else "  (cannot be taken back)"
            yield f"{number:4}. {step.what}, on {step.where}{mark}"
            yield f"        {_cut(step.statement)}"
        if len(kind) > _SHOWN_STEPS:
            number += len(kind) - _SHOWN_STEPS
            yield f"      … and {len(kind) - _SHOWN_STEPS} more like the last (--format json lists them all)"


def _kind(step: Step) -> tuple[str, str]:
    """Verb and object: `update shop.orders`."""
    words = step.what.split(" ", 2)
    return (step.where, " ".join(words[:2]))


def _cut(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= _STATEMENT_WIDTH else line[: _STATEMENT_WIDTH - 1] + "…"


def _last_lines(plan: Plan) -> Iterator[str]:
    if plan.steps and not plan.refusals:
        yield f"plan hash {plan.plan_hash}: nothing has been changed; run it with --apply --plan-hash {plan.plan_hash}"


def _applied_lines(applied: Applied) -> Iterator[str]:
    verdict = f"; the replica is {applied.verdict}" if applied.verdict else ""
    yield f"{applied.plan.method} {_OUTCOMES[applied.outcome]}{verdict}"
    if applied.text:
        yield f"  {applied.text}"
    if applied.done_steps:
        yield f"  stages: {', '.join(applied.done_steps)}"
    if applied.undo_file:
        yield f"  undo file: {applied.undo_file}"
