"""`label_smoothing` as a run file may write it: a number, or the word for what the spot check's calibration expects."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

__all__ = ["Smoothing"]

Smoothing = Annotated[float, Field(ge=0, lt=0.5)] | Literal["estimated"]
