"""Plans as JSON, by the published schema, and as text."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import repwatch
from repwatch.model.plan import Applied, Outcome, Plan, Refusal, Step
from repwatch.render.plan import plan_json, plan_text

SCHEMA = json.loads((Path(repwatch.__file__).parent / "schemas" / "plan.schema.json").read_text())
steps = st.builds(Step, what=st.text(), where=st.text(), statement=st.text(), reversible=st.booleans())
refusals = st.builds(Refusal, code=st.from_regex(r"\A[a-z0-9-]+\Z"), summary=st.text())
plans = st.builds(
    Plan,
    method=st.text(),
    reason=st.text(),
    plan_hash=st.text(),
    refusals=st.lists(refusals, max_size=3).map(tuple),
    steps=st.lists(steps, max_size=3).map(tuple),
)


@given(plans)
def test_a_plan_is_as_its_schema_says(plan: Plan) -> None:
    document = json.loads(plan_json(plan, None))
    jsonschema.validate(document, SCHEMA)
    assert [step["statement"] for step in document["steps"]] == [step.statement for step in plan.steps]
    assert [refusal["code"] for refusal in document["refusals"]] == [refusal.code for refusal in plan.refusals]
    assert "outcome" not in document


@given(plans, st.sampled_from(Outcome), st.sampled_from(["", "identical", "drifted", "undecided"]), st.text())
def test_what_came_of_it_is_as_its_schema_says(plan: Plan, outcome: Outcome, verdict: str, text: str) -> None:
    applied = Applied(plan=plan, outcome=outcome, verdict=verdict, done_steps=("held",), text=text, undo_file=text)
    document = json.loads(plan_json(plan, applied))
    jsonschema.validate(document, SCHEMA)
    assert (document["outcome"], document["verdict"] or "") == (outcome.value, verdict)
    assert document["plan_hash"] == plan.plan_hash


def step(what: str, *, reversible: bool = True) -> Step:
    return Step(what=what, where="b:2", statement="UPDATE t\nSET v = 1", reversible=reversible)


def make_plan(*some: Step, refused: bool = False) -> Plan:
    refusals = (Refusal(code="triggers", summary="it has triggers"),) if refused else ()
    return Plan(method="row-repair", reason="why", plan_hash="abc", refusals=refusals, steps=some)


def test_the_text_has_every_step_and_the_hash() -> None:
    text = plan_text(make_plan(step("hold replication"), step("drop shop", reversible=False)), None)
    for part in ("hold replication", "drop shop", "cannot be taken back", "--plan-hash abc", "UPDATE t SET v = 1"):
        assert part in text


def test_long_runs_of_one_kind_are_cut_and_the_numbers_go_on() -> None:
    rows = [step(f"update shop.orders id={number}") for number in range(50)]
    text = plan_text(make_plan(step("hold replication"), *rows, step("delete shop.orders id=7")), None)
    assert text.count("update shop.orders") < 20
    assert "52. delete shop.orders id=7" in text


@pytest.mark.parametrize("some", [(), (step("hold replication"),)])
def test_a_refused_plan_says_why_and_offers_nothing(some: tuple[Step, ...]) -> None:
    text = plan_text(make_plan(*some, refused=True), None)
    assert "triggers" in text
    assert "--apply" not in text


def test_the_outcome_names_the_undo_file() -> None:
    applied = Applied(
        plan=make_plan(),
        outcome=Outcome.DONE,
        verdict="identical",
        done_steps=("held",),
        text="all well",
        undo_file="/x/undo.sql",
    )
    text = plan_text(make_plan(), applied)
    for part in ("identical", "all well", "/x/undo.sql"):
        assert part in text
