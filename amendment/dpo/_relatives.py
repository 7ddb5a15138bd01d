"""Relatives of DPO with TRL's own trainers, as they are: KTO, ORPO and SimPO.

KTO (Ethayarajh et al. 2024, eq. 7) takes both answers of each pair by themselves. Its KL term is estimated on answers
to other prompts of the same batch, whose log-probabilities under the reference are computed once; so the batches are
made here, before the training, and are the same in each epoch. No answer of the KL term is one to its own prompt.
ORPO (Hong et al. 2024, eq. 6) and SimPO (Meng et al. 2024, eq. 6) have no reference; their trainers are experimental
parts of TRL, and a TRL without them says so in one sentence. The cross-entropy in TRL's ORPO is over the prompt and the
chosen answer.
Not covered: weights and soft labels, which `train_dpo` refuses.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset
from torch.utils.data import SequentialSampler
from trl import KTOConfig, KTOTrainer

from amendment.dpo.policy import DpoSettings
from amendment.errors import ConfigError, TrainingError
from amendment.training.generating import completion_logps
from amendment.training.model_files import load_causal, placed
from amendment.training.preflight import IGNORED, PairLabels, TokenPair
from amendment.training.workbench import Workbench, drawn, steady

_EXPERIMENTAL = {"orpo": ("orpo", "ORPO"), "simpo": ("cpo", "CPO")}
"""Module and prefix of the classes, by loss."""
_TESTED = "1.16.0"
"""The TRL that has them; see constraints.txt."""


class UnpairedKTO(steady(KTOTrainer)):  # type: ignore[misc]  # untyped base
    """Takes rows with their KL answers in the order in which they lie. TRL's own class would draw the KL answers from
    neighbours, whatever their prompts."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


class Unpaired(NamedTuple):
    """One answer of a pair: desirable if it was chosen."""

    prompt_ids: list[int]
    completion_ids: list[int]
    KL_completion_ids: list[int]
    label: bool


def kto_trainer(
    bench: Workbench, pairs: Sequence[TokenPair], _labels: PairLabels, settings: DpoSettings, reference: str | Path
) -> tuple[Any, list[int]]:
    """Return the trainer of KTO, and the tokens of each of its rows."""
    args = bench.configure(KTOConfig, beta=settings.beta, loss_type="kto", precompute_ref_log_probs=True)
    batch = args.train_batch_size
    args.per_device_train_batch_size *= 2  # a batch counts pairs, and each is two rows
    order = bench.order([pair.longest for pair in pairs], args)
    rows = unpaired([pairs[place] for place in order], batch, settings.max_length)
    seen = rows[: drawn(args)] if args.max_steps > 0 else rows
    model = placed(load_causal(reference, revision=bench.revision))
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in Unpaired._fields}
    for name, answers in (("ref_logps", "completion_ids"), ("ref_KL_logps", "KL_completion_ids")):
        column = np.full(len(rows), np.nan, dtype=np.float32)  # were one drawn after all, its loss would tell
        column[: len(seen)] = completion_logps(
            model, bench.tokenizer, [(row.prompt_ids, getattr(row, answers)) for row in seen]
        )
        columns[name] = column
    trainer = UnpairedKTO(
        model=bench.causal_model(),
        args=args,
        train_dataset=Dataset.from_dict(columns),
        processing_class=bench.tokenizer,
        peft_config=bench.adapter("CAUSAL_LM"),
    )
    return trainer, [len(row.prompt_ids) + len(row.completion_ids) for row in rows]


def unpaired(pairs: Sequence[TokenPair], batch: int, max_length: int) -> list[Unpaired]:
    """Both answers of each pair, in batches of `batch` pairs: the chosen ones first.

    The KL answer of a row is the nearest one before it in its batch, in a ring, that answers another prompt; where the
    whole batch has one prompt, it comes from the rows of the next. It is cut where it would pass `max_length`. Raises
    TrainingError where all pairs have one prompt.
    """
    batches: list[list[tuple[list[int], list[int], bool]]] = []
    for start in range(0, len(pairs), batch):
        here = pairs[start : start + batch]
        chosen = [(pair.prompt_ids, pair.chosen_ids, True) for pair in here]
        batches.append(chosen + [(pair.prompt_ids, pair.rejected_ids, False) for pair in here])
    rows = []
    for number, batch_rows in enumerate(batches):
        others = [*batches[number + 1 :], *batches[:number]]
        for place, (prompt, answer, is_chosen) in enumerate(batch_rows):
            near = chain(reversed(batch_rows[:place]), reversed(batch_rows[place:]), *others)
            mismatched = next((ids for other, ids, _ in near if other != prompt), None)
            if mismatched is None:
                raise TrainingError("dpo: loss: kto needs pairs of two or more prompts, and these all have one prompt")
            rows.append(Unpaired(prompt, answer, mismatched[: max(1, max_length - len(prompt))], is_chosen))
    return rows


def reference_free_trainer(
    bench: Workbench, pairs: Sequence[TokenPair], settings: DpoSettings
) -> tuple[Any, list[int]]:
    """Return the trainer of ORPO or SimPO, and the tokens of each pair."""
    trainer_class, config_class = experimental(settings.loss)
    own: dict[str, Any] = {"beta": settings.beta}
    if settings.loss == "simpo":
        own |= {
            "loss_type": "simpo",
            "simpo_gamma": settings.beta / 2,  # as in its paper: gamma / beta is 0.5
            "cpo_alpha": settings.sft_weight,  # TRL's default would add the whole cross-entropy of chosen answers
            "label_smoothing": settings.label_smoothing,
        }
    columns: dict[str, list[list[int]]] = {
        "prompt_input_ids": [pair.prompt_ids for pair in pairs],
        "prompt_attention_mask": [[1] * len(pair.prompt_ids) for pair in pairs],
    }
    for side in ("chosen", "rejected"):
        answers = [getattr(pair, f"{side}_ids") for pair in pairs]
        wholes = [pair.prompt_ids + answer for pair, answer in zip(pairs, answers, strict=True)]
        columns |= {
            f"{side}_input_ids": wholes,
            f"{side}_attention_mask": [[1] * len(ids) for ids in wholes],
            f"{side}_labels": [[IGNORED] * (len(ids) - len(a)) + a for ids, a in zip(wholes, answers, strict=True)],
        }
    takes_tokens = {"tokenize_row": lambda _self, feature, model=None: feature}
    trainer = type(trainer_class.__name__, (steady(trainer_class),), takes_tokens)(
        model=bench.causal_model(),
        args=bench.configure(config_class, **own),
        train_dataset=Dataset.from_dict(columns),
        processing_class=bench.tokenizer,
        peft_config=bench.adapter("CAUSAL_LM"),
    )
    return trainer, [pair.longest for pair in pairs]


def experimental(loss: str) -> tuple[type[Any], type[Any]]:
    """TRL's trainer and configuration for a loss. Raises ConfigError where the installed TRL does not have them."""
    module, prefix = _EXPERIMENTAL[loss]
    try:
        with warnings.catch_warnings():  # the settings say that this part may vanish
            warnings.filterwarnings("ignore", message="You are importing from 'trl.experimental'")
            experiment = import_module(f"trl.experimental.{module}")
            return getattr(experiment, f"{prefix}Trainer"), getattr(experiment, f"{prefix}Config")
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"dpo: loss: {loss} is an experimental part of trl, and the installed {version('trl')} does not have it "
            f"({error}): install trl=={_TESTED}, or use another loss"
        ) from error
