"""A ledger for people and for machines: what was asked and spent, what is open, one request with its replies.

Everything that a model or a server said is printed as plain text in one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amendment.errors import LedgerError
from amendment.llm.ledger_reading import ReadOnly, Spending
from amendment.terminal import plain

__all__ = ["ledger_file", "ledger_lines", "request_lines", "show_ledger", "show_request"]

LONGEST = 4000
"""Characters of a request or a reply that are printed for people."""
MOST_OPEN = 20
"""Open attempts that are printed for people."""


def ledger_file(place: Path) -> Path:
    """The ledger of a run's folder, or the file itself."""
    return place / "ledger.sqlite" if place.is_dir() else place


def show_ledger(path: Path, *, stage: str | None = None) -> dict[str, Any]:
    """Spending and open attempts, of one stage or of all, and all open batches and models that answered.

    Raises LedgerError.
    """
    with ReadOnly(path) as ledger:
        return {
            "replies": len(ledger),
            "spending": [one._asdict() for one in ledger.spending() if stage in (None, one.stage)],
            "open_attempts": [one._asdict() for one in ledger.open_attempts() if stage in (None, one.stage)],
            "batches": [one._asdict() for one in ledger.batches()],
            "models": [one._asdict() for one in ledger.models()],
        }


def show_request(path: Path, request_id: str) -> dict[str, Any]:
    """A request, its attempts and its replies, oldest first. Raises LedgerError when it is not there, or damaged."""
    with ReadOnly(path) as ledger:
        found = ledger.request(request_id)
    if found is None:
        raise LedgerError(f"{path}: no request {plain(request_id)}; ids stand in the records under origin, request")
    return found


def ledger_lines(found: dict[str, Any]) -> list[str]:
    """What `show_ledger` found, in lines."""
    lines = [f"{found['replies']} replies"]
    lines += [_spent(Spending(**one)) for one in found["spending"]]
    opened = found["open_attempts"]
    if opened:
        lines.append(f"{len(opened)} calls without a reply: they may have been sent, and may be billed")
    lines += [
        f"  {plain(one['request'])} to {plain(one['model'])} at {plain(one['host'])}, {one['body_length']} bytes"
        for one in opened[:MOST_OPEN]
    ]
    lines += [f"  and {len(opened) - MOST_OPEN} more"] if len(opened) > MOST_OPEN else []
    lines += [
        f"batch {one['number']} to {plain(one['model'])}: {len(one['attempts'])} requests since {one['begun_at']} UTC, "
        + (f"known there as {plain(one['remote'])}" if one["remote"] else "perhaps never uploaded")
        for one in found["batches"]
    ]
    lines += [
        f"{plain(one['asked'])} at {plain(one['host'])} answered as {plain(one['returned'])}, {one['replies']} replies"
        for one in found["models"]
        if one["returned"] not in (None, one["asked"])
    ]
    return lines


def _spent(one: Spending) -> str:
    place = " ".join(plain(name) or "-" for name in (one.stage, one.model, one.host))
    told = [f"{one.attempts} attempts", f"{one.replies} replies"]
    told.append(f"{one.input_tokens} tokens in ({one.cached_tokens} cached), {one.output_tokens} out")
    told.append(f"{one.usd:.4f} USD" + (f" and {one.unpriced} replies without a price" if one.unpriced else ""))
    told += [f"{count} {plain(kind)}" for kind, count in one.faults.items()]
    return f"  {place}: {', '.join(told)}"


def request_lines(found: dict[str, Any]) -> list[str]:
    """What `show_request` found, in lines."""
    lines = [f"{plain(found['id'])}", f"  asked: {plain(found['body'], longest=LONGEST)}"]
    for one in found["attempts"]:
        end = "replied" if one["reply"] else one["fault"] or "no end"
        place = f"{plain(one['model'])} at {plain(one['host'])}, stage {plain(one['stage']) or '-'}"
        lines.append(f"  attempt {one['number']}, {one['at']} UTC, {place}: {plain(end)}")
        if one["reply"]:
            lines.append(f"    {plain(one['reply']['raw'], longest=LONGEST)}")
    return lines
