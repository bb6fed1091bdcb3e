"""A replica of several sources: what comes through its other channels must be neither dropped nor rewritten."""

from collections.abc import Iterator, Sequence

from repwatch.model.plan import Refusal
from repwatch.model.schema import TableName
from repwatch.reseed.choice import Choice
from repwatch.reseed.facts import Facts, Feeder
from repwatch.reseed.filtered import Passage, passage
from repwatch.reseed.method import Method
from repwatch.reseed.roles import some


def feeder_refusals(facts: Facts, choice: Choice) -> Iterator[Refusal]:
    """Single tables can be put right if no other channel brings rows of them; that is known where one was interrupted."""
    if facts.other_channels and choice.method is not Method.TABLE:
        yield Refusal(code="other-channels", summary=f"{_named(facts)}, whose data a full copy would drop")
        return
    yield from ignorant_donor(facts)
    if facts.donor is None and facts.target.marker is None:
        for feeder in facts.feeders:
            yield from feeding(feeder, choice.tables)


def ignorant_donor(facts: Facts) -> Iterator[Refusal]:
    """A replica of one source never has executed what one of several has."""
    if facts.other_channels and facts.donor is not None:
        summary = f"{_named(facts)}, of which the server of --from knows nothing: leave it out"
        yield Refusal(code="other-channels", summary=summary)


def feeding(feeder: Feeder, tables: Sequence[TableName]) -> Iterator[Refusal]:
    """Rows of the tables may be the other source's, which the named source does not have."""
    if feeder.has is None:
        yield Refusal(
            code="other-channels",
            summary=f"what comes through channel {feeder.channel!r} cannot be told: its source does not answer, or is not in the "
            "configuration",
        )
    elif fed := [str(name) for name in tables if may_feed(feeder, name)]:
        yield Refusal(
            code="other-channels",
            summary=f"rows of {some(fed)} may come through channel {feeder.channel!r} too, and would be lost",
        )


def _named(facts: Facts) -> str:
    return f"{facts.target.server.address} has other channels ({some(facts.other_channels)})"


def may_feed(feeder: Feeder, name: TableName) -> bool:
    """True if rows of the table may come through that channel; so they may where its source could not be asked."""
    how = passage(name, feeder.way)
    return feeder.has is None or how is Passage.RENAMED or (name in feeder.has and how in (Passage.WHOLE, Passage.UNCLEAR))
