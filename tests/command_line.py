"""The command line in this process; `vendors.processes` has it in a process of its own."""

from __future__ import annotations

import sys

import pytest

from amendment import cli


def called(*arguments: object) -> int:
    """The exit code of `amendment ARGUMENTS`."""
    before, sys.argv = sys.argv, ["amendment", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    return int(ended.value.code or 0)
