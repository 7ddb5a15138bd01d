"""What is done in a run's folder, what it has cost so far, and why its last start ended if it did not finish.

Covered: the small status files, and sums of the ledger, which is only read, also while a run is at work. Not covered:
what single calls said; see `amendment ledger show`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amendment.errors import AmendmentError, LedgerError
from amendment.keys import redact
from amendment.llm.ledger import is_held
from amendment.llm.ledger_reading import SHARDS, Reader
from amendment.people.labelling import labels_waited_for
from amendment.report.reading import load_status
from amendment.report.render import terminal_line
from amendment.run.engine import RunFolder
from amendment.text import plain, visible

KILLED = "the last run was killed (kill -9, power failure or full disk)"
LONGEST = 500
"""Characters of the reason for which a start ended."""


def why_ended(fault: BaseException, keys: Iterable[str]) -> str:
    """Why a start did not finish, in a line without these keys: what was wrong, or that it was interrupted."""
    if isinstance(fault, AmendmentError):
        return redact(str(fault), keys).partition("\n")[0][:LONGEST]
    return type(fault).__name__ if isinstance(fault, Exception) else "interrupted"


def read_status(folder: Path) -> dict[str, Any]:
    """Stages done, running and missing, with their counts. Raises ConfigError when this is no run's folder.

    `of another version` are those of the done ones that another version of the toolkit wrote in a form of its own: they
    can be exported and published as they are, and a start makes them again.

    `running` names the stage at work, or several that share a pass, with commas between. It is null when the process
    that was at it has ended, however it ended; `ended` then says why, where it did not finish. `paid` has the calls
    that were paid for, those of them without a price, and their USD; null without a ledger that can be read. `damage`
    says what is wrong with the ledger of a run that is not at work, or why it cannot be read, and is null where nothing
    is. `unanswered` counts the calls that may have been sent without a reply being stored; null like `paid`. `labels`
    says how many are missing now where a sample is drawn and the last start did not finish; else it is null.
    """
    status = load_status(folder)
    running = status["running"] if status["running"] and is_held(folder) else None
    ended = KILLED if status["running"] and not running else status.get("ended")
    status["of another version"] = [name for name in status["done"] if not RunFolder(folder).has_current_format(name)]
    missing = [name for name in status["done"] if not RunFolder(folder).outputs_untouched(name)]
    status["done"] = [name for name in status["done"] if name not in missing]
    status["out of date"] = [*status.get("out of date", ()), *missing]
    counts = {name: RunFolder(folder).result(name).totals for name in status["done"]}
    labels = labels_waited_for(folder, status["done"]) if ended and not running else None
    details = {"labels": labels, **_calls(folder), "damage": None if running else _damage(folder)}
    return {**status, "running": running, "ended": ended, **details, "counts": counts}


def _calls(folder: Path) -> dict[str, Any]:
    try:
        rows, unanswered = [], 0
        for path in (folder / "ledger.sqlite", *folder.glob(SHARDS)):  # of workers that are at it, or were killed
            with Reader(path) as ledger:
                rows += ledger.spending()
                unanswered += len(ledger.open_attempts())
    except LedgerError:  # `_damage` says what is wrong with it
        return {"paid": None, "unanswered": None}
    paid = {
        "calls": sum(row.replies for row in rows),
        "unpriced": sum(row.unpriced for row in rows),
        "usd": sum(row.usd for row in rows),
    }
    return {"paid": paid, "unanswered": unanswered}


def _damage(folder: Path) -> str | None:
    """Return the damage of the ledger or of a worker's, all rows of which are read, or why one cannot be read; with a
    remedy."""
    for path in (folder / "ledger.sqlite", *sorted(folder.glob(SHARDS))):
        if not path.exists():
            continue
        try:
            with Reader(path) as ledger:
                damage = ledger.damage()
        except LedgerError as fault:
            return str(fault)
        if damage:
            first = f"{path}: the ledger is damaged in {len(damage)} places, first: {damage[0][:LONGEST]}"
            return f"{first}. All: amendment ledger show {path} --verify"
    return None


def status_lines(status: dict[str, Any]) -> list[str]:
    lines = [plain(str(status["name"]))]
    width = max([15, *map(len, status["stages"])])
    for name in status["stages"]:
        state = "to do (out of date)" if name in status.get("out of date", ()) else "to do"
        state = "done" if name in status["done"] else state
        state = "running" if name in str(status["running"]).split(", ") else state
        counts = terminal_line(status["counts"].get(name, {}))
        lines.append(f"  {name:{width}} {state:8} {counts}".rstrip())
    if status.get("paid"):
        paid = status["paid"]
        without = f", {paid['unpriced']:,} of them without a price" if paid["unpriced"] else ""
        lines.append(f"paid: {paid['calls']:,} calls{without}, {paid['usd']:.4f} USD")
    if status.get("unanswered") and not status["running"]:
        lines.append(f"{status['unanswered']:,} calls may have been sent without a reply being stored")
    if status.get("ended") and status["ended"] != status.get("labels"):
        ended = plain(str(status["ended"]), longest=LONGEST)
        lines.append(ended if ended == KILLED else f"the last start ended: {ended}")
    if status.get("labels"):
        lines.append(plain(str(status["labels"]), longest=LONGEST))
    following = [name for name in status["stages"] if name not in status["done"]]
    older = ", ".join(map(plain, status.get("of another version", ())))
    if status.get("damage"):  # which comes before anything else
        lines.append(visible(str(status["damage"])))
    elif following:
        lines.append(f"next: {following[0]}")
    elif older:
        lines.append(
            f"made by another version of the toolkit: {older}; the next start remakes them and makes only new calls"
        )
    else:
        lines.append("nothing is left to do")
    return lines
