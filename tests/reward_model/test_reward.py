"""The reward model: trained, loaded, and scoring what it was trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from amendment.errors import ConfigError, DataError
from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.training import LoraSettings

SETTINGS = RewardSettings(steps=12, batch_size=8, learning_rate=1e-2, max_length=96, trl={"logging_steps": 6})
FIRST = RewardSettings(
    steps=1, batch_size=2, learning_rate=1e-12, max_length=128, labels="soft", trl={"logging_steps": 1}
)
Rows = list[dict[str, Any]]


def completions(pairs: Rows, side: str = "chosen") -> Rows:
    return [{"prompt": pair["prompt"], "completion": pair[side]} for pair in pairs]


def share_right(model: RewardModel, pairs: Rows) -> float:
    chosen, rejected = (model.score(completions(pairs, side)) for side in ("chosen", "rejected"))
    return float((chosen > rejected).mean())


def weights(reward_folder: Path) -> bytes:
    return (reward_folder / "model.safetensors").read_bytes()


def test_it_learns_and_equal_seeds_give_equal_weights(
    reward_folder: Path, base: Path, pairs: Rows, tmp_path: Path
) -> None:
    assert share_right(RewardModel.load(reward_folder), pairs) > 0.9
    train_reward(base, pairs, tmp_path / "again", SETTINGS, seed=3)
    train_reward(base, pairs, tmp_path / "other", SETTINGS, seed=4)
    assert weights(tmp_path / "again") == weights(reward_folder) != weights(tmp_path / "other")


def test_a_score_is_that_of_transformers_own_class_whatever_the_other_rows(reward_folder: Path, pairs: Rows) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    from amendment.training.model_files import load_tokenizer, quietly

    model, rows = RewardModel.load(reward_folder), completions(pairs) + completions(pairs, "rejected")
    together = model.score(rows)
    with quietly(), torch.no_grad():
        classifier, tokenizer = (
            AutoModelForSequenceClassification.from_pretrained(reward_folder),
            load_tokenizer(reward_folder),
        )
        for row, score in zip(rows[::5], together[::5], strict=True):
            ids = tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], return_dict=True)["input_ids"]
            if "thinking" not in row["completion"][0]:  # which this template shows under another name
                assert float(classifier(input_ids=torch.tensor([ids])).logits) == pytest.approx(score, abs=1e-5)
    assert model.score(rows[::-1])[::-1] == pytest.approx(together, abs=1e-5)


def test_a_row_over_the_length_has_no_score(reward_folder: Path, pairs: Rows) -> None:
    long = {**pairs[1], "completion": [{"role": "assistant", "content": "yes " * 300}]}
    scores = RewardModel.load(reward_folder).score([long, *completions(pairs[1:2])])
    assert np.isnan(scores).tolist() == [True, False]


def test_an_adapter_is_merged_head_included(base: Path, pairs: Rows, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"lora": LoraSettings(r=4), "learning_rate": 0.05})
    train_reward(base, pairs, tmp_path / "rm", settings)
    assert not (tmp_path / "rm/adapter_config.json").exists()
    assert share_right(RewardModel.load(tmp_path / "rm"), pairs) > 0.9


def test_the_meta_file_says_what_a_score_depends_on(reward_folder: Path) -> None:
    meta = json.loads((reward_folder / "reward_meta.json").read_text())
    config = json.loads((reward_folder / "config.json").read_text())
    assert (meta["max_length"], meta["template"][:3]) == (96, "s2:")
    assert meta["pad_token_id"] == config["pad_token_id"] != config["eos_token_id"]
    assert {"base", "seed", "versions"} <= set(meta)


@pytest.mark.parametrize("text", ['{"base": 3}', "[" * 100_000])
def test_a_damaged_meta_file_is_told(reward_folder: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(reward_folder, tmp_path / "rm")
    (tmp_path / "rm/reward_meta.json").write_text(text)
    with pytest.raises(ConfigError, match="expected the description of a reward model") as error:
        RewardModel.load(tmp_path / "rm")
    assert "\n" not in str(error.value)


def test_a_folder_that_is_another_model_is_refused(reward_folder: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a reward model"):
        RewardModel.load(base)
    shutil.copytree(reward_folder, tmp_path / "template")
    (tmp_path / "template/chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(ConfigError, match="not the one it was trained with"):
        RewardModel.load(tmp_path / "template")


def test_weights_that_a_folder_lacks_are_no_random_numbers(
    reward_folder: Path, base: Path, pairs: Rows, tmp_path: Path
) -> None:
    for place, lost in ((reward_folder, "score"), (base, "mlp")):  # the head of a base is drawn at random
        file = shutil.copytree(place, tmp_path / lost) / "model.safetensors"
        kept = {key: value for key, value in load_file(file).items() if lost not in key}
        save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="its files lack 1 of the weights"):
        RewardModel.load(tmp_path / "score")
    with pytest.raises(ConfigError, match=r"base '.*': its files lack 3 of the weights, such as model\.layers\.0"):
        train_reward(tmp_path / "mlp", pairs, tmp_path / "out", SETTINGS)


def test_rows_that_cannot_be_read_are_named(base: Path, reward_folder: Path, pairs: Rows, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="held-out row 2: p_chosen"):
        train_reward(base, pairs, tmp_path / "out", SETTINGS, held_out=[pairs[0], {**pairs[1], "p_chosen": 1.5}])
    with pytest.raises(DataError, match="row 1: margin"):
        train_reward(base, [{**pairs[0], "margin": 1.0}], tmp_path / "out", SETTINGS)
    model = RewardModel.load(reward_folder)
    [first] = completions(pairs[:1])
    half = {**first, "completion": [{"role": "assistant", "content": "\ud800"}]}
    with pytest.raises(DataError, match="row 2: a text holds half a surrogate"):
        model.score([first, half])


def test_a_base_without_a_pad_token_is_noted(base: Path, pairs: Rows, tmp_path: Path) -> None:
    """The end token pads: scores are read at the last other token, and a note says so."""
    copy = shutil.copytree(base, tmp_path / "base")
    config = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "pad_token"}))
    result = train_reward(copy, pairs, tmp_path / "rm", SETTINGS.model_copy(update={"steps": 1}))
    assert any("no pad token of its own" in note for note in result.notes)


def test_the_first_loss_has_targets_weights_and_centring_as_worked_out_by_hand(
    base: Path, pairs: Rows, tmp_path: Path
) -> None:
    """The head is made twenty times as large, so that differences are worth the while."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from amendment.training.model_files import load_tokenizer, quietly

    rows = [{**pairs[1], "p_chosen": 0.9, "weight": 3.0}, {**pairs[2], "p_chosen": 0.6, "weight": 1.0}]
    with quietly():
        torch.manual_seed(5)
        start = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        with torch.no_grad():
            start.score.weight.mul_(20.0)
        start.save_pretrained(tmp_path / "start")
        load_tokenizer(base).save_pretrained(tmp_path / "start")
    loss = train_reward(tmp_path / "start", rows, tmp_path / "rm", FIRST).history[0]["loss"]
    model = RewardModel.load(tmp_path / "rm")
    chosen, rejected = (model.score(completions(rows, side)) for side in ("chosen", "rejected"))
    p, gaps = np.array([0.9, 0.6]), chosen - rejected
    # weights 3 and 1 become 1.5 and 0.5; each pair's loss has 0.01 (r + r')^2 on top
    each = p * np.logaddexp(0, -gaps) + (1 - p) * np.logaddexp(0, gaps) + 0.01 * (chosen + rejected) ** 2
    assert loss == pytest.approx((1.5 * each[0] + 0.5 * each[1]) / 2, rel=1e-6)
    assert abs(gaps).min() > 0.01
