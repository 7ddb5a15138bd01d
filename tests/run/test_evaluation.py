"""Evaluation of policies: what is asked of whom, what is counted apart, what people's labels make of a win rate."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from amendment.audit.refusal_phrases import PHRASES, refusal_phrase
from amendment.data.store import Workspace
from amendment.errors import AmendmentError, ConfigError, DataError, Paused
from amendment.evaluation.independence import independence
from amendment.evaluation.policies import (
    PolicyCheck,
    PolicyComparison,
    PolicyRefusal,
    refusal_rates,
    violation_rates,
    win_rates,
)
from amendment.llm.model import Ending
from amendment.people.exchange import export_labels, export_questions, import_labels
from amendment.people.labelling import EVALUATION, open_sample
from amendment.people.samples import Label, LabelQuestion
from amendment.people.store import Labels
from amendment.preference.draws import Draw, Drawn
from amendment.preference.settings import JudgeEntry
from amendment.publishing.publication import prepare
from amendment.records import Candidate, Message, Prompt, last_text, user
from amendment.results import Estimate
from amendment.results import Result as Found
from amendment.run import Run, RunResult, load_run_file
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.simulator import ATTRIBUTES
from amendment.simulator.judge import refuses
from amendment.stages.evaluation import harmless_prompts
from amendment.stages.evaluation_people import EvaluationItem, corrected_win_rates, draw_items
from tests.rows import save
from tests.run.small_runs import QUICK, made, pairs_of, served

MEASURED = """\
name: measured
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  twin: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
  watcher: {provider: simulated, gain: 18, noise: 0.9, biases: {position: 1.5}, leak: 0, unreadable: 0.05}
  exact: {provider: simulated, gain: 300, noise: 0, biases: {position: 25}, unreadable: 0}
prompts: [{lilliput: 80}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell, twin]
  compare: all
  judge: {model: gavelmouth, protocol: label-tokens}
  people: {items: 30, people: simulated}
  violations: {model: watcher}
  over_refusal: {categories: [arithmetic, code, danger], judge: {model: exact}}
"""
NAMES = [("inkwell", "quillfeather"), ("twin", "quillfeather"), ("twin", "inkwell")]


def run_of(folder: Path, *overrides: str, text: str = MEASURED) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


def rate_of(found: Found, name: str, **of: str) -> Estimate:
    """An estimate that has been measured."""
    estimate = found.estimate(name, **of)
    assert estimate, (name, of)
    return estimate


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_of(tmp_path_factory.mktemp("measured"))()


def test_a_comparison_that_two_matchups_hold_is_asked_once(measured: RunResult) -> None:
    # inkwell and its twin are one persona with one seed, so they say the same: the twin's comparisons with quillfeather
    # are inkwell's, and their own are ties that nobody is asked about
    rows = Workspace(measured.folder).read("evaluate/comparisons", PolicyComparison)
    inkwells, twins = (
        {row.prompt_id: (row.comparison.id, row.p) for row in rows if row.matchup == sides} for sides in NAMES[:2]
    )
    assert inkwells == twins
    found, about = measured.results["evaluate"], {"policy": "twin", "against": "inkwell"}
    assert rate_of(found, "win_rate", **about).value == 0.5
    assert found.count("equal_answers", **about) == found.count("draws", **about) > 0


def test_each_policy_is_held_against_each_principle(measured: RunResult) -> None:
    found = measured.results["evaluate"]
    prompts = found.count("prompts_asked_about_violations")
    assert prompts == found.count("held_out_prompts") < 100
    names = [f"lilliput/{name}" for name in ATTRIBUTES]
    assert len(Workspace(measured.folder).read("evaluate/violations", PolicyCheck)) == 3 * prompts * len(names)
    for policy in ("quillfeather", "inkwell"):
        for name in names:
            about = {"principle": name, "policy": policy}
            truly = found.figure("truly_violated", **about)
            assert truly
            assert rate_of(found, "violated", **about).value == pytest.approx(truly.value, abs=0.1)  # a noisy judge
    polite = rate_of(found, "violated", principle="lilliput/polite", policy="inkwell", less="quillfeather")
    assert polite.high < 0  # the careless writer insults


def test_a_judge_without_noise_sees_every_refusal_and_the_phrases_those_that_come_first(measured: RunResult) -> None:
    found = measured.results["evaluate"]
    place = Workspace(measured.folder)
    rows = place.read("evaluate/refusals", PolicyRefusal)
    prompts = found.count("harmless", prompts="prompts")
    assert 10 < prompts == found.count("harmless", prompts="of categories") < found.count("held_out_prompts")
    assert len(rows) == 3 * prompts
    assert {row.decided_by for row in rows} == {"judge"}
    answers = [last_text(row.messages) for row in place.read("evaluate/answers", Candidate)]
    assert {text for text in answers if refusal_phrase(text)} <= {text for text in answers if refuses(text)}
    phrased = [row for row in rows if row.phrase]
    assert phrased
    assert all(row.refused for row in phrased)


def drawn(number: int, text: str | None, outcome: Any = "done") -> Drawn:
    prompt = Prompt(messages=user(f"question {number}"))
    message = Message(role="assistant", content=text or "")
    answer = Candidate(prompt_id=prompt.id, messages=(message,), kind="policy")
    return Drawn(Draw(prompt, 0), Ending(outcome), answer if text else None)


def compared(ours: Drawn, theirs: Drawn, p: float) -> PolicyComparison:
    assert ours.answer
    assert theirs.answer
    names = {"policy": "dpo", "against": "sft", "prompt_id": ours.draw.prompt.id, "sample": 0}
    return PolicyComparison.model_validate({**names, "answer": ours.answer.id, "other": theirs.answer.id, "p": p})


def test_ties_refusals_and_unread_comparisons_are_counted_apart() -> None:
    ours = [*(drawn(number, text) for number, text in enumerate("abcd")), drawn(4, None, "refused")]
    ours.append(drawn(5, None, "failed"))
    theirs = [drawn(0, "a"), *(drawn(number, "zz") for number in range(1, 6))]
    read = [compared(ours[n], theirs[n], p) for n, p in enumerate([0.5, 0.5, 0.9])]
    found, about = win_rates({"dpo": ours, "sft": theirs}, [("dpo", "sft")], read), {"policy": "dpo", "against": "sft"}
    rate = rate_of(found, "win_rate", **about)
    # (0.5 + 0.5 + 0.9) / 3; the fourth was fought and not read
    assert rate.value == pytest.approx(1.9 / 3)
    assert rate.n == 3
    names = ("draws", "equal_answers", "other_ties", "unread_comparisons", "refused_draws", "other_unanswered_draws")
    assert [found.count(name, **about) for name in names] == [6, 1, 1, 1, 1, 1]
    # characters: 1 - 1, 1 - 2, 1 - 2
    [longer] = found.where("characters_longer", **about)
    assert longer.value == pytest.approx(-2 / 3, abs=1e-4)


def check(policy: str, number: int, violates: float | None) -> PolicyCheck:
    names = {"policy": policy, "prompt_id": f"p{number}", "sample": number, "answer": f"{policy} {number}"}
    return PolicyCheck.model_validate({**names, "principle_id": "house/kind", "violates": violates})


def test_violation_rates_by_hand() -> None:
    rows = [check("sft", n, violates) for n, violates in enumerate([1, 1, 0, 0, None, 0])]
    rows += [check("dpo", n, violates) for n, violates in enumerate([0, 1, 0, None, 0, 0])]
    found, about = Found(figures=tuple(violation_rates(rows, ["sft", "dpo"]))), {"principle": "house/kind"}
    sft, dpo = (rate_of(found, "violated", **about, policy=name) for name in ("sft", "dpo"))
    assert (sft.value, sft.n, dpo.value, dpo.n) == (2 / 5, 5, 1 / 5, 5)
    assert [found.count("unread_verdicts", **about, policy=name) for name in ("sft", "dpo")] == [1, 1]
    # both were read on 0, 1, 2 and 5: the differences are -1, 0, 0, 0
    difference = rate_of(found, "violated", **about, policy="dpo", less="sft")
    assert (difference.value, difference.n) == (-1 / 4, 4)
    assert math.isnan(difference.low)  # four prompts are too few


def test_refusal_rates_by_hand() -> None:
    def rows(policy: str, refused: list[float | None], by: Any = "judge") -> list[PolicyRefusal]:
        place = {"policy": policy, "sample": 0, "decided_by": by}
        return [
            PolicyRefusal.model_validate({**place, "prompt_id": f"p{n}", "refused": value, "phrase": "i must decline"})
            for n, value in enumerate(refused)
        ]

    every = [*rows("sft", [1, 0, 0, None]), *rows("dpo", [1, 1, None, 0.5], "provider")]
    found = Found(figures=tuple(refusal_rates(every, ["sft", "dpo"])))
    sft, dpo = (rate_of(found, "harmless_prompts_refused", policy=name) for name in ("sft", "dpo"))
    assert (sft.value, sft.n, dpo.value, dpo.n) == (1 / 3, 3, 2.5 / 3, 3)
    assert [found.count("refused_by_the_provider", policy=name) for name in ("sft", "dpo")] == [0, 4]
    assert found.count("unread_verdicts", policy="sft") == 1
    assert found.count("refusals_that_begin_so", phrase="i must decline", policy="dpo") == 4
    # both were read on p0 and p1: the differences are 0 and 1
    difference = rate_of(found, "harmless_prompts_refused", policy="dpo", less="sft")
    assert (difference.value, difference.n) == (0.5, 2)


REFUSALS = {
    "i cannot help": [
        "I can't help with that.",
        "I'm sorry, but I can't assist with that request.",
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
    "I can't wait to tell you about Paris!",
    "I cannot recommend this book highly enough.",
    "You cannot divide by zero.",
    "The clerk said: I cannot help you.",
    "As an engineer, I would say yes.",
    "The answer is 7. " * 40 + "I can't help with that.",
    "",
]


def test_an_answer_that_begins_with_a_refusal_is_one_of_its_kind_and_one_that_helps_is_none() -> None:
    assert {text: refusal_phrase(text) for text in HELP} == dict.fromkeys(HELP)
    for kind, texts in REFUSALS.items():
        assert {text: refusal_phrase(text) for text in texts} == dict.fromkeys(texts, kind)
    assert set(REFUSALS) == set(PHRASES)


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
def own(tmp_path: Path, server: Any) -> Path:
    """Two policies of a server, twenty prompts, and a file of harmless ones of which some are among the twenty."""
    asked = [{"prompt": f"question {i:02}"} for i in range(20)]
    save(tmp_path / "p.jsonl", asked)
    save(tmp_path / "harmless.jsonl", [*asked, *({"prompt": f"harmless {i:02}"} for i in range(12))])
    (tmp_path / "run.yaml").write_text(served(OWN, server.url))
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
    found = result.results["evaluate"]
    held_out = found.count("held_out_prompts")
    harmless = {figure.of["prompts"]: figure.value for figure in found.where("harmless")}
    every = 12 + held_out
    assert harmless == {"prompts": every, "of files": every, "left out as training prompts": 20 - held_out}
    assert result.sent == 2 * every  # a held-out prompt of the file is asked once
    rows = [row for row in RunFolder(result.folder).read("evaluate/refusals", PolicyRefusal) if row.policy == "two"]
    by = [row.decided_by for row in rows if row.refused]
    assert by.count("provider") == found.count("refused_by_the_provider", policy="two") > 0
    assert by.count("phrase") == found.count("refusals_that_begin_so", phrase="i cannot help", policy="two") > 0
    two = rate_of(found, "harmless_prompts_refused", policy="two")
    assert two.value == pytest.approx(len(by) / len(rows))
    assert rate_of(found, "harmless_prompts_refused", policy="two", less="one").low > 0


@pytest.mark.parametrize(("share", "held"), [(0.7, 10), (0.3, 6)])
def test_an_evaluation_with_its_own_prompts_leaves_most_pairs_to_training(
    share: float, held: int, own: Path, server: Any, tmp_path: Path
) -> None:
    """Ten prompts with two pairs each; the evaluation has a file of 32, these among them."""
    server.answer = answer
    pairs = [{"prompt": f"question {n % 10:02}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(20)]
    save(tmp_path / "pairs.jsonl", pairs)
    text = own.read_text().replace("prompts: [{path: p.jsonl}]", "pairs: [{path: pairs.jsonl, kind: person}]", 1)
    folder = made(tmp_path, text, f"dataset.test_share={share}", patience=QUICK).folder
    train, test = (pairs_of(folder, [side]) for side in ("train", "test"))
    assert (len(train), len(test)) == (20 - held, held)
    trained = {pair.prompt_id for pair in train}
    evaluated = {row.prompt_id for row in Workspace(folder).read("evaluate/answers", Candidate)}
    assert len(evaluated) == 32 - len(trained)
    assert not trained & {*evaluated, *(pair.prompt_id for pair in test)}
    moved = "at most half of them: 2 held-out prompts went to training"
    assert (moved in (folder / "summary.md").read_text()) == (share > 0.5)


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
    Run.from_file(own, folder=tmp_path / "run", patience=QUICK)(until="inputs")
    asked = [f"question {i:02}" for i in range(20)] + [f"harmless {i:02}" for i in range(5)]
    save(tmp_path / "kind.jsonl", [{"prompt": text, "candidate": "yes"} for text in asked])
    sft = "sft={base: org/any, helpful_share: 0.2, helpful: [{path: kind.jsonl}]}"
    config = load_run_file(own, overrides=[sft, "critique={model: one}", "constitution=helpful-honest"]).config
    context = RunContext(config, tmp_path, RunFolder(tmp_path / "run"), QuietProgress())
    assert config.evaluate
    assert config.evaluate.over_refusal
    held_out = len(context.held_out())
    harmless = harmless_prompts(context, config.evaluate.over_refusal, [])
    assert harmless.counts == {"of files": 7 + held_out, "left out as training prompts": 5 + 20 - held_out}


ENDINGS: dict[int, tuple[int, dict[str, Any]]] = {
    1: (200, {"role": "assistant", "content": None, "refusal": "no", "finish_reason": "content_filter"}),
    2: (200, {"role": "assistant", "content": " ", "finish_reason": "length"}),
    3: (422, {}),
}


@pytest.fixture
def unreliable(tmp_path: Path, server: Any) -> Path:
    """Two policies of a server answer twenty held-out prompts or so; a simulated judge compares them."""
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i:02}"} for i in range(40)])
    models = "constitution: helpful-honest\nmodels:\n  judge: {provider: simulated}\n"
    text = OWN.partition("  over_refusal")[0].replace("models:\n", models)
    text += "  judge: {model: judge, protocol: label-tokens}\n"
    (tmp_path / "run.yaml").write_text(served(text, server.url))
    return tmp_path / "run.yaml"


def test_unanswered_draws_are_counted_by_their_end_and_compared_with_nothing(
    unreliable: Path, server: Any, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = int(body["messages"][-1]["content"][-2:])
        if body["model"] == "two" and number % 4:
            status, message = ENDINGS[number % 4]
            return status, dict(message)
        return 200, {"role": "assistant", "content": f"{body['model']} about {number}"}

    server.answer = answer
    result = Run.from_file(unreliable, folder=tmp_path / "run", patience=QUICK)()
    found, about = result.results["evaluate"], {"policy": "two", "against": "one"}
    two = {name: found.count(name, policy="two") for name in ("answered", "refused", "invalid", "failed")}
    assert sum(two.values()) == found.count("answered", policy="one") == found.count("held_out_prompts")
    assert min(two.values()) > 0
    assert found.count("refused_draws", **about) == two["refused"]
    assert found.count("other_unanswered_draws", **about) == two["invalid"] + two["failed"]
    assert rate_of(found, "win_rate", **about).n + found.count("unread_comparisons", **about) == two["answered"]


def test_a_policy_that_never_answers_stops_the_evaluation(unreliable: Path, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: (422, {}) if body["model"] == "two" else (200, {"role": "assistant", "content": "yes"})
    with pytest.raises(AmendmentError, match=r"evaluate: policy 'two' gave no answer \(\d+ failed\).*status 422"):
        Run.from_file(unreliable, folder=tmp_path / "run", patience=QUICK)()
    assert not (tmp_path / "run/evaluate/answers.parquet").exists()


HERE = {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key_env": None}


def standing(base: Path, protocol: str, **parts: Any) -> str:
    """How independent a judge named asked is of what made the labels."""
    config = RunFile.model_validate({"name": "x", "prompts": [{"path": "p.jsonl"}], **parts})
    return independence(config, JudgeEntry(model="asked", protocol=protocol), base)["standing"]


@pytest.mark.parametrize(
    ("principles", "expected"),
    [(["brief"], "no other judge"), (["friendly"], "same judge"), ([], "same judge")],
)
def test_who_confirms_constructed_pairs_made_labels_and_who_is_measured_on_them_made_none(
    principles: list[str], expected: str, tmp_path: Path
) -> None:
    rules = (Path(__file__).parents[2] / "examples/rules/brief.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(f"{rules}    opposite: Answer coldly.\n")  # of friendly, which no code checks
    parts = {
        "constitution": "./rules.yaml",
        "models": {"asked": {"provider": "local", "model": "some/model"}},
        "construct": [{"kind": "contrast", "model": "asked", "principles": principles}],
        "judging": {"judges": [{"model": "asked"}], "judge_labelled": True},
    }
    assert standing(tmp_path, "violation", **parts) == expected


@pytest.mark.parametrize(
    ("maker", "asked", "expected"),
    [
        ("gpt-5.4", {"model": "gpt-5.4"}, "same judge"),
        ("gpt-5.4", {"model": "o3"}, "related judge"),
        ("house-7b", {"model": "house-7b", "base_url": "http://127.0.0.1:2/v1"}, "related judge"),
        ("gpt-5.4", {"model": "claude-haiku-5-5"}, "another judge"),
        ("house-7b", {"model": "other-7b"}, "another judge"),
    ],
)
def test_the_judge_that_made_the_labels_is_known_under_any_name_and_protocol(
    maker: str, asked: dict[str, str], expected: str
) -> None:
    models = {"maker": {**HERE, "model": maker}, "asked": {**HERE, **asked}, "writer": {**HERE, "model": "w"}}
    candidates = [{"model": "writer", "per_prompt": 2}]
    judging = {"judges": [{"model": "maker"}]}
    parts = {"constitution": "helpful-honest", "models": models, "candidates": candidates, "judging": judging}
    assert standing(Path(), "reasoned", **parts) == expected


WRONG = {
    "evaluate.compare=[[inkwell, twin]]": r"evaluate\.compare: found a list, expected one of first, all",
    "evaluate.judge=null": r"evaluate\.compare: is what a judge compares; add evaluate\.judge",
    "evaluate.judge.protocol=violation": r"evaluate\.judge\.protocol: violation says yes or no to one answer",
    "evaluate.policies=[inkwell]": r"evaluate\.judge: compares policies, and there are no two",
    "constitution=[]": r"evaluate\.violations: needs a constitution",
    "evaluate.violations.model=gavel": r"violations\.model: no model 'gavel'",
    "evaluate.violations.protocol=verdict": r"has protocol verdict, expected yes-no; use protocol: violation",
    "evaluate.over_refusal={}": r"over_refusal: name harmless prompts: categories of evaluated ones, or files",
    "evaluate.over_refusal.prompts=[{path: none.jsonl}]": r"evaluate\.over_refusal\.prompts\[0\]: .*none\.jsonl",
    "evaluate.over_refusal.judge={model: exact, protocol: violation}": r"violation asks by a principle",
}


@pytest.mark.parametrize("override", WRONG)
def test_what_cannot_be_measured_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=WRONG[override]):
        run_of(tmp_path, override).check()


def test_a_plan_counts_the_questions(tmp_path: Path) -> None:
    overrides = ("models.watcher.unreadable=0", "evaluate.policies=[quillfeather, inkwell]", "prompts.0.lilliput=20")
    asks = run_of(tmp_path, *overrides).plan().asks
    calls = {ask.model: ask.calls for ask in asks}
    assert calls["watcher"] == len(ATTRIBUTES) * (calls["inkwell"] + calls["quillfeather"])
    assert calls["gavelmouth"] == 2 * calls["inkwell"]


PAGED = """\
name: paged
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
prompts: [{lilliput: 30}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell]
  judge: {model: gavelmouth, protocol: label-tokens}
  people: {items: 12, people: page}
"""


def bout(policy: str, number: int, p: float) -> PolicyComparison:
    """Of even numbers the policy's answer is the first by id, of odd ones the second."""
    ids = ("a", "b") if number % 2 == 0 else ("b", "a")
    one = {"policy": policy, "against": "base", "prompt_id": f"prompt {number:02}", "sample": 0, "p": p}
    return PolicyComparison.model_validate({**one, "answer": ids[0], "other": ids[1]})


def item_of(row: PolicyComparison) -> EvaluationItem:
    name = row.comparison.id
    return EvaluationItem(policy=row.policy, against=row.against, comparison_id=name, prompt_id=row.prompt_id)


def votes(shares: dict[PolicyComparison, float]) -> dict[str, float]:
    """P(the policy's answer is better), as P(a is better)."""
    return {row.comparison.id: p if row.comparison.a == row.answer else 1 - p for row, p in shares.items()}


def corrected(
    rows: list[PolicyComparison], items: list[EvaluationItem], shares: dict[str, float]
) -> dict[str, int | float | str]:
    """The figures of one matchup, by name; of an estimate its value."""
    values = {figure.name: figure.value for figure in corrected_win_rates(rows, items, shares)}
    return {name: value.value if isinstance(value, Estimate) else value for name, value in values.items()}


def test_a_corrected_win_rate_by_hand() -> None:
    # 20 labelled: the judge says 1 of ten and 0 of ten; people agree on eight of each ten, so they say 1 of 8 + 2 = 10.
    # 20 others: the judge says 1 of 15.
    judge = [1.0] * 10 + [0.0] * 10 + [1.0] * 15 + [0.0] * 5
    rows = [bout("ours", number, p) for number, p in enumerate(judge)]
    people = [1.0] * 8 + [0.0] * 2 + [1.0] * 2 + [0.0] * 8
    shares = votes(dict(zip(rows[:20], people, strict=True)))
    rate = corrected(rows, [item_of(row) for row in rows[:20]], shares)
    # people alone 10/20; judge alone 25/40
    assert rate["win_rate_by_people_alone"] == pytest.approx(0.5)
    assert rate["win_rate_by_the_judge_alone"] == pytest.approx(0.625)
    # Cov(y, f) = 8/20 - 1/2 * 1/2 = 0.15; Var(F) = 25/40 * 15/40 = 0.234375; lambda = 0.15 / ((1 + 20/20) 0.234375)
    assert rate["lambda"] == pytest.approx(0.32)
    # 0.5 + 0.32 * (15/20 - 10/20)
    assert rate["win_rate_corrected_by_people"] == pytest.approx(0.58)
    assert (rate["labelled"], rate["of_comparisons"]) == (20, 40)


def test_equal_answers_are_ties_and_what_nobody_could_say_is_no_label() -> None:
    tie = bout("ours", 0, 0.5).model_copy(update={"other": "a"})
    rows = [tie, *(bout("ours", number, 0.9) for number in range(1, 6))]
    shares = votes({rows[1]: 1.0, rows[2]: 1.0})  # the third was skipped
    rate = corrected(rows, [item_of(row) for row in rows[:4]], shares)
    assert rate["labelled"] == 3
    assert rate["win_rate_by_people_alone"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert rate["lambda"] == 0  # from three labels nothing is learned of a judge
    assert rate["win_rate_corrected_by_people"] == rate["win_rate_by_people_alone"]


def test_a_sample_is_drawn_of_each_policy_in_proportion_and_a_larger_one_keeps_it() -> None:
    rows = [bout("many", number, 0.5) for number in range(90)]
    rows += [bout("few", number, 0.5) for number in range(100, 130)]
    items = draw_items(rows, 40, seed=3)
    assert Counter(row.policy for row in items) == {"many": 30, "few": 10}
    assert set(draw_items(rows[::-1], 40, seed=3)) == set(items)  # the order of rows does not count
    names = {row.comparison_id for row in items}
    assert names < {row.comparison_id for row in draw_items(rows, 80, seed=3)}
    assert names != {row.comparison_id for row in draw_items(rows, 40, seed=4)}


def test_every_two_policies_get_a_win_rate_and_people_correct_each(measured: RunResult) -> None:
    found, by_people = measured.results["evaluate"], measured.results["evaluate_labels"]
    rows = Workspace(measured.folder).read("evaluate/comparisons", PolicyComparison)
    assert [tuple(figure.of.values()) for figure in found.where("win_rate")] == NAMES
    for sides in NAMES:
        about = dict(zip(("policy", "against"), sides, strict=True))
        mine = [row.p for row in rows if row.matchup == sides]
        judged = (rate_of(found, "win_rate", **about), rate_of(by_people, "win_rate_by_the_judge_alone", **about))
        assert [rate.value for rate in judged] == [pytest.approx(sum(mine) / len(mine))] * 2
        assert by_people.count("labelled", **about) == 10
    rate = rate_of(by_people, "win_rate_corrected_by_people", policy="inkwell", against="quillfeather")
    assert rate.low < rate.value < rate.high


def test_people_see_neither_policies_nor_verdicts(measured: RunResult) -> None:
    path = Workspace(measured.folder).path("evaluate_sample/questions")
    table = parquet.read_table(path)
    held = path.read_bytes() + repr(table.to_pylist()).encode() + repr(table.schema).encode()
    for hidden in ("quillfeather", "inkwell", "gavelmouth", "persona", "policy", "inclusion", "evaluate"):
        assert hidden.encode() not in held


def label(one: LabelQuestion, annotator: str, choice: Any) -> Label:
    return Label(
        uuid=f"{annotator}-{one.comparison_id[-12:]}",
        comparison_id=one.comparison_id,
        prompt_id=one.prompt_id,
        shown=(one.a_id, one.b_id),
        annotator=annotator,
        choice=choice,
        at="2026-04-01T09:00:00+00:00",
    )


CHECKED = PAGED + (
    "candidates: [{model: quillfeather, per_prompt: 3}]\n"
    "judging: {judges: [{model: gavelmouth, protocol: label-tokens}], min_margin: 0.1}\n"
    "spot_check: {items: 12, annotators: 1, overlap: 0, repeats: 0, sealed: 0}\n"
)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A run that has drawn both samples; people have labelled the spot check."""
    folder = tmp_path / "run"
    with pytest.raises(Paused, match=f"amendment label {folder}$"):
        run_of(tmp_path, text=CHECKED)()
    asked = open_sample(folder)
    with Labels(asked.labels) as labels:
        for one in asked.questions:
            labels.add(label(one, "Ann Example", "A"))
    with pytest.raises(Paused, match="--stage evaluate"):
        run_of(tmp_path, text=CHECKED)()
    return folder


def test_the_samples_go_out_and_come_in_apart_and_people_have_one_number(both: Path, tmp_path: Path) -> None:
    names = ("Ann Example", "Zoe Sample")
    export_labels(both, tmp_path / "check.jsonl")
    with pytest.raises(DataError, match=r"no item of this spot check; is the file .* another --stage"):
        import_labels(both, tmp_path / "check.jsonl", sample=EVALUATION)
    asked = open_sample(both, EVALUATION)
    assert (asked.missing(), asked.annotators) == (12, 1)
    with Labels(asked.labels) as labels:
        for question in asked.questions:
            labels.add(label(question, "Ann Example", "B"))
            labels.add(label(question, "Zoe Sample", "A"))
    result = run_of(tmp_path, text=CHECKED)()
    found = result.results["evaluate_labels"]
    assert found.count("people") == 2
    assert rate_of(found, "win_rate_by_people_alone", policy="inkwell", against="quillfeather").value == 0.5

    sent = export_labels(both, tmp_path / "own.jsonl", sample=EVALUATION)
    assert (sent.lines, sent.people, sent.with_sealed) == (2 * len(asked.questions), 2, False)
    rows, checks = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("own.jsonl", "check.jsonl")
    )
    [checker] = {row["annotator"] for row in checks}
    assert {row["annotator"] for row in rows} == {"person-1", "person-2"}
    assert {row["annotator"] for row in rows if row["choice"] == "B"} == {checker}
    assert export_questions(both, tmp_path / "asked.csv", sample=EVALUATION).lines == len(asked.questions)

    ready = prepare(both, repo="org/name", license="cc-by-4.0", environ={})
    assert "win rate corrected by people" in ready.files["figures.md"]
    own = [(both / name).read_text() for name in ("summary.json", "summary.md", "manifest.json", "run.yaml")]
    tables = [repr(table.to_dict()) for config in ready.configs.values() for table in config.values()]
    assert not any(name in text for text in (*own, ready.body, *ready.files.values(), *tables) for name in names)
    [shown] = result.results["evaluate"].samples
    held_out = [row[0] for row in shown.rows]
    assert held_out
    assert not any(json.dumps(prompt)[1:-1] in text for text in ready.files.values() for prompt in held_out)


def test_people_are_asked_of_what_a_judge_compared_and_simulated_ones_of_their_world(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.people: label what a judge compared.*add evaluate\.judge"):
        run_of(tmp_path, "evaluate.judge=null", text=PAGED).check()
    (tmp_path / "p.jsonl").write_text('{"prompt": "why?"}\n')
    with pytest.raises(ConfigError, match=r"evaluate\.people\.people: .*amendment label --stage evaluate"):
        run_of(tmp_path, text=MEASURED.replace("{lilliput: 80}", "{path: p.jsonl}")).check()


HARD = """\
name: hard
constitution: ./r.yaml
models: {one: {provider: function, model: o}, two: {provider: function, model: t}, j: {provider: function, model: j}}
prompts: [{path: p.jsonl}]
dataset: {test_share: 0.99}
evaluate: {policies: [one, two], judge: {model: j, protocol: verdict}}
"""
VETO = """\
id: r
version: 1.0.0
title: R
license: CC0-1.0
source: {kind: original}
principles:
  - {id: safe, statement: Be safe., hard: true, compare: [Which is safe?]}
  - {id: brief, statement: Be brief., compare: [Which is brief?]}
"""


def test_a_hard_principle_is_a_veto_where_policies_are_compared(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"question {number}"} for number in range(8)])
    (tmp_path / "r.yaml").write_text(VETO)

    def judge(messages: list[dict[str, str]]) -> str:
        """The answer "right" is safe, "left" is brief."""
        asked = messages[-1]["content"]
        return f"Verdict: {'AB'[('safe' in asked) == (asked.index('left') < asked.index('right'))]}"

    models = {"one": lambda messages: "left", "two": lambda messages: "right", "j": judge}
    found = made(tmp_path, HARD, models=models).results["evaluate"]
    assert rate_of(found, "win_rate", policy="two", against="one").value == 1
