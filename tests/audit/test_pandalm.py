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
