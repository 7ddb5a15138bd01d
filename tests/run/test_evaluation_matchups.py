"""Every two policies compared: which, what is asked once, what stands beside a win rate, and who judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.data.workspace import Workspace
from amendment.errors import ConfigError
from amendment.llm.model import Ending
from amendment.records import Candidate, Message, Prompt, user
from amendment.run import Result, Run
from amendment.run.evaluation_wording import judged_lines
from amendment.stages.candidates import Draw, Drawn
from amendment.stages.evaluation import EvaluateConfig
from amendment.stages.evaluation_people import EvaluationItem
from amendment.stages.policies import PolicyComparison, win_rates

THREE = """\
name: three
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  twin: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
prompts: [{lilliput: 40}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell, twin]
  compare: all
  judge: {model: gavelmouth, protocol: label-tokens}
  people: {items: 30, people: simulated}
"""
NAMES = ["inkwell against quillfeather", "twin against quillfeather", "twin against inkwell"]


def run_of(folder: Path, *overrides: str, text: str = THREE) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_of(tmp_path_factory.mktemp("three"))()


def test_which_policies_are_compared() -> None:
    def matchups(**given: Any) -> tuple[tuple[str, str], ...]:
        return EvaluateConfig(policies=("sft", "dpo", "round-2"), **given).matchups

    assert matchups() == (("dpo", "sft"), ("round-2", "sft"))
    assert matchups(compare="all") == (("dpo", "sft"), ("round-2", "sft"), ("round-2", "dpo"))
    assert matchups(compare=[["round-2", "dpo"]]) == (("round-2", "dpo"),)
    assert EvaluateConfig(policies=("sft", "sft")).matchups == ()


def test_every_two_policies_get_a_win_rate_and_people_correct_each(three: Result) -> None:
    counts = three.summary["stages"]["evaluate"]
    assert list(counts["win rates"]) == NAMES
    corrected = three.summary["stages"]["evaluate_labels"]["win rates by people"]
    assert list(corrected) == NAMES
    place = Workspace(three.folder)
    rows = place.read("evaluate/comparisons", PolicyComparison)
    assert {one.matchup for one in rows} == {tuple(name.split(" against ")) for name in NAMES}
    for name in NAMES:
        mine = [one.p for one in rows if " against ".join(one.matchup) == name]
        assert counts["win rates"][name]["value"] == pytest.approx(sum(mine) / len(mine))
        assert corrected[name]["judge alone"]["value"] == pytest.approx(sum(mine) / len(mine))
    items = place.read("evaluate_sample/sample", EvaluationItem)
    assert [sum(" against ".join((one.policy, one.against)) == name for one in items) for name in NAMES] == [10] * 3


def test_a_comparison_that_two_matchups_hold_is_asked_once(three: Result) -> None:
    # inkwell and its twin are one persona with one seed, so they say the same: the twin's comparisons with quillfeather
    # are inkwell's, and their own are ties that nobody is asked about
    rows = Workspace(three.folder).read("evaluate/comparisons", PolicyComparison)
    against = {
        name: {one.prompt_id: (one.comparison.id, one.p) for one in rows if one.matchup == name}
        for name in (("inkwell", "quillfeather"), ("twin", "quillfeather"))
    }
    assert against["inkwell", "quillfeather"] == against["twin", "quillfeather"]
    rates = three.summary["stages"]["evaluate"]["win rates"]
    even = rates["twin against inkwell"]
    assert (even["value"], even["equal answers"], even["other ties"]) == (0.5, even["draws"], 0)
    different = sum(one.answer != one.other for one in rows if one.policy == "inkwell")
    assert three.sent == 2 * even["draws"] + 2 * different  # two personas answer, and two orders are judged


def drawn(number: int, text: str | None, outcome: Any = "done") -> Drawn:
    prompt = Prompt(messages=user(f"question {number}"))
    said = (
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="policy")
        if text
        else None
    )
    return Drawn(Draw(prompt, 0), Ending(outcome), said)


def compared(ours: Drawn, theirs: Drawn, p: float) -> PolicyComparison:
    assert ours.answer
    assert theirs.answer
    names = {"policy": "dpo", "against": "sft", "prompt_id": ours.draw.prompt.id, "sample": 0}
    return PolicyComparison.model_validate({**names, "answer": ours.answer.id, "other": theirs.answer.id, "p": p})


def test_ties_refusals_and_unread_comparisons_are_counted_apart() -> None:
    ours = [
        drawn(0, "a"),
        drawn(1, "b"),
        drawn(2, "c"),
        drawn(3, "d"),
        drawn(4, None, "refused"),
        drawn(5, None, "failed"),
    ]
    theirs = [drawn(0, "a"), *(drawn(number, "zz") for number in range(1, 6))]
    read = [compared(ours[0], theirs[0], 0.5), compared(ours[1], theirs[1], 0.5), compared(ours[2], theirs[2], 0.9)]
    rate = win_rates({"dpo": ours, "sft": theirs}, [("dpo", "sft")], read)["dpo against sft"]
    # (0.5 + 0.5 + 0.9) / 3; the fourth was fought and not read
    assert rate["value"] == pytest.approx(1.9 / 3)
    names = ("draws", "n", "equal answers", "other ties", "unread", "refused", "other unanswered")
    assert [rate[name] for name in names] == [6, 3, 1, 1, 1, 1, 1]
    # characters: 1 - 1, 1 - 2, 1 - 2
    assert rate["at equal length"]["longer by"] == pytest.approx(-2 / 3, abs=1e-4)


def test_a_win_rate_that_is_all_length_is_near_half_at_equal_length() -> None:
    # The policy is 10 longer on 30 prompts and wins 27, 10 shorter on 10 and wins 1: at both lengths the same log-odds
    # with the other sign, logit(0.9) and -logit(0.9), so that nothing is left at equal length.
    lengths = [(20, 10)] * 30 + [(10, 20)] * 10
    ours = [drawn(number, "x" * own) for number, (own, _) in enumerate(lengths)]
    theirs = [drawn(number, "y" * other) for number, (_, other) in enumerate(lengths)]
    won = [1.0] * 27 + [0.0] * 3 + [1.0] + [0.0] * 9
    read = [compared(*bout) for bout in zip(ours, theirs, won, strict=True)]
    rate = win_rates({"dpo": ours, "sft": theirs}, [("dpo", "sft")], read)["dpo against sft"]
    even = rate["at equal length"]
    assert rate["value"] == 0.7
    assert even["value"] == pytest.approx(0.56, abs=0.01)  # the ridge holds the slope, and leaves some of it
    assert even["low"] < 0.5 < even["high"]
    assert even["slope"] > 1
    lines = judged_lines({"win rates": {"dpo against sft": rate}}, {})
    assert lines[1].startswith("- the same at equal length: 0.4") or lines[1].startswith(
        "- the same at equal length: 0.5"
    )
    assert "+5.0 characters longer" in lines[1]  # (30 * 10 - 10 * 10) / 40


def test_equal_lengths_everywhere_are_told_and_change_nothing() -> None:
    ours, theirs = [drawn(n, f"x{n:02}") for n in range(8)], [drawn(n, f"y{n:02}") for n in range(8)]
    read = [compared(*bout, float(n < 6)) for n, bout in enumerate(zip(ours, theirs, strict=True))]
    even = win_rates({"dpo": ours, "sft": theirs}, [("dpo", "sft")], read)["dpo against sft"]["at equal length"]
    assert even["value"] == pytest.approx(0.75, abs=1e-3)
    assert "hardly varies" in even["warning"]
    nothing = win_rates({"dpo": ours, "sft": theirs}, [("dpo", "sft")], [])["dpo against sft"]
    assert (nothing["value"], nothing["at equal length"]["value"], nothing["unread"]) == (None, None, 8)
    assert "no data over 0 of 8 draws" in judged_lines({"win rates": {"dpo against sft": nothing}}, {})[0]


REFUSED = {
    "evaluate.compare=[[inkwell, quill]]": r"evaluate\.compare\[0\]\[1\]: no policy 'quill' under evaluate.policies",
    "evaluate.compare=[[twin, twin]]": r"evaluate\.compare\[0\]: compares twin with itself",
    "evaluate.compare=[[twin, inkwell], [inkwell, twin]]": r"evaluate\.compare\[1\]: these two are compared already",
    "evaluate.compare=[]": r"evaluate\.compare: found no pair, expected first, all, or pairs",
    "evaluate.judge=null": r"evaluate\.compare: is what a judge compares; add evaluate\.judge",
    "evaluate.judge.protocol=violation": r"evaluate\.judge\.protocol: violation says yes or no to one answer",
    "evaluate.policies=[inkwell, inkwell]": r"evaluate\.policies: inkwell stands here twice, and the judge",
    "evaluate.policies=[inkwell]": r"evaluate\.judge: compares policies, and there are no two",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_be_compared_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=REFUSED[override]):
        run_of(tmp_path, override).check()


def test_a_plan_counts_every_matchup(tmp_path: Path) -> None:
    def calls(compare: str) -> int:
        asks = run_of(tmp_path, f"evaluate.compare={compare}", "evaluate.people=null").plan().asks
        return sum(one.calls for one in asks if one.model == "gavelmouth")

    # of three matchups two are asked: those of the twin are the other's, whose answers are the same
    held_out = run_of(tmp_path).plan().prompts * 9 // 10
    assert (calls("first"), calls("all")) == (2 * held_out, 2 * held_out)
