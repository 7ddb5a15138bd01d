"""The command line in this process; `vendors.processes` has it in a process of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import NamedTuple

import pytest

from amendment import cli


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams."""
        return self.err + self.out


def called(*arguments: object) -> int:
    """The exit code of `amendment ARGUMENTS`."""
    before, sys.argv = sys.argv, ["amendment", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    return int(ended.value.code or 0)


def amendment(*arguments: object) -> Ended:
    """The exit code of `amendment ARGUMENTS`, and what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = called(*arguments)
    return Ended(code, out.getvalue(), err.getvalue())
