"""The entry point, with every module whose commands it has."""

from __future__ import annotations

import sys

from amendment.cli import _runs  # isort: split

from amendment.cli import _people  # isort: split

from amendment.cli import _library, _look, _results
from amendment.cli._app import app, guarded, prepare_memory

COMMANDS = (_runs, _look, _people, _results, _library)
"""Importing a module registers its commands, in the order in which `--help` lists them."""


def main() -> None:
    """Run a command. Errors become one clear message and an exit code, never a traceback."""
    prepare_memory()
    sys.exit(guarded(app))
