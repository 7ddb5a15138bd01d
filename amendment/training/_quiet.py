"""Libraries that talk while they train, quietened by name, with the reason for each.

Promised: nothing is printed to stdout, no progress bar reaches stderr, and what was set before is set
again afterwards. Not covered: warnings that are not named here; they come through.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
from transformers.utils import logging as transformers_logging

_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    ("`is_gradient_checkpointing` is deprecated", FutureWarning),  # read by peft, which knows the earlier name only
)
"""Start of the message and category of the warnings that are left out."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars, no hints below errors from transformers, and the known warnings left out."""
    bars = datasets.are_progress_bars_disabled()
    theirs = transformers_logging.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "trl", "accelerate", "peft")]
    levels = [logger.level for logger in loggers]
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)  # their hints concern settings that we choose ourselves
    try:
        with warnings.catch_warnings():
            for message, category in _WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()
        if theirs:
            transformers_logging.enable_progress_bar()
