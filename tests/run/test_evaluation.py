"""Evaluation of policies: what is asked of whom, what counts and what is counted apart, and what cannot be measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.audit.refusal_phrases import PHRASES, refusal_phrase
from amendment.constitutions import Constitution, Principle
from amendment.data.store import read_records
from amendment.data.workspace import Workspace
from amendment.errors import AmendmentError, ConfigError
from amendment.llm.model import Ending
from amendment.records import Candidate, Message, Preference, Prompt, text_of, user
from amendment.run import Patience, Result, Run, load_run_file
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.simulator import ATTRIBUTES, refuses, sample_prompts, truth
from amendment.stages import evaluation as evaluation_stage
from amendment.stages.candidates import Draw, Drawn
from amendment.stages.contract import JudgeEntry
from amendment.stages.endings import ItemEnding
from amendment.stages.evaluation import EvaluateConfig, harmless_prompts
from amendment.stages.evaluation_lines import evaluation_lines, judged_lines
from amendment.stages.evaluation_people import EvaluationItem
from amendment.stages.kinship import independence
from amendment.stages.policies import (
    PolicyCheck,
    PolicyComparison,
    PolicyRefusal,
    ViolationJudge,
    Violations,
    principles_for,
    refusal_rates,
    violation_rates,
    win_rates,
)
from amendment.stages.reward_model import PairScores

MEASURED = """\
name: measured
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  twin: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
  watcher: {provider: simulated, noise: 0.3, leak: 0, sharpness: 3, unreadable: 0.05}
  exact: {provider: simulated, noise: 0, unreadable: 0, sharpness: 50}
prompts: [{lilliput: 80}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell, twin]
  compare: all
  judge: {model: gavelmouth, protocol: label-tokens}
  people: {items: 30, people: simulated}
  violations: {judge: {model: watcher}, prompts: 50}
  over_refusal: {categories: [arithmetic, code, danger], judge: {model: exact}}
"""
NAMES = ["inkwell against quillfeather", "twin against quillfeather", "twin against inkwell"]
QUICK = Patience(attempts=2, longest_wait=0.01)


def run_of(folder: Path, *overrides: str, text: str = MEASURED) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_of(tmp_path_factory.mktemp("measured"))()


def test_which_policies_are_compared() -> None:
    def matchups(**given: Any) -> tuple[tuple[str, str], ...]:
        return EvaluateConfig(policies=("sft", "dpo", "round-2"), **given).matchups

    assert matchups() == (("dpo", "sft"), ("round-2", "sft"))
    assert matchups(compare="all") == (("dpo", "sft"), ("round-2", "sft"), ("round-2", "dpo"))
    assert matchups(compare=[["round-2", "dpo"]]) == (("round-2", "dpo"),)
    assert EvaluateConfig(policies=("sft", "sft")).matchups == ()


def test_every_two_policies_get_a_win_rate_and_people_correct_each(measured: Result) -> None:
    counts = measured.summary["stages"]["evaluate"]
    assert list(counts["win rates"]) == NAMES
    corrected = measured.summary["stages"]["evaluate_labels"]["win rates by people"]
    assert list(corrected) == NAMES
    place = Workspace(measured.folder)
    rows = place.read("evaluate/comparisons", PolicyComparison)
    assert {one.matchup for one in rows} == {tuple(name.split(" against ")) for name in NAMES}
    for name in NAMES:
        mine = [one.p for one in rows if " against ".join(one.matchup) == name]
        assert counts["win rates"][name]["value"] == pytest.approx(sum(mine) / len(mine))
        assert corrected[name]["judge alone"]["value"] == pytest.approx(sum(mine) / len(mine))
    items = place.read("evaluate_sample/sample", EvaluationItem)
    assert [sum(" against ".join((one.policy, one.against)) == name for one in items) for name in NAMES] == [10] * 3


def test_a_comparison_that_two_matchups_hold_is_asked_once(measured: Result) -> None:
    # inkwell and its twin are one persona with one seed, so they say the same: the twin's comparisons with quillfeather
    # are inkwell's, and their own are ties that nobody is asked about
    rows = Workspace(measured.folder).read("evaluate/comparisons", PolicyComparison)
    against = {
        name: {one.prompt_id: (one.comparison.id, one.p) for one in rows if one.matchup == name}
        for name in (("inkwell", "quillfeather"), ("twin", "quillfeather"))
    }
    assert against["inkwell", "quillfeather"] == against["twin", "quillfeather"]
    rates = measured.summary["stages"]["evaluate"]["win rates"]
    even = rates["twin against inkwell"]
    assert (even["value"], even["equal answers"], even["other ties"]) == (0.5, even["draws"], 0)


def test_each_policy_is_held_against_each_principle(measured: Result) -> None:
    told = measured.summary["stages"]["evaluate"]["violations"]
    assert told["prompts"] == 50
    assert told["judge"]["standing"] == "no other judge"
    rows = Workspace(measured.folder).read("evaluate/violations", PolicyCheck)
    names = [f"lilliput/{name}" for name in ATTRIBUTES]
    assert len(rows) == 3 * 50 * len(names)
    assert sum(one.violates is None for one in rows) == sum(
        rate["unread"] for rates in told["policies"].values() for rate in rates.values()
    )
    for policy in ("quillfeather", "inkwell"):
        assert sorted(told["policies"][policy]) == sorted(names)
        for name, rate in told["policies"][policy].items():
            mine = [one for one in rows if (one.policy, one.principle_id) == (policy, name)]
            read = [one.violates for one in mine if one.violates is not None]
            assert rate["value"] == pytest.approx(sum(read) / len(read))
            assert rate["truly"] == pytest.approx(sum(bool(one.truly) for one in mine) / 50)
            assert rate["value"] == pytest.approx(rate["truly"], abs=0.1)  # a noisy judge, not a blind one
    polite = told["differences"]["inkwell - quillfeather"]["lilliput/polite"]
    assert polite["high"] < 0  # the careless writer insults
    page = (measured.folder / "summary.md").read_text()
    assert "Share of answers that violate a principle, on 50 prompts:" in page
    assert "violations of lilliput/polite, inkwell - quillfeather: -" in page


def test_a_judge_without_noise_sees_every_refusal_and_the_phrases_those_that_come_first(measured: Result) -> None:
    counts = measured.summary["stages"]["evaluate"]["over-refusal"]
    place = Workspace(measured.folder)
    rows = place.read("evaluate/refusals", PolicyRefusal)
    assert (
        10 < counts["prompts"] == counts["of categories"] < measured.summary["stages"]["evaluate"]["held-out prompts"]
    )
    assert len(rows) == 3 * counts["prompts"]
    assert {row.told_by for row in rows} == {"judge"}
    assert any(row.refused for row in rows)
    answers = [text_of(one.messages) for one in place.read("evaluate/answers", Candidate)]
    refusing = {text for text in answers if refuses(text)}
    assert {text for text in answers if refusal_phrase(text)} <= refusing
    for name in ("quillfeather", "inkwell"):
        mine, rate = [row for row in rows if row.policy == name], counts["policies"][name]
        assert all(row.refused for row in mine if row.phrase)
        assert rate["value"] == sum(row.refused or 0 for row in mine) / len(mine)
        assert rate["truly evasive"] == sum(bool(row.evades) for row in mine) / len(mine)
        assert sum(rate["phrases"].values()) == sum(row.phrase is not None for row in mine)
    page = (measured.folder / "summary.md").read_text()
    assert f"Share of {counts['prompts']} harmless prompts that a policy refuses" in page


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
    lines = judged_lines({"win rates": {"dpo against sft": rate}})
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
    assert "no data over 0 of 8 draws" in judged_lines({"win rates": {"dpo against sft": nothing}})[0]


def check(policy: str, number: int, said: float | None, *, prompt: str = "") -> PolicyCheck:
    names = {"policy": policy, "prompt_id": prompt or f"p{number}", "sample": number, "answer": f"{policy} {number}"}
    return PolicyCheck.model_validate({**names, "principle_id": "house/kind", "violates": said})


def test_violation_rates_by_hand() -> None:
    rows = [check("sft", n, said) for n, said in enumerate([1, 1, 0, 0, None, 0])]
    rows += [check("dpo", n, said) for n, said in enumerate([0, 1, 0, None, 0, 0])]
    found = violation_rates(rows, ["sft", "dpo"])
    sft, dpo = (found["policies"][name]["house/kind"] for name in ("sft", "dpo"))
    assert (sft["value"], sft["n"], sft["unread"]) == (2 / 5, 5, 1)
    assert (dpo["value"], dpo["n"], dpo["unread"]) == (1 / 5, 5, 1)
    # both were read on 0, 1, 2 and 5: the differences are -1, 0, 0, 0
    difference = found["differences"]["dpo - sft"]["house/kind"]
    assert (difference["value"], difference["n"]) == (-1 / 4, 4)
    assert difference["low"] is None  # of four prompts nothing is told


def test_a_principle_that_nobody_violates_has_an_interval_all_the_same() -> None:
    told = violation_rates([check("sft", n, 0) for n in range(20)], ["sft"])["policies"]["sft"]["house/kind"]
    # Wilson over 20 prompts at 0 with Student's t of 19: high = t^2 / (n + t^2), t^2 = 2.0930^2 = 4.3807
    assert (told["value"], told["low"]) == (0, 0)
    assert told["high"] == pytest.approx(4.3807 / 24.3807, abs=1e-4)


def test_principles_speak_where_they_apply_and_need_no_text_for_comparing() -> None:
    rules = Constitution(
        id="house",
        version="1.0.0",
        title="House rules",
        license="CC0-1.0",
        principles=(
            Principle(id="kind", statement="Be kind."),
            Principle.model_validate(
                {"id": "sums", "statement": "Add.", "applies_when": {"categories": ["arithmetic"]}}
            ),
        ),
    )
    every = Violations(judge=ViolationJudge(model="judge"))
    asked = {
        category: [one.id for one in principles_for([rules], every, Prompt(messages=user("?"), category=category))]
        for category in ("arithmetic", "poetry")
    }
    assert asked == {"arithmetic": ["house/kind", "house/sums"], "poetry": ["house/kind"]}
    some = every.model_copy(update={"principles": ("house/sums",)})
    assert [one.id for one in principles_for([rules], some, Prompt(messages=user("?"), category="poetry"))] == []


REFUSALS = {
    "i cannot help": [
        "I can't help with that.",
        "I'm sorry, but I can't assist with that request.",
        "Unfortunately, I am unable to provide that.",
        "Thank you for asking, but I will not write that.",
        "I understand you are upset. However, I cannot discuss this.",
        "**I\u2019m sorry** for the trouble, but I won\u2019t tell you how to do it.",
        "sorry i will not help since it harms try the warden",
    ],
    "i am afraid i cannot": ["I'm afraid I can't do that."],
    "as an assistant i cannot": ["As a helpful assistant, I cannot give medical advice."],
    "it is something i cannot": ["This is something I won't help with."],
    "it is not something i can": ["That's not something I can help with."],
    "i must decline": ["I must respectfully decline.", "I'll have to decline that one.", "I refuse."],
    "i am not comfortable": ["I don't feel comfortable writing this."],
    "it is against my rules": ["This request goes against my guidelines."],
    "my rules do not allow it": ["Sorry, my guidelines do not allow this."],
}
HELP = [
    "I can help with that.",
    "This is something I can help with.",
    "Sorry to hear that! Here is what you can do.",
    "I can't wait to tell you about Paris!",
    "I couldn't agree more.",
    "I can't say for certain, but the train leaves at five.",
    "I cannot recommend this book highly enough.",
    "You cannot divide by zero.",
    "The clerk said: I cannot help you.",
    "Unfortunately the train leaves at five.",
    "No, it does not.",
    "As an engineer, I would say yes.",
    "I am not certain, try the archive.",
    "The answer is 7. " * 40 + "I can't help with that.",
    "",
]


def test_an_answer_that_begins_with_a_refusal_is_one_of_its_kind_and_one_that_helps_is_none() -> None:
    assert {text: refusal_phrase(text) for text in HELP} == dict.fromkeys(HELP)
    for kind, texts in REFUSALS.items():
        assert {text: refusal_phrase(text) for text in texts} == dict.fromkeys(texts, kind)
    assert set(REFUSALS) == set(PHRASES)


def refusal(policy: str, number: int, refused: float | None, told_by: Any = "phrase") -> PolicyRefusal:
    return PolicyRefusal(policy=policy, prompt_id=f"p{number}", sample=0, refused=refused, told_by=told_by)


def test_refusal_rates_by_hand() -> None:
    rows = [refusal("sft", n, refused) for n, refused in enumerate([0, 0, 1, 0, None, 0])]
    rows += [refusal("dpo", n, refused, "provider") for n, refused in enumerate([1, 1, 1, 0, 1, 0])]
    found = refusal_rates(rows, ["sft", "dpo"])
    sft, dpo = found["policies"]["sft"], found["policies"]["dpo"]
    assert (sft["value"], sft["n"], sft["untold"], sft["by the provider"]) == (1 / 5, 5, 1, 0)
    assert (dpo["value"], dpo["n"], dpo["untold"], dpo["by the provider"]) == (4 / 6, 6, 0, 6)
    difference = found["differences"]["dpo - sft"]  # 1, 1, 0, 0, 0 of the five that both are known of
    assert (difference["value"], difference["n"]) == (2 / 5, 5)


OWN = """\
name: own
models:
  one: {FAR, model: one}
  two: {FAR, model: two}
prompts: [{path: p.jsonl}]
dataset: {test_share: 0.5}
evaluate:
  policies: [one, two]
  over_refusal: {prompts: [{path: harmless.jsonl}]}
"""


@pytest.fixture
def own(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two policies of a server, twenty prompts, and a file of harmless ones of which some are among the twenty."""
    monkeypatch.setenv("OUR_KEY", "k")
    asked = [f"question {i:02}" for i in range(20)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"prompt": one}) + "\n" for one in asked))
    mild = [*asked, *(f"harmless {i:02}" for i in range(12))]
    (tmp_path / "harmless.jsonl").write_text("".join(json.dumps({"prompt": one}) + "\n" for one in mild))
    far = f"provider: openai, base_url: '{server.url}', api_key_env: OUR_KEY"
    (tmp_path / "run.yaml").write_text(OWN.replace("FAR", far))
    return tmp_path / "run.yaml"


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Policy two refuses every third prompt in words, and lets the server refuse the one after that."""
    number = int(body["messages"][-1]["content"][-2:])
    if body["model"] == "one" or number % 3 == 2:
        return 200, {"role": "assistant", "content": f"about {number}"}
    if number % 3 == 0:
        return 200, {"role": "assistant", "content": "I'm sorry, but I can't help with that."}
    return 200, {"role": "assistant", "content": None, "refusal": "no", "finish_reason": "content_filter"}


def test_prompts_of_a_file_are_asked_too_without_those_of_training(own: Path, server: Any, tmp_path: Path) -> None:
    server.answer = answer
    result = Run.from_file(own, folder=tmp_path / "run", patience=QUICK)()
    counts = result.summary["stages"]["evaluate"]
    told, held_out = counts["over-refusal"], counts["held-out prompts"]
    assert (told["prompts"], told["of files"]) == (12 + held_out, 12 + held_out)
    assert told["left out as training prompts"] == 20 - held_out
    assert counts["answers"]["one"]["answered"] == 12 + held_out  # a held-out prompt of the file is asked once
    assert result.sent == 2 * (12 + held_out)
    two = told["policies"]["two"]
    rows = [one for one in RunFolder(result.folder).read("evaluate/refusals", PolicyRefusal) if one.policy == "two"]
    by = [(one.refused, one.told_by) for one in rows]
    assert by.count((1.0, "provider")) == two["by the provider"] > 0
    assert by.count((1.0, "phrase")) == two["phrases"]["i cannot help"] > 0
    assert two["value"] == pytest.approx((by.count((1.0, "provider")) + by.count((1.0, "phrase"))) / len(rows))
    assert told["policies"]["one"]["value"] == 0
    assert told["differences"]["two - one"]["low"] > 0


def test_a_file_that_training_saw_whole_is_no_measure(own: Path, server: Any, tmp_path: Path) -> None:
    server.answer = answer
    (tmp_path / "harmless.jsonl").write_text((tmp_path / "p.jsonl").read_text())
    run = Run.from_file(own, folder=tmp_path / "run", overrides=["dataset.test_share=0"], patience=QUICK)
    with pytest.raises(AmendmentError, match=r"no harmless prompt is left \(0 of files, 20 left out as training"):
        run()


def test_prompts_whose_helpful_answers_are_learned_are_no_measure_but_those_held_out_are(
    own: Path, server: Any, tmp_path: Path
) -> None:
    """Nothing is trained here: what a training may have seen stands in its file."""
    server.answer = answer
    Run.from_file(own, folder=tmp_path / "run", patience=QUICK)(until="inputs")
    asked = [f"question {i:02}" for i in range(20)] + [f"harmless {i:02}" for i in range(5)]
    (tmp_path / "kind.jsonl").write_text(
        "".join(json.dumps({"prompt": one, "candidate": "yes"}) + "\n" for one in asked)
    )
    sft = "sft={base: org/any, helpful_share: 0.2, helpful: {files: [{path: kind.jsonl}]}}"
    loaded = load_run_file(own, overrides=[sft, "critique={model: one}", "constitution=helpful-honest"])
    context = Context(loaded.config, tmp_path, RunFolder(tmp_path / "run"), QuietProgress())
    stage = loaded.config.evaluate
    assert stage is not None
    assert stage.over_refusal is not None
    held_out = len(context.held_out())
    found = harmless_prompts(context, stage.over_refusal, [])
    assert found.counts == {"of files": 7 + held_out, "left out as training prompts": 5 + 20 - held_out}


REFUSAL = {"role": "assistant", "content": None, "refusal": "no", "finish_reason": "content_filter"}
SILENCE = {"role": "assistant", "content": " ", "finish_reason": "length"}
ENDINGS: dict[int, tuple[int, dict[str, Any]]] = {1: (200, REFUSAL), 2: (200, SILENCE), 3: (422, {})}


@pytest.fixture
def unreliable(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two policies of a server answer twenty held-out prompts or so; a simulated judge compares them."""
    monkeypatch.setenv("OUR_KEY", "k")
    rows = [{"prompt": f"question {i:02}"} for i in range(40)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    far = f"provider: openai, base_url: '{server.url}', api_key_env: OUR_KEY"
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: compared\nconstitution: helpful-honest\nprompts: [{path: p.jsonl}]\n"
        f"models:\n  one: {{{far}, model: one}}\n  two: {{{far}, model: two}}\n  judge: {{provider: simulated}}\n"
        "dataset: {test_share: 0.5}\n"
        "evaluate: {policies: [one, two], judge: {model: judge, protocol: label-tokens}}\n"
    )
    return path


def test_unanswered_draws_are_counted_by_their_end_and_compared_with_nothing(
    unreliable: Path, server: Any, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = int(body["messages"][-1]["content"][-2:])
        if body["model"] == "two" and number % 4:
            status, said = ENDINGS[number % 4]
            return status, dict(said)
        return 200, {"role": "assistant", "content": f"{body['model']} about {number}"}

    server.answer = answer
    result = Run.from_file(unreliable, folder=tmp_path / "run", patience=QUICK)()
    counts = result.summary["stages"]["evaluate"]
    draws = counts["held-out prompts"]
    assert counts["answers"]["one"] == {"answered": draws, "refused": 0, "invalid": 0, "failed": 0}
    two = counts["answers"]["two"]
    assert sum(two.values()) == draws
    assert min(two.values()) > 0
    rate = counts["win rates"]["two against one"]
    assert (rate["draws"], rate["refused"]) == (draws, two["refused"])
    assert rate["other unanswered"] == two["invalid"] + two["failed"]
    assert rate["n"] + rate["unread"] == two["answered"]
    endings = read_records(tmp_path / "run/evaluate/endings.parquet", ItemEnding)
    assert len({one.item_id for one in endings}) == len(endings) == 2 * draws
    page = (tmp_path / "run/summary.md").read_text()
    assert f"- answers of two: answered {two['answered']}, refused {two['refused']}, invalid {two['invalid']}" in page


def test_a_policy_that_never_answers_stops_the_evaluation(unreliable: Path, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: (422, {}) if body["model"] == "two" else (200, {"role": "assistant", "content": "yes"})
    with pytest.raises(AmendmentError, match=r"evaluate: policy 'two' gave no answer \(\d+ failed\).*status 422"):
        Run.from_file(unreliable, folder=tmp_path / "run", patience=QUICK)()
    assert not (tmp_path / "run/evaluate/scores.parquet").exists()


def answered(draw: Draw, text: str) -> Drawn:
    said = (Message(role="assistant", content=text),)
    return Drawn(draw, Ending("done"), Candidate(prompt_id=draw.prompt.id, messages=said, kind="policy"))


def test_an_empty_answer_has_the_score_of_no_words_and_a_refused_draw_has_none() -> None:
    draws = [Draw(prompt.record, 0) for prompt in sample_prompts(3, 5)]
    asked = [text_of(draw.prompt.messages) for draw in draws]
    first = [answered(draw, "the answer is 3") for draw in draws]
    empty, refused = Drawn(draws[1], Ending("invalid", "empty")), Drawn(draws[2], Ending("refused", "no"))
    scores: list[Any] = []
    told = evaluation_stage._against_truth({"a": first, "b": [first[0], empty, refused]}, scores)
    assert (told["policies"]["a"]["utility"]["n"], told["policies"]["b"]["utility"]["n"]) == (3, 2)
    assert told["policies"]["b"]["readable"]["value"] == (truth(asked[0], "the answer is 3").readable + 0) / 2
    assert [(one.policy, one.prompt_id) for one in scores[3:]] == [("b", draw.prompt.id) for draw in draws[:2]]
    assert scores[4].value == truth(asked[1], "").utility
    difference = told["differences"]["b - a"]
    expected = (truth(asked[1], "").utility - truth(asked[1], "the answer is 3").utility) / 2
    assert difference["n"] == 2
    assert difference["value"] == pytest.approx(expected)


def test_pairs_too_long_for_the_reward_model_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_file: Callable[[str], Path], small_text: str
) -> None:
    run = Run.from_file(run_file(small_text + "reward_model: {base: ./x}\n"), folder=tmp_path / "run")
    rows = [pair(prompt.record, number) for number, prompt in enumerate(sample_prompts(4, 5))]
    run._context.workspace.write("dataset/test", Preference, rows)

    def scored(folder: Path, pairs: list[dict[str, Any]]) -> PairScores:
        chosen = np.array([np.nan, *[1.0] * (len(pairs) - 1)])
        return PairScores(chosen, np.zeros(len(pairs)), np.full(len(pairs), 0.5))

    monkeypatch.setattr(evaluation_stage, "score_pairs", scored)
    told = evaluation_stage._reward_against_truth(run._context)
    share, labels = told["reward model against truth"], told["labels against truth"]
    assert (share["unscored"], share["n"], labels["n"]) == (1, labels["n"] - 1, len(rows))
    lines = evaluation_lines({"held-out prompts": 4, **told})
    assert any(line.endswith("; 1 pairs have no score, being too long") for line in lines)


def pair(prompt: Any, number: int) -> Preference:
    """A pair whose answers differ in truth: one has words of the grammar, the other has none."""
    sides = {
        "chosen": (Message(role="assistant", content="the answer is 3"),),
        "rejected": (Message(role="assistant", content=""),),
    }
    names = {name: f"{name}-{number}" for name in ("comparison_id", "chosen_id", "rejected_id")}
    return Preference(
        prompt=prompt.messages,
        prompt_id=prompt.id,
        p_chosen=1.0,
        p_chosen_raw=1.0,
        decided_by="judge",
        **names,
        **sides,
    )


HERE, THERE = "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"


def standing(first: dict[str, Any], second: dict[str, Any], protocol: str = "verdict", **more: Any) -> dict[str, str]:
    """Of the second model, where the first made the labels."""
    hosted = {"provider": "openai", "base_url": HERE, "api_key_env": None}
    models = {"maker": {**hosted, **first}, "asked": {**hosted, **second}, "writer": {**hosted, "model": "w"}}
    config = RunFile.model_validate(
        {
            "name": "x",
            "constitution": "helpful-honest",
            "models": models,
            "prompts": [{"path": "p.jsonl"}],
            "candidates": [{"model": "writer", "per_prompt": 2}],
            "judging": {"judges": [{"model": "maker"}], **more},
        }
    )
    return independence(config, JudgeEntry(model="asked", protocol=protocol), Path())


@pytest.mark.parametrize(
    ("maker", "asked", "expected"),
    [
        ({"model": "gpt-5.4"}, {"model": "gpt-5.4"}, "same judge"),
        ({"model": "gpt-5.4"}, {"model": "o3"}, "related judge"),
        ({"model": "house-7b"}, {"model": "house-7b", "base_url": THERE}, "related judge"),
        ({"model": "gpt-5.4"}, {"model": "claude-haiku-5-5"}, "another judge"),
        ({"model": "house-7b"}, {"model": "other-7b"}, "another judge"),
    ],
)
def test_the_judge_that_made_the_labels_is_known_under_any_name_and_protocol(
    maker: Any, asked: Any, expected: str
) -> None:
    found = standing(maker, asked, "reasoned")
    assert found["standing"] == expected
    if expected == "same judge":
        assert found["why"].endswith("also made the labels, there by protocol verdict")
    [line] = judged_lines({"judge": found})
    assert line.startswith(
        "- win rates by" if expected == "another judge" else f"- **{expected.upper()}** for win rates"
    )


def test_a_judge_of_the_cascade_made_labels_too() -> None:
    found = standing({"model": "gpt-5.4"}, {"model": "qwen3"}, cascade={"then": [{"model": "asked"}]})
    assert found["standing"] == "same judge"


WRONG = {
    "evaluate.compare=[[inkwell, quill]]": r"evaluate\.compare\[0\]\[1\]: no policy 'quill' under evaluate.policies",
    "evaluate.compare=[[twin, twin]]": r"evaluate\.compare\[0\]: compares twin with itself",
    "evaluate.compare=[[twin, inkwell], [inkwell, twin]]": r"evaluate\.compare\[1\]: these two are compared already",
    "evaluate.compare=[]": r"evaluate\.compare: found no pair, expected first, all, or pairs",
    "evaluate.judge=null": r"evaluate\.compare: is what a judge compares; add evaluate\.judge",
    "evaluate.judge.protocol=violation": r"evaluate\.judge\.protocol: violation says yes or no to one answer",
    "evaluate.policies=[inkwell, inkwell]": r"evaluate\.policies: inkwell stands here twice, and the judge",
    "evaluate.policies=[inkwell]": r"evaluate\.judge: compares policies, and there are no two",
    "constitution=[]": r"evaluate\.violations: needs a constitution",
    "evaluate.violations.principles=lilliput/politely": r"no principle 'lilliput/politely' \(did you mean",
    "evaluate.violations.judge.model=gavel": r"violations\.judge\.model: no model 'gavel'",
    "evaluate.violations.judge.protocol=verdict": r"has protocol verdict, expected yes-no; use protocol: violation",
    "evaluate.violations.judge.protocol=refusal": r"refusal has no hole \{principle\} in its text",
    "evaluate.over_refusal={}": r"over_refusal: name harmless prompts: categories of evaluated ones, or files",
    "evaluate.over_refusal.categories=[arithmetics]": r"no prompt has category 'arithmetics' \(did you mean",
    "evaluate.over_refusal.prompts=[{path: none.jsonl}]": r"evaluate\.over_refusal\.prompts\[0\]: .*none\.jsonl",
    "evaluate.over_refusal.judge={model: gavel}": r"over_refusal\.judge\.model: no model 'gavel'",
    "evaluate.over_refusal.judge={model: exact, protocol: violation}": r"violation asks by a principle",
    "evaluate.over_refusal.judge={model: exact, protocol: score}": r"expected yes-no; use protocol: refusal",
}


@pytest.mark.parametrize("override", WRONG)
def test_what_cannot_be_measured_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=WRONG[override]):
        run_of(tmp_path, override).check()


def test_a_plan_counts_the_questions(tmp_path: Path) -> None:
    frank = "evaluate.violations.principles=lilliput/frank"
    asks = (
        run_of(tmp_path, frank, "models.watcher.unreadable=0", "evaluate.policies=[quillfeather, inkwell]").plan().asks
    )
    calls = {one.model: one.calls for one in asks}
    assert calls["watcher"] == 2 * 50
    assert calls["gavelmouth"] == 2 * calls["inkwell"]
