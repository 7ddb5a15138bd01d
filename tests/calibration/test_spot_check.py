"""The report of a spot check, of samples made by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.calibration.samples import SampledItem
from amendment.calibration.spot_check import ExportedP, SpotCheck, spot_check
from amendment.calibration.spot_check_lines import gate_lines, spot_check_json, spot_check_lines
from amendment.records import Verdict


def item(number: int, p_a: float = 0.9, **more: Any) -> SampledItem:
    made: dict[str, Any] = {"a": "a", "b": "b", "stratum": "all", "inclusion": 0.5, "consistent": True, **more}
    return SampledItem(prompt_id=f"p{number}", p_a=p_a, **made)


def label(number: int, rater: str, value: str | None = "A", **more: Any) -> Verdict:
    said: dict[str, Any] = {"prompt_id": f"p{number}", "rater_kind": "person", "shown": ("a", "b"), **more}
    return Verdict(scale="pair", value=value, rater=rater, **said)


def exported(sample: list[SampledItem], others: int = 0, *, p_calibrated: float | None = 0.8) -> dict[str, ExportedP]:
    more = [item(1000 + number) for number in range(others)]
    return {one.comparison_id: ExportedP(one.prompt_id, one.p_a, p_calibrated) for one in (*sample, *more)}


def reported(sample: list[SampledItem], labels: list[Verdict], **more: Any) -> SpotCheck:
    return spot_check(sample, labels, exported(sample, 40), **more)


def whole(n: int = 60, right: float = 0.8, **more: Any) -> tuple[list[SampledItem], list[Verdict]]:
    """Items of one prompt each; Anna and Bert agree with the judge on the first `right` of them."""
    sample = [item(number, **more) for number in range(n)]
    return sample, [label(i, who, "A" if i < right * n else "B") for i in range(n) for who in ("Anna", "Bert")]


def test_figures_rest_on_sealed_labels_where_there_are_any() -> None:
    # of 40 sealed items people agree with the judge on 10, of 40 open ones on all
    sample = [item(number, is_sealed=number < 40) for number in range(80)]
    labels = [label(i, "Anna", "A" if i < 10 or i >= 40 else "B") for i in range(80)]
    found = reported(sample, labels, opened=3)
    assert (found.basis, found.sealed, found.labelled, found.opened) == ("sealed", 40, 80, 3)
    assert found.agreement.value == pytest.approx(10 / 40)
    assert found.raw is not None
    assert found.raw.n == 40
    assert "The figures rest on 40 sealed items" in "\n".join(spot_check_lines(found))


def test_a_judge_that_agrees_with_people_as_they_do_with_each_other_passes() -> None:
    sample, labels = whole(right=1.0)
    found = reported(sample, labels)
    # everybody says the same of 60 prompts: 1 - 1 = 0, above -0.05
    assert (found.beside.judge, found.beside.people.value, found.beside.difference.value) == (1.0, 1.0, 0.0)
    assert [gate.outcome for gate in found.gates] == ["PASS", "PASS"]


def test_people_who_say_the_opposite_make_it_fail() -> None:
    found = reported(*whole(right=0.1))
    # people agree with each other on all 60, with the judge on 6: 0.1 - 1 = -0.9
    assert found.beside.difference.value == pytest.approx(-0.9)
    assert found.gates[0].outcome == "FAIL"


def test_items_weigh_by_their_probability() -> None:
    # 30 items drawn with 0.5 on which people agree, 30 with 0.1 on which they do not: 60 / (60 + 300) = 1/6
    sample = [item(number, inclusion=0.5 if number < 30 else 0.1) for number in range(60)]
    labels = [label(i, "Anna", "A" if i < 30 else "B") for i in range(60)]
    assert reported(sample, labels).agreement.value == pytest.approx(1 / 6)


def test_orders_are_counted_on_all_of_the_sample_labelled_or_not() -> None:
    sample = [item(i, consistent=i % 4 > 0) for i in range(60)] + [item(i, consistent=None) for i in range(60, 80)]
    found = reported(sample, [label(0, "Anna")])
    assert found.orders_disagree.value == pytest.approx(0.25)
    assert found.orders_disagree.n == 60
    assert found.gates[1].outcome == "WARN"


def test_a_debug_sample_is_described_and_estimates_nothing() -> None:
    sample, labels = whole(purpose="debug", inclusion=None)
    found = reported(sample, labels)
    assert (found.accuracy, found.raw, found.calibrated) == (None, None, None)
    assert {gate.outcome for gate in found.gates} == {"not measured"}
    for estimate in (
        found.agreement,
        found.orders_disagree,
        found.beside.difference,
        *[s.agreement for s in found.strata],
    ):
        assert math.isnan(estimate.low)
        assert "debug sample" in estimate.note
    lines = "\n".join(spot_check_lines(found))
    assert "most doubtful" in lines
    assert "no figure here speaks of all labels" in lines


def test_without_a_calibration_there_is_no_calibrated_figure() -> None:
    sample, labels = whole()
    found = spot_check(sample, labels, exported(sample, 40, p_calibrated=None))
    assert found.raw is not None
    assert found.calibrated is None


def test_what_nobody_could_say_is_told() -> None:
    found = reported([item(0), item(1)], [label(0, "Anna"), label(1, "Anna", None, invalid="refused")])
    assert found.labelled == 1
    assert "1 items have no label" in " ".join(found.notes)


def test_an_empty_spot_check_is_no_fault() -> None:
    found = reported([item(number) for number in range(5)], [])
    assert (found.labelled, found.accuracy, found.raw) == (0, None, None)
    assert [gate.outcome for gate in found.gates] == ["not measured", "not measured"]
    assert math.isnan(found.agreement.value)
    told_and_read(found)


def test_unequal_probabilities_that_leave_little_are_told() -> None:
    # one item that weighs 1000 beside 59 that weigh 1: (1059 ** 2) / (1000 ** 2 + 59) = 1.1 labels' worth
    sample = [item(number, inclusion=0.001 if not number else 1.0) for number in range(60)]
    found = reported(sample, [label(i, "Anna") for i in range(60)])
    assert "leave 1 of 60 labels' worth" in " ".join(found.notes)


def told_and_read(found: SpotCheck) -> dict[str, Any]:
    """Its JSON, which holds finite numbers and null alone, and its lines, which are one each."""
    text = json.dumps(spot_check_json(found), allow_nan=False)
    lines = [*spot_check_lines(found), *gate_lines(found.gates)]
    assert not any("\n" in line for line in lines)
    assert "nan" not in "\n".join(lines)
    return dict(json.loads(text))


def test_json_has_every_figure() -> None:
    found = told_and_read(reported(*whole()))
    assert set(found) == set(SpotCheck.__dataclass_fields__)
    assert {"value", "low", "high", "n", "clusters"} <= set(found["agreement"])
    assert {"estimate", "lam", "people_alone", "labels_saved"} <= set(found["accuracy"])
    assert {"brier", "log_loss", "ece"} <= set(found["raw"])
    assert {"judge", "check", "outcome", "found"} == set(found["gates"][0])


probabilities = st.sampled_from([0.0, 1e-9, 0.3, 0.5, 0.7, 1.0])
rows = st.tuples(probabilities, st.sampled_from(["A", "B", "tie", "both_bad", None]), st.booleans(), st.booleans())


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, max_size=12), st.booleans(), st.booleans())
def test_whatever_people_say_it_is_told(drawn: list[Any], is_debug: bool, is_calibrated: bool) -> None:
    sample = [
        item(
            number // 2 if number % 2 else number,
            p_a,
            a=f"a{number}",
            is_sealed=is_sealed and not is_debug,
            consistent=consistent,
            purpose="debug" if is_debug else "estimate",
            inclusion=None if is_debug else 0.25,
        )
        for number, (p_a, _, is_sealed, consistent) in enumerate(drawn)
    ]
    labels = [
        label(0, who, value, prompt_id=one.prompt_id, shown=(one.a, one.b), invalid=None if value else "refused")
        for one, (_, value, _, _) in zip(sample, drawn, strict=True)
        for who in ("Anna", "Bert")
    ]
    found = spot_check(sample, labels, exported(sample, 3, p_calibrated=0.6 if is_calibrated else None))
    told_and_read(found)
