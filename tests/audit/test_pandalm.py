"""Published judges and people: PandaLM's test set (Wang et al., arXiv 2306.05087), where it lies beside the project.

999 pairs of answers to 170 prompts, three annotators, verdicts of GPT-3.5 and of PandaLM-7B shown in one order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from amendment.audit.certificate import Certificate, JudgeReport, audit
from amendment.audit.votes import Item, Vote

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "pandalm"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="PandaLM's test set does not lie beside the project")

PERSON: dict[int, Literal["A", "B", "tie"]] = {0: "tie", 1: "A", 2: "B"}
GPT: dict[str, Literal["A", "B", "tie", "invalid"]] = {"1": "A", "2": "B", "Tie": "tie", "garbage": "invalid"}


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    items, votes = {}, []
    for row in rows("testset-v1.json"):
        name, (model_a, model_b) = str(row["idx"]), row["cmp_key"].split("_")
        one, two = (len(str(row[f"response{i}"])) for i in (1, 2))  # six answers were read as true and false
        items[name] = Item(f"{row['instruction']}\n{row['input']}", row["motivation_app"], model_a, model_b, one, two)
        votes += [Vote(name, f"annotator{i}", "person", PERSON[row[f"annotator{i}"]]) for i in (1, 2, 3)]
    for row in rows("gpt-3.5-turbo-testset-v1.json"):
        votes.append(Vote(str(row["idx"]), "gpt-3.5", "model", GPT[row["gpt_result"]], first="A"))
    for row in rows("pandalm-7b-testset-v1.json"):
        votes.append(Vote(str(row["idx"]), "pandalm-7b", "model", PERSON[int(row["pandalm_result"])], first="A"))
    return audit(items, votes)


@pytest.fixture(scope="module")
def gpt(certificate: Certificate) -> JudgeReport:
    return certificate.judges[0]


@pytest.fixture(scope="module")
def pandalm(certificate: Certificate) -> JudgeReport:
    return certificate.judges[1]


def test_the_published_kappas_of_annotators(certificate: Certificate) -> None:
    assert certificate.people
    assert certificate.people.among
    found = {(pair.a[-1], pair.b[-1]): round(pair.kappa.value, 2) for pair in certificate.people.among.pairs}
    assert found == {("1", "2"): 0.85, ("1", "3"): 0.88, ("2", "3"): 0.86}


def test_accuracy_against_the_majority(gpt: JudgeReport, pandalm: JudgeReport) -> None:
    assert gpt.one_call
    assert pandalm.one_call
    assert gpt.one_call.by_rule["strict"].value == pytest.approx(697 / 974)
    assert gpt.one_call.invalid_wrong["strict"].value == pytest.approx(697 / 999)
    assert pandalm.one_call.by_rule["strict"].value == pytest.approx(667 / 999)


def test_the_clustered_error_is_half_as_large_again_as_the_naive_one(gpt: JudgeReport) -> None:
    assert gpt.one_call
    found = gpt.one_call.by_rule["strict"]
    naive = (found.value * (1 - found.value) / found.n) ** 0.5
    assert (found.high - found.low) / 2 / 1.9741 / naive == pytest.approx(1.5, abs=0.02)  # t, 169 degrees of freedom


def test_leaving_one_of_three_out_is_the_mean_agreement_of_two(
    certificate: Certificate, gpt: JudgeReport, pandalm: JudgeReport
) -> None:
    assert certificate.people
    assert certificate.people.leave_one_out
    assert certificate.people.leave_one_out.value == pytest.approx((912 + 928 + 917) / (3 * 999))
    for judge, own, difference in ((gpt, 0.7064, -0.2156), (pandalm, 0.6603, -0.2596)):
        assert judge.leave_one_out
        assert judge.leave_one_out.judge.value == pytest.approx(own, abs=5e-5)
        assert judge.leave_one_out.difference.value == pytest.approx(difference, abs=5e-5)
        assert judge.leave_one_out.difference.high < 0


def test_neither_judge_could_stand_in_for_an_annotator(gpt: JudgeReport, pandalm: JudgeReport) -> None:
    for judge, items, rho, p in (
        (gpt, 974, 0.7580, [0.850, 0.724, 0.856]),
        (pandalm, 999, 0.7147, [0.995, 0.985, 0.998]),
    ):
        test = judge.alternative_annotator
        assert test
        assert (test.items, test.tested, [one.items for one in test.people]) == (items, 3, [items] * 3)
        assert test.advantage.value == pytest.approx(rho, abs=5e-5)
        assert [one.p["0.2"] for one in test.people] == pytest.approx(p, abs=0.0005)
        assert test.winning_rate == {"0.1": 0, "0.15": 0, "0.2": 0}
        assert not any(test.passes.values())


def test_length(certificate: Certificate, gpt: JudgeReport, pandalm: JudgeReport) -> None:
    assert certificate.people
    assert certificate.people.prefers_longer.value == pytest.approx(599 / 887)
    assert gpt.bias["length"]
    assert gpt.bias["length"].asymmetry
    assert pandalm.bias["length"]
    assert pandalm.bias["length"].asymmetry
    assert gpt.bias["length"].asymmetry.value == pytest.approx(0.016, abs=0.0005)
    assert gpt.bias["length"].asymmetry.low < 0 < gpt.bias["length"].asymmetry.high
    assert pandalm.bias["length"].asymmetry.value == pytest.approx(0.119, abs=0.0005)
    assert pandalm.bias["length"].asymmetry.low > 0


def test_both_judges_fall_short_of_people_and_gpt_warns_for_unread_verdicts(certificate: Certificate) -> None:
    assert certificate.outcome("gpt-3.5") == "FAIL ceiling, WARN invalid"
    assert certificate.outcome("pandalm-7b") == "FAIL ceiling, WARN length"
    assert certificate.alarms.found == ()
