"""Parts of the run file that have not moved into the files of their stages yet."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["POLICY_STAGES", "RunFile"]

RunFile: TypeAlias = Any
"""A run file whose parts are read by their keys; a stage that is one file takes `RunSettings` and reads its own."""
POLICY_STAGES = ("base", "sft", "dpo")
"""Stages that make a policy; their names can stand wherever a model's can. See also `RunFile.policies`."""
