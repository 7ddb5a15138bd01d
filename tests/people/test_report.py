"""The report of a spot check, of samples made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.audit.inputs import votes_from_verdicts
from amendment.people.report import PeopleReport, gate_section, people_sections, report_json, spot_check_report
from amendment.people.samples import SOMETHING_ELSE, ExportedProbability, SampledItem, as_verdict
from amendment.records import Verdict
from tests.people.label_pages import label as describe_label
from tests.people.label_pages import question


def item(number: int, p_a: float = 0.9, **more: Any) -> SampledItem:
    made: dict[str, Any] = {"a": "a", "b": "b", "stratum": "all", "inclusion": 0.5, "consistent": True, **more}
    return SampledItem(prompt_id=f"p{number}", p_a=p_a, **made)


def label(number: int, rater: str, value: str | None = "A", **more: Any) -> Verdict:
    said: dict[str, Any] = {"prompt_id": f"p{number}", "rater_kind": "person", "shown": ("a", "b"), **more}
    return Verdict(scale="pair", value=value, rater=rater, **said)


def reported(
    sample: list[SampledItem], labels: list[Verdict], p_calibrated: float | None = 0.8, **more: Any
) -> PeopleReport:
    every = [*sample, *(item(1000 + number) for number in range(40))]
    exported = {
        one.comparison_id: ExportedProbability(
            comparison_id=one.comparison_id, prompt_id=one.prompt_id, p_a_raw=one.p_a, p_a_calibrated=p_calibrated
        )
        for one in every
    }
    report = spot_check_report(sample, labels, exported, **more)
    assert set(read(report)) == set(PeopleReport.__dataclass_fields__)
    return report


def read(report: PeopleReport) -> dict[str, Any]:
    """Its JSON, which holds finite numbers and null alone; its lines are one each."""
    sections = [gate_section(report.gates), *people_sections(report)]
    lines = [line for section in sections for line in section.lines()]
    assert not any("\n" in line or "nan" in line.split() for line in lines)
    return dict(json.loads(json.dumps(report_json(report), allow_nan=False)))


def whole(n: int = 60, right: float = 0.8, **more: Any) -> tuple[list[SampledItem], list[Verdict]]:
    """Items of one prompt each; Anna and Bert agree with the judge on the first `right` of them."""
    sample = [item(number, **more) for number in range(n)]
    return sample, [label(i, who, "A" if i < right * n else "B") for i in range(n) for who in ("Anna", "Bert")]


def test_figures_rest_on_sealed_labels_where_there_are_any() -> None:
    # of 40 sealed items people agree with the judge on 10, of 40 open ones on all
    sample = [item(number, is_sealed=number < 40) for number in range(80)]
    labels = [label(i, "Anna", "A" if i < 10 or i >= 40 else "B") for i in range(80)]
    report = reported(sample, labels, opened=3)
    assert (report.basis, report.sealed, report.labelled, report.opened) == ("sealed", 40, 80, 3)
    assert report.agreement.value == pytest.approx(10 / 40)
    assert report.raw is not None
    assert report.raw.n == 40


@pytest.mark.parametrize(("right", "difference", "outcome"), [(1.0, 0.0, "PASS"), (0.1, -0.9, "FAIL")])
def test_the_gate_follows_from_how_judge_and_people_agree(right: float, difference: float, outcome: str) -> None:
    # people agree with each other on all 60 prompts, with the judge on all of them or on 6
    report = reported(*whole(right=right))
    assert report.beside.gap.value == pytest.approx(difference)
    assert [gate.outcome for gate in report.gates] == [outcome, "PASS"]


def test_orders_are_counted_on_all_of_the_sample_labelled_or_not() -> None:
    sample = [item(i, consistent=i % 4 > 0) for i in range(60)] + [item(i, consistent=None) for i in range(60, 80)]
    report = reported(sample, [label(0, "Anna")])
    assert (report.orders_disagree.value, report.orders_disagree.n) == pytest.approx((0.25, 60))
    assert report.gates[1].outcome == "WARN"


def test_what_is_not_there_is_no_fault_and_is_said() -> None:
    uncalibrated = reported(*whole(), p_calibrated=None)
    assert uncalibrated.raw is not None
    assert uncalibrated.calibrated is None
    report = reported([item(0), item(1)], [label(0, "Anna"), label(1, "Anna", None, invalid="refused")])
    assert report.labelled == 1
    assert "1 items have no label" in " ".join(report.notes)
    empty = reported([item(number) for number in range(5)], [])
    assert (empty.labelled, empty.accuracy, empty.raw) == (0, None, None)


probabilities = st.sampled_from([0.0, 1e-9, 0.3, 0.5, 0.7, 1.0])
rows = st.tuples(probabilities, st.sampled_from(["A", "B", "tie", "both_bad", None]), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(rows, max_size=12), st.booleans())
def test_whatever_people_say_it_is_told(drawn: list[Any], is_calibrated: bool) -> None:
    sample = [
        item(
            number // 2 if number % 2 else number,
            p_a,
            a=f"a{number}",
            is_sealed=is_sealed,
            consistent=consistent,
            inclusion=0.25,
        )
        for number, (p_a, _, is_sealed, consistent) in enumerate(drawn)
    ]
    labels = [
        label(0, who, value, prompt_id=one.prompt_id, shown=(one.a, one.b), invalid=None if value else "refused")
        for one, (_, value, _, _) in zip(sample, drawn, strict=True)
        for who in ("Anna", "Bert")
    ]
    reported(sample, labels, p_calibrated=0.6 if is_calibrated else None)


@pytest.mark.parametrize("reason", [None, "law/kind", SOMETHING_ELSE])
def test_what_decided_a_label_is_no_principle_that_a_certificate_slices_by(reason: str | None) -> None:
    verdict = as_verdict(describe_label(question(1), "Ada", principle_id=reason))
    assert verdict is not None
    (vote,) = votes_from_verdicts([verdict], [], []).votes
    assert (vote.value, vote.principle) == ("A", None)
