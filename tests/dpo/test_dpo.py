"""Preference optimisation: each loss starts from its reference, moves towards what was chosen, the same each time."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from amendment.dpo import DpoSettings, SftSettings, policy_margins, train_dpo, train_sft
from amendment.errors import DataError, TrainingError
from amendment.training import LoraSettings, TinyModel, build_tiny
from amendment.training.preflight import TokenPair

Rows = list[dict[str, Any]]
BASICS: dict[str, Any] = {
    "steps": 1,
    "batch_size": 24,
    "learning_rate": 1e-2,
    "max_length": 128,
    "trl": {"logging_steps": 1},
}
LOSSES: dict[str, dict[str, Any]] = {
    "sigmoid": {},
    "ipo": {},
    "robust": {"label_smoothing": 0.1},
    "kto": {},
    "orpo": {},
    "simpo": {"beta": 2.0},
}
trained = partial(train_dpo, guards=None)
"""Guards, which sample from the policy, have tests of their own."""


def settings_of(loss: str, **others: Any) -> DpoSettings:
    return DpoSettings(**{**BASICS, "loss": loss, **LOSSES[loss], **others})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def sft(base: Path, pairs: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine-tuned with an adapter, which is merged when it is saved."""
    out = tmp_path_factory.mktemp("sft") / "sft"
    rows = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    train_sft(base, rows, out, SftSettings(steps=3, learning_rate=0.03, lora=LoraSettings(r=4)))
    assert weights(out) != weights(base)
    return out


def test_adapters_of_the_upper_half_leave_the_lower_blocks_as_they_are(pairs: Rows, tmp_path: Path) -> None:
    shape = TinyModel(hidden=16, layers=3, heads=2, intermediate=32, vocab=400, context=256)
    build_tiny(tmp_path / "base", [str(pair["prompt"]) for pair in pairs], shape, seed=1)
    lora = LoraSettings(r=4, layers="upper_half")
    trained(tmp_path / "base", pairs, tmp_path / "dpo", settings_of("sigmoid", lora=lora, steps=2))
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "dpo"))
    changed = {name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"1", "2"}, "of the blocks 0, 1 and 2"


@pytest.mark.parametrize(
    ("loss", "start", "lora"),
    [
        ("sigmoid", math.log(2), LoraSettings(r=4)),
        ("ipo", 25.0, None),  # (0 - 1 / (2 beta))^2 with beta 0.1
        ("robust", math.log(2), None),  # ((1 - e) ln 2 - e ln 2) / (1 - 2 e)
        ("kto", 0.5, LoraSettings(r=4)),  # 1 - s(0), of desirable and undesirable answers alike
    ],
)
def test_after_an_adapter_the_saved_folder_is_the_reference(
    sft: Path, pairs: Rows, tmp_path: Path, *, loss: str, start: float, lora: LoraSettings | None
) -> None:
    first = trained(sft, pairs, tmp_path / "dpo", settings_of(loss, lora=lora)).history[0]
    assert first["loss"] == pytest.approx(start, abs=1e-4)
    assert [first[f"rewards/{side}"] for side in ("chosen", "rejected")] == pytest.approx([0, 0], abs=1e-5)


def test_simpo_and_orpo_are_their_formulas_on_the_tokens_of_preflight(sft: Path, pairs: Rows, tmp_path: Path) -> None:
    """SimPO: -log s(beta (log p(chosen) - log p(rejected)) - gamma), per token (Meng et al. 2024, eq. 6), gamma half of
    beta. ORPO: cross-entropy - beta x log odds ratio (Hong et al. 2024, eq. 6)."""
    from amendment.llm.rendering import Renderer
    from amendment.training.generating import completion_logps
    from amendment.training.model_files import load_causal, load_tokenizer, quietly
    from amendment.training.preflight import prepare_pairs

    with quietly():
        tokenizer, model = load_tokenizer(sft), load_causal(sft).eval()
        rows = prepare_pairs(pairs, Renderer(tokenizer), settings_of("sigmoid"), trainer="dpo").rows
        chosen, rejected = (
            completion_logps(model, tokenizer, [(row.prompt_ids, ids) for row, ids in zip(rows, answers, strict=True)])
            / np.array([*map(len, answers)])
            for answers in ([row.chosen_ids for row in rows], [row.rejected_ids for row in rows])
        )
    simpo = trained(sft, pairs, tmp_path / "simpo", settings_of("simpo")).history[0]
    orpo = trained(sft, pairs, tmp_path / "orpo", settings_of("orpo", beta=0.5)).history[0]
    assert orpo["logps/chosen"] == pytest.approx(chosen.mean(), abs=1e-4)
    assert orpo["loss"] == pytest.approx(orpo["nll_loss"] - 0.5 * orpo["log_odds_ratio"], abs=1e-5)
    assert simpo["loss"] == pytest.approx(np.log1p(np.exp(1.0 - 2.0 * (chosen - rejected))).mean(), abs=1e-4)


def test_a_stale_reference_is_caught_at_the_first_step(base: Path, sft: Path, pairs: Rows, tmp_path: Path) -> None:
    from amendment.dpo import _training

    with pytest.raises(TrainingError, match="at step 1 the policy is not its reference"):
        _training.optimise(sft, pairs, tmp_path / "out", settings_of("kto"), 0, progress=None, reference=base)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("loss", ["sigmoid", "kto"])
def test_the_policy_moves_towards_what_was_chosen_and_equally_each_time(
    base: Path, pairs: Rows, tmp_path: Path, loss: str
) -> None:
    settings = settings_of(loss, steps=6, batch_size=8, learning_rate=3e-2, trl={"logging_steps": 3})
    for name in ("one", "two"):
        result = trained(base, pairs, tmp_path / name, settings, seed=3)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
    assert result.steps == 6
    assert (policy_margins(tmp_path / "one", base, pairs, settings) > 0).mean() > 0.9


def test_margins_are_those_of_the_models_own_losses(base: Path, sft: Path, pairs: Rows) -> None:
    from amendment.training.model_files import load_causal, load_tokenizer, quietly

    def logp(folder: Path, side: str) -> float:
        tokenizer, model = load_tokenizer(folder), load_causal(folder)
        prompt = tokenizer.apply_chat_template(pairs[0]["prompt"], add_generation_prompt=True, return_dict=True)
        whole = tokenizer.apply_chat_template([*pairs[0]["prompt"], *pairs[0][side]], return_dict=True)
        ids, start = torch.tensor([whole["input_ids"]]), len(prompt["input_ids"])
        labels = ids.masked_fill(torch.arange(ids.shape[1]) < start, -100)
        return -float(model(input_ids=ids, labels=labels).loss.detach()) * (ids.shape[1] - start)

    with quietly():
        moved = {side: logp(sft, side) - logp(base, side) for side in ("chosen", "rejected")}
    rows = [pairs[0], {**pairs[1], "chosen": pairs[1]["rejected"]}]
    margin, lost = policy_margins(sft, base, rows, settings_of("sigmoid", beta=0.5))
    assert margin == pytest.approx(0.5 * (moved["chosen"] - moved["rejected"]), abs=1e-4)
    assert math.isnan(lost), "two equal answers have no margin"


def test_what_is_left_out_is_counted_and_what_cannot_be_read_is_named(base: Path, pairs: Rows, tmp_path: Path) -> None:
    long = [{"role": "assistant", "content": "yes " * 200}]
    rows: list[Any] = [*pairs, {**pairs[0], "rejected": pairs[0]["chosen"]}, {**pairs[1], "chosen": long}]
    report = trained(base, rows, tmp_path / "out", settings_of("sigmoid")).report
    assert (report.dropped, report.rows, report.kept) == ({"identical": 1, "over_length": 1}, 26, 24)
    half = {**pairs[1], "chosen": [{"role": "assistant", "content": "yes \ud83d"}]}
    with pytest.raises(DataError, match="row 2: a text holds half a surrogate pair"):
        trained(base, [pairs[0], half, *pairs[2:]], tmp_path / "no", settings_of("sigmoid"))
    assert not (tmp_path / "no").exists()


def test_weights_that_would_be_ignored_are_refused(base: Path, pairs: Rows, tmp_path: Path) -> None:
    rows = [{**pair, "weight": 2.0 if i else 0.5} for i, pair in enumerate(pairs)]
    with pytest.raises(TrainingError, match=r"the largest is 4 times the smallest\): take sigmoid or ipo or robust"):
        trained(base, rows, tmp_path / "out", settings_of("orpo"))
    dropped = [{**pair, "weight": 2.0 if i else 0.0} for i, pair in enumerate(pairs)]  # one weight among those left
    assert trained(base, dropped, tmp_path / "out", settings_of("orpo")).report.dropped == {"weight_zero": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "kto", "labels": "soft"}, "loss: kto takes hard labels"),
        ({"loss": "orpo", "sft_weight": 1.0}, "takes no extra SFT term"),
        ({"loss": "kto", "label_smoothing": 0.3}, "loss: kto has no label smoothing"),
        ({"loss": "robust"}, "loss: robust needs label_smoothing"),
        ({"loss": "simpo"}, "simpo needs beta"),
    ],
)
def test_a_setting_that_would_not_act_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DpoSettings(**settings)


def test_kto_answers_of_the_kl_term_are_those_of_the_batch_to_other_prompts() -> None:
    from amendment.dpo._relatives import unpaired

    rows = unpaired([TokenPair([n], [10 * n + 1], [10 * n + 2]) for n in (1, 2)], 2, 8)
    assert [(row.prompt_ids, row.completion_ids, row.label) for row in rows] == [
        ([1], [11], True),
        ([2], [21], True),
        ([1], [12], False),
        ([2], [22], False),
    ]
    # the nearest row before, in a ring: of (1, 11) it is (2, 22), of (2, 21) it is (1, 11), and so on
    assert [row.KL_completion_ids for row in rows] == [[22], [11], [21], [12]]
    with pytest.raises(TrainingError, match="two or more prompts"):
        unpaired([TokenPair([1], [2], [3]), TokenPair([1], [4], [5])], 2, 8)
