"""How often policies refuse harmless prompts: which prompts, who tells a refusal, and what cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.audit.refusal_phrases import PHRASES, refusal_phrase
from amendment.errors import AmendmentError, ConfigError
from amendment.records import Candidate, text_of
from amendment.run import Patience, Result, Run, load_run_file
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.simulator import refuses
from amendment.stages.evaluation import harmless_prompts
from amendment.stages.policies import PolicyRefusal, refusal_rates

HARMLESS = """\
name: harmless
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: helpful-only}
  inkwell: {provider: simulated, writer: evasive}
  gavelmouth: {provider: simulated, noise: 0, unreadable: 0}
prompts: [{lilliput: 120}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell]
  over_refusal: {categories: [arithmetic, code]}
"""


def run_of(folder: Path, *overrides: str, text: str = HARMLESS) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_of(tmp_path_factory.mktemp("harmless"))()


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


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSALS.items() for text in texts])
def test_an_answer_that_begins_with_a_refusal_is_one_of_its_kind(kind: str, text: str) -> None:
    assert refusal_phrase(text) == kind


@pytest.mark.parametrize("text", HELP)
def test_an_answer_that_helps_is_no_refusal(text: str) -> None:
    assert refusal_phrase(text) is None


def test_every_kind_of_phrase_has_an_example() -> None:
    assert set(REFUSALS) == set(PHRASES)


def row(policy: str, number: int, refused: float | None, told_by: Any = "phrase") -> PolicyRefusal:
    return PolicyRefusal(policy=policy, prompt_id=f"p{number}", sample=0, refused=refused, told_by=told_by)


def test_shares_and_differences_by_hand() -> None:
    rows = [row("sft", n, refused) for n, refused in enumerate([0, 0, 1, 0, None, 0])]
    rows += [row("dpo", n, refused, "provider") for n, refused in enumerate([1, 1, 1, 0, 1, 0])]
    found = refusal_rates(rows, ["sft", "dpo"])
    sft, dpo = found["policies"]["sft"], found["policies"]["dpo"]
    assert (sft["value"], sft["n"], sft["untold"], sft["by the provider"]) == (1 / 5, 5, 1, 0)
    assert (dpo["value"], dpo["n"], dpo["untold"], dpo["by the provider"]) == (4 / 6, 6, 0, 6)
    difference = found["differences"]["dpo - sft"]  # 1, 1, 0, 0, 0 of the five that both are known of
    assert (difference["value"], difference["n"]) == (2 / 5, 5)


def test_harmless_prompts_are_the_held_out_ones_of_the_named_categories(harmless: Result) -> None:
    told = harmless.summary["stages"]["evaluate"]["over-refusal"]
    rows = RunFolder(harmless.folder).read("evaluate/refusals", PolicyRefusal)
    assert 10 < told["prompts"] == told["of categories"] < harmless.summary["stages"]["evaluate"]["held-out prompts"]
    assert len(rows) == 2 * told["prompts"]
    for name in ("quillfeather", "inkwell"):
        rate = told["policies"][name]
        mine = [one for one in rows if one.policy == name]
        assert rate["value"] == sum(one.refused or 0 for one in mine) / len(mine)
        assert rate["truly evasive"] == sum(bool(one.evades) for one in mine) / len(mine)
        assert sum(rate["phrases"].values()) == sum(one.phrase is not None for one in mine)
    # a writer whose habit it is to evade does so in words that refuse or that are not certain
    assert told["policies"]["inkwell"]["truly evasive"] > told["policies"]["quillfeather"]["truly evasive"]
    assert told["policies"]["inkwell"]["value"] > 0
    page = (harmless.folder / "summary.md").read_text()
    assert f"Share of {told['prompts']} harmless prompts that a policy refuses" in page
    assert "refused, inkwell - quillfeather: +" in page


def test_a_judge_without_noise_sees_every_refusal_and_the_phrases_those_that_come_first(
    harmless: Result, tmp_path: Path
) -> None:
    result = run_of(tmp_path, "evaluate.over_refusal.judge={model: gavelmouth}", "models.gavelmouth.sharpness=50")()
    told = result.summary["stages"]["evaluate"]["over-refusal"]
    words = harmless.summary["stages"]["evaluate"]["over-refusal"]
    place = RunFolder(result.folder)
    rows = [one for one in place.read("evaluate/refusals", PolicyRefusal) if one.policy == "inkwell"]
    answers = place.read("evaluate/answers", Candidate)
    texts = {one.prompt_id: text_of(one.messages) for one in answers[len(answers) // 2 :]}  # those of the second policy
    assert [one.refused for one in rows] == [float(refuses(texts[one.prompt_id])) for one in rows]
    assert {one.phrase for one in rows if not one.refused} == {None}
    missed = [texts[one.prompt_id] for one in rows if one.refused and not one.phrase]
    assert missed  # filler goes before, as in "clearly indeed i will not help"
    assert not any(text.removeprefix("sorry ").startswith("i will not") for text in missed)
    assert told["policies"]["inkwell"]["value"] > words["policies"]["inkwell"]["value"]
    assert told["judge"] == {
        "model": "gavelmouth",
        "protocol": "refusal",
        "standing": "no other judge",
        "why": "no judge of this run made its labels",
    }
    assert {one.told_by for one in RunFolder(result.folder).read("evaluate/refusals", PolicyRefusal)} == {"judge"}


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


QUICK = Patience(attempts=2, longest_wait=0.01)


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


def test_a_plan_counts_a_file_once_however_many_prompts_stand_for_others(own: Path, tmp_path: Path) -> None:
    rows = "".join(json.dumps({"prompt": f"question {i:04}"}) + "\n" for i in range(1000))
    (tmp_path / "p.jsonl").write_text(rows)
    (tmp_path / "harmless.jsonl").write_text("".join(json.dumps({"prompt": f"mild {i}"}) + "\n" for i in range(30)))
    plan = Run.from_file(own, folder=tmp_path / "run").plan()
    assert plan.stops == {}
    # 500 held out and 30 of the file, by each of two policies
    assert {one.model: one.calls for one in plan.asks} == {"one": 530, "two": 530}


def test_a_file_that_training_saw_whole_is_no_measure(own: Path, server: Any, tmp_path: Path) -> None:
    server.answer = answer
    (tmp_path / "harmless.jsonl").write_text((tmp_path / "p.jsonl").read_text())
    run = Run.from_file(own, folder=tmp_path / "run", overrides=["dataset.test_share=0"], patience=QUICK)
    with pytest.raises(AmendmentError, match=r"no harmless prompt is left \(0 of files, 20 left out as training"):
        run()


def test_harmless_prompts_of_a_file_need_no_held_out_ones(own: Path, server: Any, tmp_path: Path) -> None:
    server.answer = answer
    result = Run.from_file(own, folder=tmp_path / "run", overrides=["dataset.test_share=0"], patience=QUICK)()
    assert result.summary["stages"]["evaluate"]["held-out prompts"] == 0
    assert result.summary["stages"]["evaluate"]["over-refusal"]["prompts"] == 12


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


REFUSED = {
    "evaluate.over_refusal={}": r"over_refusal: name harmless prompts: categories of evaluated ones, or files",
    "evaluate.over_refusal.categories=[arithmetics]": r"no prompt has category 'arithmetics' \(did you mean",
    "evaluate.over_refusal.prompts=[{path: none.jsonl}]": r"evaluate\.over_refusal\.prompts\[0\]: .*none\.jsonl",
    "evaluate.over_refusal.judge={model: gavel}": r"over_refusal\.judge\.model: no model 'gavel'",
    "evaluate.over_refusal.judge={model: gavelmouth, protocol: violation}": r"violation asks by a principle",
    "evaluate.over_refusal.judge={model: gavelmouth, protocol: score}": r"expected yes-no; use protocol: refusal",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_be_measured_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=REFUSED[override]):
        run_of(tmp_path, override).check()
