"""Published judges and people, recounted from the raw rows where these are at hand: LLMBar (Zeng et al.
2023, arXiv 2310.07641), 65 judges in both orders, and PandaLM's test set (Wang et al. 2023, arXiv 2306.05087)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import ComparisonInfo, Vote

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
LLMBAR, PANDALM = FOLDER / "llmbar" / "verdicts.csv.gz", FOLDER / "pandalm"
VALUES: dict[str, Literal["A", "B", "invalid"]] = {"1": "A", "2": "B", "": "invalid"}
PERSON: dict[int, Literal["A", "B", "tie"]] = {0: "tie", 1: "A", 2: "B"}
GPT: dict[str, Literal["A", "B", "tie", "invalid"]] = {"1": "A", "2": "B", "Tie": "tie", "garbage": "invalid"}


@pytest.mark.skipif(not PANDALM.is_dir(), reason="PandaLM's test set is not next to the project")
def test_agreement_of_pandalms_annotators_and_judges() -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((PANDALM / f"{name}testset-v1.json").read_text(encoding="utf-8"))
        return found

    items, votes = {}, []
    for row in rows(""):
        name = str(row["idx"])
        items[name] = ComparisonInfo(f"{row['instruction']}\n{row['input']}")
        votes += [Vote(name, f"annotator{i}", "person", PERSON[row[f"annotator{i}"]]) for i in (1, 2, 3)]
    for row in rows("gpt-3.5-turbo-"):
        votes.append(Vote(str(row["idx"]), "gpt-3.5", "model", GPT[row["gpt_result"]], first="A"))
    for row in rows("pandalm-7b-"):
        votes.append(Vote(str(row["idx"]), "pandalm-7b", "model", PERSON[int(row["pandalm_result"])], first="A"))
    certificate = audit(items, votes, draws=20)
    people, (gpt, pandalm) = certificate.people, certificate.judges
    assert people
    assert people.among
    assert [round(pair.kappa.value, 2) for pair in people.among.pairs] == [0.85, 0.88, 0.86]  # as published
    assert people.leave_one_out
    assert people.leave_one_out.value == pytest.approx((912 + 928 + 917) / (3 * 999))  # two of three, on average
    for judge, right, read in ((gpt, 697, 974), (pandalm, 667, 999)):
        assert judge.one_call
        assert judge.one_call.by_rule["strict"].value == pytest.approx(right / read)
        assert judge.one_call.invalid_wrong["strict"].value == pytest.approx(right / 999)
