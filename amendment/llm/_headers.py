"""What the headers of a reply say: how long to wait, and the call's name there.

Covered: Retry-After in its three forms. Dates are measured against the reply's own Date, so
that a wrong clock on either side does no harm. Not covered: whether to wait; that is for those who govern the calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["server_id_of", "wait_of"]

Headers = Mapping[str, str]


def wait_of(headers: Headers) -> float | None:
    """Seconds that a reply asks us to wait, however many; None where it does not say or makes no sense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name), unit)
        if seconds is not None:
            return seconds
    until = _date(headers.get("retry-after"))
    return None if until is None else _seconds_to(until, headers)


def server_id_of(headers: Headers) -> str | None:
    """The server's own name for the call, as it came: `Endpoint.call_name` makes of it what may be kept."""
    return headers.get("x-request-id") or headers.get("request-id")


def _number(text: str | None, unit: float) -> float | None:
    try:
        seconds = float(text or "nan") * unit
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(text: str | None) -> datetime | None:
    try:
        return _zoned(parsedate_to_datetime(text or ""))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds_to(moment: datetime, headers: Headers) -> float:
    since = _date(headers.get("date")) or datetime.now(UTC)
    return max((moment - since).total_seconds(), 0.0)
