"""The command line: each command is one call of a public function, and every end has its exit code.

Heavy libraries are imported inside commands, so that `--help` answers at once.
"""

from amendment.cli._app import app
from amendment.cli._main import main

__all__ = ["app", "main"]
