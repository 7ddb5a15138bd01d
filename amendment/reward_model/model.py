"""Load a trained reward model and score answers with it, as they were rendered in training.

Not covered: what a score means. Scores order answers to one prompt; across prompts and across models
they do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import ConfigError
from amendment.llm.rendering import Renderer
from amendment.reward_model.settings import RewardMeta, read_meta
from amendment.training import check_base, need_training
from amendment.training.preflight import render_completions, rows_in

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
ChatOrText = str | Sequence[Mapping[str, Any]]


class RewardModel:
    """A reward model, ready to score. Make it with `load`."""

    def __init__(self, folder: Path, meta: RewardMeta, model: Any, tokenizer: Any) -> None:
        self.folder, self.meta, self._model, self._tokenizer = folder, meta, model, tokenizer

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a folder that `train_reward` wrote. Raises ConfigError for another one, or a changed template."""
        need_training()
        path = Path(folder)
        check_base(path)
        meta = read_meta(path)
        import torch
        from transformers import AutoModelForSequenceClassification

        from amendment.training.model_files import load_model, load_tokenizer, placed, quietly

        with quietly():
            tokenizer = load_tokenizer(path)
            kind = AutoModelForSequenceClassification
            subject = f"{path}: the reward model"
            model = placed(load_model(kind, path, subject=subject, num_labels=1, dtype=torch.float32))
        pad = model.config.get_text_config().pad_token_id
        if Renderer(tokenizer).template_id != meta.template or pad != meta.pad_token_id:
            raise ConfigError(f"{path}: its chat template or pad token is not the one it was trained with")
        return cls(path, meta, model, tokenizer)

    @staticmethod
    def describe(folder: str | Path) -> RewardMeta:
        """Return the metadata of the model in this folder; nothing heavy is loaded. Raises ConfigError."""
        return read_meta(Path(folder))

    def score(self, rows: Iterable[Row]) -> Floats:
        """Return one reward per row, in the order given.

        A row has `prompt` and `completion` (lists of messages as JSON objects) and where needed `tools` and
        `chat_template_kwargs`. A row over `max_length` has nan. Scores do not depend on
        the other rows, up to rounding. Raises DataError for a row that cannot be read.
        """
        import torch

        from amendment.training.generating import padded_batches
        from amendment.training.model_files import quietly

        with quietly(), torch.inference_mode():
            ids = render_completions(rows_in(rows), Renderer(self._tokenizer))
            scores = np.full(len(ids), np.nan)
            limit = self.meta.max_length
            cuts = self.meta.over_length == "truncate"
            fitting = [i for i, tokens in enumerate(ids) if cuts or len(tokens) <= limit]
            sequences = [ids[i][:limit] for i in fitting]
            batches = padded_batches(sequences, pad=self.meta.pad_token_id, device=self._model.device)
            for batch, tokens, mask in batches:
                logits = self._model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
                scores[[fitting[row] for row in batch]] = logits[:, 0].double().cpu().numpy()
        return scores

    def probability(self, chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> Floats:
        """P(the first answer is better) of pairs of scores, by the fitted temperature where it surely helps, else 1."""
        return preference_probability(chosen_scores, rejected_scores, self.meta.temperature_used)

    def as_reward(self, *, fallback: float | None = None) -> Callable[..., list[float | None]]:
        """Return a reward function for TRL's online trainers (`reward_funcs`), which call it with lists of equal
        length.

        Prompts and completions are messages, or plain texts, which are read as one turn of the user and one of the
        assistant; of the dataset's columns `tools` and `chat_template_kwargs` are read. A completion without a score
        has the reward `fallback`. TRL leaves None out only where every reward function says None, and next to other
        functions' rewards counts it as 0.
        """

        def reward(
            prompts: Sequence[ChatOrText], completions: Sequence[ChatOrText], **columns: Any
        ) -> list[float | None]:
            rows = [
                {"prompt": _turns(prompt, "user"), "completion": _turns(completion, "assistant")}
                for prompt, completion in zip(prompts, completions, strict=True)
            ]
            for name in ("tools", "chat_template_kwargs"):
                for row, value in zip(rows, columns.get(name) or (), strict=False):
                    row[name] = value
            return [fallback if np.isnan(score) else score for score in self.score(rows).tolist()]

        reward.__name__ = self.folder.name  # by which TRL logs it
        return reward


def _turns(value: ChatOrText, role: str) -> Any:
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value)


def preference_probability(chosen: ArrayLike, rejected: ArrayLike, temperature: float = 1.0) -> Floats:
    """P(the first is better) of each pair of scores, 1 / (1 + exp(-(r - r') / T)) (Bradley and Terry 1952); nan where
    one of them has none."""
    difference = np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64)
    return np.asarray(0.5 * (1 + np.tanh(difference / temperature / 2)))  # never overflows
