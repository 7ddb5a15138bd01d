"""Pairs by construction: no judge, the user's own prompts, each answer drawn once, and the label as good as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from amendment.data.workspace import Workspace
from amendment.errors import ConfigError
from amendment.records import Candidate, Preference, Prompt, text_of
from amendment.run import Result, Run, load_run_file
from amendment.simulator import truth
from amendment.stages.construct import ConstructedPair, Construction, StrongWeak, plan_draws

MODELS = """\
name: built
seed: 3
models:
  good: {provider: simulated, writer: helpful-only}
  bad: {provider: simulated, writer: careless}
"""
PROMPTS = "prompts: [{lilliput: 40}]\n"
BUILT = f"""{MODELS}{PROMPTS}construct:
  - {{kind: strong_weak, strong: good, weak: bad, per_prompt: 2}}
  - {{kind: instructions, model: good, better: Answer with care., worse: Answer carelessly., p: 0.9}}
dataset: {{test_share: 0.25}}
"""
TRAINED = """\
base: {on: nothing, steps: 1, tiny: {hidden: 16, layers: 1, heads: 2, intermediate: 32, vocab: 400, context: 96}}
dpo: {base: base, steps: 2, batch_size: 8, max_length: 90, labels: soft, guards: null}
"""


def made(folder: Path, text: str, *overrides: str) -> Result:
    folder.mkdir(exist_ok=True)
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run", overrides=overrides)()


def rows_of(result: Result) -> list[Preference]:
    place = Workspace(result.folder)
    return [row for side in ("train", "test") for row in place.read(f"dataset/{side}", Preference)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return made(tmp_path_factory.mktemp("built"), BUILT)


def test_pairs_are_marked_as_constructed_and_no_instruction_is_in_them(built: Result) -> None:
    assert built.ran == ("inputs", "construct", "dataset")
    rows, prompts = rows_of(built), Workspace(built.folder).read("inputs/prompts", Prompt)
    known = {prompt.id: prompt.messages for prompt in prompts}
    assert {row.decided_by for row in rows} == {"construction"}
    for row in rows:
        assert row.prompt == known[row.prompt_id]
        assert (row.raters, row.principle_ids) == ((), ())
    strong = [row for row in rows if row.chosen_model != row.rejected_model]
    told = [row for row in rows if row.chosen_model == row.rejected_model]
    assert {row.p_chosen for row in strong} == {1.0}
    assert {row.p_chosen for row in told} == {row.p_chosen_raw for row in told} == {0.9}
    assert len(strong) > 70
    assert len(told) > 35


def test_the_two_instructions_are_in_the_answers_provenance(built: Result) -> None:
    place = Workspace(built.folder)
    answers = place.read("construct/candidates", Candidate)
    pairs = place.read("construct/pairs", ConstructedPair)
    for one in pairs:
        assert (answers[one.chosen].id, answers[one.rejected].id) == (one.pair.chosen_id, one.pair.rejected_id)
    told = [one for one in pairs if one.pair.p_chosen == 0.9]
    better, worse = ({answers[getattr(one, side)].origin.template for one in told} for side in ("chosen", "rejected"))
    assert len(better) == len(worse) == 1
    assert None not in better | worse
    assert better != worse
    others = {answers[one.chosen].origin.template for one in pairs if one not in told}
    assert others == {None}


def test_how_often_the_construction_is_right_is_known_in_this_world(tmp_path: Path) -> None:
    """Careless writes worse than evasive and, less often, than helpful-only; the simulated writer does not read
    instructions, so that these labels are coin tosses, which is what `p` and soft labels are for.

    Over 400 prompts and two drafts each, the writers alone: evasive 0.74 over careless, helpful-only 0.60.
    """
    text = f"""{MODELS}  wary: {{provider: simulated, writer: evasive}}
prompts: [{{lilliput: 150}}]
construct:
  - {{kind: strong_weak, strong: good, weak: bad, p: 0.6}}
  - {{kind: strong_weak, strong: wary, weak: bad, p: 0.74}}
  - {{kind: instructions, model: good, better: Answer with care., worse: Answer carelessly., p: 0.51}}
"""
    right: dict[float, list[float]] = {0.6: [], 0.74: [], 0.51: []}
    for row in rows_of(made(tmp_path, text)):
        chosen, rejected = (truth(text_of(row.prompt), text_of(side)).utility for side in (row.chosen, row.rejected))
        right[row.p_chosen].append(1.0 if chosen > rejected else 0.5 if chosen == rejected else 0.0)
    for p, found in right.items():
        assert len(found) > 120
        assert sum(found) / len(found) == pytest.approx(p, abs=0.1)  # 150 pairs have a standard error of 0.04


def test_a_plan_counts_the_calls_and_a_second_run_asks_nothing(tmp_path: Path, built: Result) -> None:
    (tmp_path / "run.yaml").write_text(BUILT)
    plan = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run").plan()
    assert plan.total.calls == built.sent == 40 * 6  # two pairs of two models, and one of two instructions
    assert {(one.stage, one.model): one.calls for one in plan.asks} == {
        ("construct", "good"): 160,
        ("construct", "bad"): 80,
    }
    first = made(tmp_path, BUILT)
    again = made(tmp_path, BUILT)
    assert (first.sent, again.sent, again.ran) == (240, 0, ())
    surer = made(tmp_path, BUILT.replace("p: 0.9", "p: 0.8"))
    assert (surer.sent, surer.ran) == (0, ("construct", "dataset"))
    assert {row.p_chosen for row in rows_of(surer)} == {1.0, 0.8}


def test_a_run_without_a_judge_trains_on_constructed_pairs(tmp_path: Path) -> None:
    result = made(tmp_path, BUILT + TRAINED)
    assert result.ran == ("inputs", "construct", "dataset", "base", "dpo")
    assert result.summary["stages"]["dpo"]["steps"] == 2
    assert result.summary["stages"]["dataset"]["constructed"] == len(rows_of(result))


def test_constructed_pairs_stand_beside_judged_ones_of_other_answers(tmp_path: Path) -> None:
    judged = f"""{MODELS}constitution: lilliput
prompts: [{{lilliput: 20}}]
candidates: [{{model: good, per_prompt: 2}}, {{model: bad, per_prompt: 1}}]
judging: {{judges: [{{model: bad, protocol: label-tokens}}]}}
construct: [{{kind: strong_weak, strong: good, weak: bad}}]
dataset: {{test_share: 0.25}}
"""
    result = made(tmp_path, judged)
    config = load_run_file(tmp_path / "run.yaml").config
    assert [one.samples for one in plan_draws(config)] == [(2, 1)]
    rows = rows_of(result)
    assert {row.decided_by for row in rows} == {"judge", "construction"}
    assert len({row.comparison_id for row in rows}) == len(rows)
    with sqlite3.connect(result.folder / "ledger.sqlite") as db:
        requests = db.execute("SELECT count(*) FROM reply").fetchone()[0]
    assert result.sent == requests  # no answer was asked for twice


def test_what_makes_no_pair_is_counted_by_its_reason(tmp_path: Path, server: Any) -> None:
    """A server that sees the instruction, and says for each prompt what its number tells."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        system, asked = (message["content"] for message in body["messages"])
        number = int(asked.split()[1])
        if system == "Be good.":
            return 200, {"role": "assistant", "content": f"The answer is {number}."}
        ends: list[dict[str, Any]] = [
            {"content": "I will not.", "finish_reason": "content_filter"},
            {"content": "The answer", "finish_reason": "length"},
            {"content": f"The  answer is {number}."},
            {"content": "No idea."},
        ]
        return 200, {"role": "assistant", **ends[number]}

    server.answer = answer
    (tmp_path / "p.csv").write_text("prompt\n" + "".join(f"question {number}\n" for number in range(4)))
    result = made(
        tmp_path,
        f"""name: told
models:
  m: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: null, price: {{input: 0, output: 0}}}}
prompts: [{{path: {tmp_path}/p.csv}}]
construct: [{{kind: instructions, model: m, better: Be good., worse: Be bad.}}]
dataset: {{test_share: 0}}
""",
    )
    counts = result.summary["stages"]["construct"]
    reasons = {"an answer is missing": 1, "an answer is cut off": 1, "equal texts": 1}
    assert counts == {"done": 7, "refused": 1, "pairs": 1, "no pair": reasons}
    [row] = rows_of(result)
    assert (text_of(row.prompt), text_of(row.chosen), text_of(row.rejected)) == (
        "question 3",
        "The answer is 3.",
        "No idea.",
    )
    assert [message.role for message in row.prompt] == ["user"]


def test_a_system_text_of_the_prompt_stays_below_the_instruction(tmp_path: Path) -> None:
    from amendment.records import Message, user
    from amendment.stages.construct import _instructed

    asked = user("why?")
    assert [m.content for m in _instructed(asked, "Be good.")] == ["Be good.", "why?"]
    own = (Message(role="system", content="You are Bo."), *asked)
    found = _instructed(own, "Be good.")
    assert [(m.role, m.content) for m in found] == [("system", "Be good.\n\nYou are Bo."), ("user", "why?")]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"kind": "strong_weak", "strong": "a", "weak": "a"}, "strong and weak are both a"),
        ({"kind": "instructions", "model": "a", "better": "Do it.", "worse": " Do  it."}, "say the same"),
        ({"kind": "strong_weak", "strong": "a", "weak": "b", "p": 0.5}, "greater than 0.5"),
        ({"kind": "strong_weak", "model": "a", "better": "x", "worse": "y"}, "Field required"),
    ],
)
def test_what_could_not_be_constructed_is_refused(part: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Construction).validate_python(part)


def test_models_that_do_not_exist_are_named_with_their_places(run_file: Callable[[str], Path]) -> None:
    text = BUILT.replace("strong: good", "strong: goood").replace("model: good", "model: gut")
    with pytest.raises(ConfigError) as error:
        load_run_file(run_file(text))
    assert "construct[0].strong: no model 'goood' under models" in str(error.value)
    assert "construct[1].model: no model 'gut' under models" in str(error.value)
    assert str(error.value).count("no model 'gut'") == 1


def test_one_model_under_two_names_is_no_strong_and_no_weak_one(run_file: Callable[[str], Path]) -> None:
    loaded = load_run_file(run_file(BUILT))
    same = loaded.config.models["good"].model_dump_json(exclude_none=True)
    weak = next(source.weak for source in loaded.config.constructions if isinstance(source, StrongWeak))
    with pytest.raises(ConfigError, match=r"construct\[0\]\.weak: .* are the same model under two names"):
        load_run_file(run_file(BUILT), overrides=[f"models.{weak}={same}"])


def test_simulated_writers_know_the_prompts_of_their_world_alone(run_file: Callable[[str], Path]) -> None:
    path = run_file(BUILT.replace(PROMPTS, "prompts: [{path: mine.csv}]\n"))
    (path.parent / "mine.csv").write_text("prompt\nWhat is love?\n")
    with pytest.raises(ConfigError, match="knows the prompts of Lilliput alone"):
        Run.from_file(path, folder=path.parent / "run").check()
