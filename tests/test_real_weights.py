"""SmolLM2-135M-Instruct, loaded once, goes through what the package does with a model: write, judge, train, score.

A language model of this size is a weak writer and a weaker judge; what is asserted is what its weights do all the same.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from amendment.constitutions import load_constitution
from amendment.data.store import read_records
from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.llm.model import Model
from amendment.llm.weights import EMBEDDED, INSTALL, find_weights, needs_the_hub
from amendment.preference import Judge
from amendment.preference.judge import Compared
from amendment.records import Candidate, Critique, Prompt, last_text, user
from amendment.results import read_summary
from amendment.reward_model import RewardSettings, train_reward
from amendment.run import Run
from amendment.run.scoring import score_texts
from amendment.sync import run_sync
from amendment.training import LoraSettings, TrainResult

pytestmark = [
    pytest.mark.smollm,
    pytest.mark.slow,
    pytest.mark.skipif(needs_the_hub(), reason=f"the embedded model is not installed: {INSTALL}"),
]

RUN = """\
name: real
seed: 7
constitution: ./rules.yaml
models: {smollm: {provider: local, model: smollm2-135m-instruct, max_tokens: 32, temperature: 0}}
prompts: [{path: prompts.jsonl}]
critique: {model: smollm, rounds: 1}
"""
RULES = """\
id: short
version: 1.0.0
title: Short answers
license: CC0-1.0
source: {kind: original}
principles:
  - id: short
    statement: Answer in one short sentence.
    opposite: Answer at length, in several paragraphs.
    check: [{kind: max_words, value: 25}]
    critique: [Say in one sentence whether the answer is too long.]
    revise: [Rewrite the answer as one short sentence.]
    compare: [Which answer is shorter?]
"""
PROMPTS = ("Why do leaves turn red in autumn?", "How do I keep bread fresh for longer?")
ANSWERS = (
    (
        "The green pigment fades and the red one shows.",
        "There are many things to say about the leaves of trees in autumn. First of all, leaves are green in summer, "
        "and the green comes from a pigment. Then the days grow shorter and colder, and the tree takes the green back. "
        "After that other colours can be seen, and one of them is red.",
    ),
    (
        "Keep it in a paper bag.",
        "There are several ways in which you can keep your bread fresh for longer. You can put it into a paper bag, or "
        "into a box made of wood. You can also cut it into slices, freeze them, and take out one slice at a time. In "
        "the end it depends on the bread, on the room and on how much of it you eat in a day.",
    ),
)
COMMON = re.compile("the|a|an|to|of|and|is|in|it|that|you|for|are|be|can|with|this")
PAIRS: list[dict[str, Any]] = [
    {
        "prompt": [{"role": "user", "content": f"What is {a} plus {b}?"}],
        "chosen": [{"role": "assistant", "content": f"It is {a + b}."}],
        "rejected": [{"role": "assistant", "content": "I would rather not talk about numbers today."}],
        "prompt_id": str(a),
    }
    for a, b in ((2, 3), (4, 1))
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run that has drafted, criticised and revised, and whose model stays open for the tests that ask it."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    (folder / "prompts.jsonl").write_text(
        "".join(f'{{"prompt": "{prompt}"}}\n' for prompt in PROMPTS), encoding="utf-8"
    )
    with Run.from_file(folder / "run.yaml", folder=folder / "run") as made:
        assert made.models["smollm"].concurrency > 1  # it was looked up, so it stays
        made(until="critique")
        yield made


@pytest.fixture(scope="module")
def written(run: Run) -> list[Candidate]:
    """Drafts and revisions."""
    return read_records(run.folder / "critique/candidates.parquet", Candidate)


def fluency(model: Model, prompt: str, *answers: str) -> list[float]:
    """Mean log-probability of a token of each answer to a prompt, in nats."""

    async def ask() -> list[float]:
        replies = [made.reply for made in await asyncio.gather(*(model.ask(user(prompt), scored=a) for a in answers))]
        return [reply.scored_logprob / reply.scored_tokens for reply in replies]  # type: ignore[operator]

    return run_sync(ask())


def is_english(text: str) -> bool:
    """A fifth of its words are among the commonest."""
    words = re.findall(r"[a-z']+", text.lower())
    return len(words) > 3 and sum(bool(COMMON.fullmatch(word)) for word in words) >= len(words) / 5


def test_drafts_are_english_and_each_is_criticised_and_revised(run: Run, written: list[Candidate]) -> None:
    drafts = [candidate for candidate in written if candidate.kind == "draft"]
    assert len(drafts) == len(PROMPTS)
    assert [last_text(draft.messages) for draft in drafts if not is_english(last_text(draft.messages))] == []
    critiques = read_records(run.folder / "critique/critiques.parquet", Critique)
    assert {critique.candidate_id for critique in critiques} == {draft.id for draft in drafts}
    critique = read_summary(run.folder).of("critique")
    copies = sum(int(figure.value) for figure in critique.where("copies") if isinstance(figure.value, int))
    # a model of this size often copies what it was shown
    assert critique.count("revisions") + copies == len(drafts)
    assert len(written) == len(drafts) + critique.count("revisions")


def test_what_it_wrote_is_likelier_than_the_same_words_in_disorder(run: Run, written: list[Candidate]) -> None:
    draft = last_text(written[0].messages)
    words = draft.split()
    random.Random(0).shuffle(words)
    prompt = next(last_text(prompt.messages) for prompt in _prompts(run) if prompt.id == written[0].prompt_id)
    as_written, shuffled = fluency(run.models["smollm"], prompt, draft, " ".join(words))
    assert as_written > shuffled + 1.0


def test_an_answer_is_likelier_than_nonsense(run: Run) -> None:
    model = run.models["smollm"]
    paris, nonsense = fluency(model, "What is the capital of France?", "Paris.", "Seventeen purple.")
    assert paris > nonsense + 1.0


def compared(run: Run, protocol: str) -> list[Compared]:
    """Short and long answers to the prompts, judged by the run's one principle, the short one first."""
    rules = load_constitution("rules.yaml", base=run.folder.parent)
    judge = Judge.from_folder(protocol, model=run.models["smollm"], constitution=rules)
    return [
        judge.compare(prompt=prompt, a=short, b=long) for prompt, (short, long) in zip(PROMPTS, ANSWERS, strict=True)
    ]


def test_the_likelihood_judge_tells_short_from_long(run: Run) -> None:
    for made in compared(run, "likelihood"):
        assert [verdict.invalid for verdict in made.verdicts] == [None, None]
        assert made.p_a is not None
        assert made.p_a > 0.5


@pytest.mark.parametrize("protocol", ["label-tokens", "keeps"])
def test_labels_hold_most_of_the_probability_once_the_answer_is_begun(run: Run, protocol: str) -> None:
    """What they say is another matter: a judge of this size is hardly better than chance."""
    verdicts = [verdict for made in compared(run, protocol) for verdict in made.verdicts]
    assert len(verdicts) == 4, "two orders, or two answers, of two prompts"
    masses = [verdict.label_mass for verdict in verdicts]
    assert sum(mass is not None and mass >= 0.5 for mass in masses) >= 3, masses
    assert [verdict.invalid is None for verdict in verdicts] == [(mass or 0) >= 0.5 for mass in masses]


def _prompts(run: Run) -> list[Prompt]:
    return read_records(run.folder / "inputs/prompts.parquet", Prompt)


LORA: dict[str, Any] = {
    "lora": LoraSettings(r=4),
    "steps": 2,
    "batch_size": 2,
    "learning_rate": 1e-3,
    "max_length": 96,
    "trl": {"logging_steps": 1},
}


def falls(result: TrainResult) -> bool:
    first, second = (entry["loss"] for entry in result.history)
    return second < first


def weights(folder: str | Path, *names: str) -> list[Any]:
    with safe_open(Path(folder) / "model.safetensors", "pt") as file:
        return [file.get_tensor(name) for name in names]


def test_two_steps_of_sft_lower_the_loss_and_move_linear_layers_alone(tmp_path: Path) -> None:
    rows = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in PAIRS]
    result = train_sft(EMBEDDED, rows, tmp_path / "sft", SftSettings(**LORA))
    assert falls(result)
    names = ("model.embed_tokens.weight", "model.norm.weight", "model.layers.7.mlp.up_proj.weight")
    before, after = weights(find_weights(EMBEDDED), *names), weights(tmp_path / "sft", *names)
    assert [bool((a == b).all()) for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_two_steps_of_dpo_widen_the_margin(tmp_path: Path) -> None:
    result = train_dpo(EMBEDDED, PAIRS, tmp_path / "dpo", DpoSettings(**LORA), guards=None)
    assert result.history[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert falls(result)
    assert result.history[1]["rewards/margins"] > 0


def test_a_reward_model_learns_and_scores(tmp_path: Path) -> None:
    result = train_reward(EMBEDDED, PAIRS, tmp_path / "reward", RewardSettings(**LORA))
    assert falls(result)
    answers = [PAIRS[0][side][0]["content"] for side in ("chosen", "rejected")]
    scored = score_texts(tmp_path / "reward", PAIRS[0]["prompt"][0]["content"], answers)
    chosen, rejected = scored["scores"]
    assert scored["p_first"] == pytest.approx(1 / (1 + math.exp(rejected - chosen)))
    assert chosen - rejected > result.history[0]["margin"]
