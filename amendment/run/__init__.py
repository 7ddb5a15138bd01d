"""The run file, its stages, and the run as a whole."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amendment.errors import Paused
    from amendment.run.checks import check_run_file, load_run_file
    from amendment.run.context import Patience
    from amendment.run.plan import Plan, plan_run
    from amendment.run.run import Result, Run
    from amendment.run.runfile.config import RunFile
    from amendment.run.runfile.schema import run_schema
    from amendment.run.scoring import ScoredFiles, score_files, score_texts
    from amendment.run.scoring_evaluation import EvaluatedReward, evaluate_files
    from amendment.run.terms import Terms

__all__ = [
    "EvaluatedReward",
    "Patience",
    "Paused",
    "Plan",
    "Result",
    "Run",
    "RunFile",
    "ScoredFiles",
    "Terms",
    "check_run_file",
    "evaluate_files",
    "load_run_file",
    "plan_run",
    "run_schema",
    "score_files",
    "score_texts",
]

_MODULES = {
    "EvaluatedReward": "amendment.run.scoring_evaluation",
    "Patience": "amendment.run.context",
    "Paused": "amendment.errors",
    "Plan": "amendment.run.plan",
    "Result": "amendment.run.run",
    "Run": "amendment.run.run",
    "RunFile": "amendment.run.runfile.config",
    "ScoredFiles": "amendment.run.scoring",
    "Terms": "amendment.run.terms",
    "check_run_file": "amendment.run.checks",
    "evaluate_files": "amendment.run.scoring_evaluation",
    "load_run_file": "amendment.run.checks",
    "plan_run": "amendment.run.plan",
    "run_schema": "amendment.run.runfile.schema",
    "score_files": "amendment.run.scoring",
    "score_texts": "amendment.run.scoring",
}


def __getattr__(name: str) -> Any:
    """Public names load when they are used: stages import modules of this subpackage, which would be a circle."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
