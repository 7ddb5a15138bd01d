"""Packed layers give what the plain ones give, and leave what is trained alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from amendment.dpo import DpoSettings, train_dpo
from amendment.llm.packed import pack_frozen

IDS = torch.arange(4, 64).reshape(2, 30)


@pytest.fixture
def tiny(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("amendment.llm.packed.SMALL", 0)
    return AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()


def logits_and_gradient(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    embedded = model.get_input_embeddings()(IDS).detach().requires_grad_()
    logits = model(inputs_embeds=embedded, use_cache=False).logits
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[:, -1, 7].sum(), embedded)
    return logits, gradient


def test_a_packed_model_has_the_same_logits_gradients_and_files(tiny: Any, tmp_path: Path) -> None:
    plain = logits_and_gradient(tiny)
    saved = {name: value.clone() for name, value in tiny.state_dict().items()}
    tiny.requires_grad_(False)
    pack_frozen(tiny)
    assert hasattr(tiny.model.layers[0].mlp.up_proj, "packed")
    for ours, own in zip(logits_and_gradient(tiny), plain, strict=True):
        torch.testing.assert_close(ours, own, atol=1e-4, rtol=1e-4)
    assert saved.keys() == tiny.state_dict().keys()
    tiny.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert torch.equal(logits_and_gradient(again)[0], plain[0])


def test_a_tiny_adapter_trains_the_same_way_when_its_base_is_packed(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DpoSettings(steps=3, batch_size=4, lora={"r": 4}, trl={"logging_steps": 1})
    plain = train_dpo(base, pairs, tmp_path / "plain", settings, seed=1)
    monkeypatch.setattr("amendment.llm.packed.SMALL", 0)
    fast = train_dpo(base, pairs, tmp_path / "packed", settings, seed=1)
    for step, own in zip(fast.history, plain.history, strict=True):
        assert step["loss"] == pytest.approx(own["loss"], abs=1e-4)
    merged, own = (AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("packed", "plain"))
    for name, weights in own.items():
        torch.testing.assert_close(merged[name], weights, atol=1e-3, rtol=1e-3)
