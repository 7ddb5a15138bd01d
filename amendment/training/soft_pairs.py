"""What our trainers put before TRL's: pairs that carry `p_chosen`, P(chosen is better), and `weight`.

Promised: a column that is absent counts as 1; weights count relative to their mean over the pairs that are trained on;
values out of range are refused before anything is computed. Loads torch and TRL.
Not covered: streamed datasets, whose mean weight nobody knows, and images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from torch import Tensor

from amendment.errors import ConfigError, DataError, Problem
from amendment.training.preflight import labels_as_given

COLUMNS = ("p_chosen", "weight")
"""Columns of ours; none of them may reach the model."""


class WithLabels(NamedTuple):
    """A collator of TRL, whose batches then have our columns as tensors."""

    collator: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        own = {name: torch.tensor([example[name] for example in examples]) for name in COLUMNS}
        return {**self.collator(examples), **own}


class SoftPairs:
    """Put before a trainer of TRL that learns from pairs."""

    data_collator: Any
    _signature_columns: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name in ("train_dataset", "eval_dataset"):
            if isinstance(dataset := kwargs.get(name), Dataset) and not len(dataset):
                raise DataError(f"{name}: expected pairs, found none")
        super().__init__(*args, **kwargs)
        self.data_collator = WithLabels(self.data_collator)

    def refuse(self, dataset: Dataset, args: Any) -> None:
        """Raise ConfigError or DataError for what the loss would ignore."""

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Dataset:
        if not isinstance(dataset, Dataset):
            raise ConfigError(
                f"{dataset_name} dataset: expected a datasets.Dataset, found {type(dataset).__name__}; weights count "
                "relative to their mean, which a stream does not know"
            )
        self.refuse(dataset, args)
        _labelled(dataset)  # while its rows are counted as the caller counts them
        return _labelled(super()._prepare_dataset(dataset, processing_class, args, dataset_name))  # type: ignore[misc]

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        self._signature_columns = [*dict.fromkeys([*self._signature_columns, *COLUMNS])]


def own_columns(inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Take p_B and weight_B out of a batch."""
    p_B, weight_B = (inputs.pop(name) for name in COLUMNS)
    return p_B, weight_B


def _labelled(dataset: Dataset) -> Dataset:
    """Return the dataset with both columns, the weights with mean 1. Raises DataError naming each row (from 1) whose
    values cannot be read."""
    given = [name for name in COLUMNS if name in dataset.column_names]
    rows = dataset.select_columns(given).to_list() if given else [{}] * len(dataset)
    labels = labels_as_given(rows)
    if not labels.weights.any():
        raise DataError([Problem("weight", "every pair has weight 0, so that there is nothing to learn")])
    dataset = dataset.remove_columns(given)
    return dataset.add_column("p_chosen", labels.targets).add_column("weight", labels.weights)
