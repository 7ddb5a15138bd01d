"""The run file, its stages, and the run as a whole."""

from amendment.errors import Paused
from amendment.run.chain import register_stage
from amendment.run.checks import check_run_file, load_run_file
from amendment.run.context import Patience
from amendment.run.permissions import Terms
from amendment.run.plan import Plan, plan_run
from amendment.run.progress import ProgressEvent, QuietProgress
from amendment.run.run import Run, RunResult
from amendment.run.runfile.config import RunFile, run_schema
from amendment.run.scoring import ScoredFiles, score_files, score_texts
from amendment.run.scoring_evaluation import EvaluatedReward, evaluate_files

__all__ = [
    "EvaluatedReward",
    "Patience",
    "Paused",
    "Plan",
    "ProgressEvent",
    "QuietProgress",
    "Run",
    "RunFile",
    "RunResult",
    "ScoredFiles",
    "Terms",
    "check_run_file",
    "evaluate_files",
    "load_run_file",
    "plan_run",
    "register_stage",
    "run_schema",
    "score_files",
    "score_texts",
]
