"""The run file, its stages, and the run as a whole."""

from amendment.pipeline.auditing import Audited, audit_path
from amendment.pipeline.checks import check_run_file, load_run_file
from amendment.pipeline.context import Patience
from amendment.pipeline.run import Result, Run
from amendment.pipeline.runfile.config import RunFile
from amendment.pipeline.runfile.schema import run_schema
from amendment.pipeline.stages.endings import Paused

__all__ = [
    "Audited",
    "Patience",
    "Paused",
    "Result",
    "Run",
    "RunFile",
    "audit_path",
    "check_run_file",
    "load_run_file",
    "run_schema",
]
