"""A plan of repair or reseed: what is about to be done, as data. The dry run prints the very objects that run."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing done on one server. `statement` is the SQL, or a template of it where there are many."""

    what: str
    where: str  # host:port
    statement: str
    reversible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reason not to do it; any refusal forbids `--apply`."""

    code: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Shown, hashed, confirmed, then run. The hash leaves out positions, counts and times, so that it outlives writes."""

    method: str
    reason: str
    plan_hash: str
    refusals: tuple[Refusal, ...]
    steps: tuple[Step, ...]


class Outcome(StrEnum):
    """How an applied plan ended."""

    DONE = "done"
    FAILED = "failed"  # nothing or nothing harmful was left behind; may be run again
    NEEDS_PERSON = "needs-person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of an applied plan."""

    plan: Plan
    outcome: Outcome
    verdict: str  # a drift Verdict's value, "" if it was not reached
    done_steps: tuple[str, ...]
    text: str = ""  # one line for a person: what happened, what to do
    undo_file: str = ""  # what takes a repair back, "" if there is none
