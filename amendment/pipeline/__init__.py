"""The run file, its stages, and the run as a whole."""

from amendment.pipeline._schema import run_schema
from amendment.pipeline.auditing import Audited, audit_path
from amendment.pipeline.checks import check_run_file, load_run_file
from amendment.pipeline.config import RunFile
from amendment.pipeline.context import Patience
from amendment.pipeline.endings import Paused
from amendment.pipeline.run import Result, Run

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
