"""What the headers of a reply say beside it: how long to wait, how much may still be asked, the call's name there.

Covered: Retry-After in its three forms, both vendors' counts. Dates are measured against the reply's own Date, so
that a wrong clock on either side does no harm. Not covered: whether to wait; that is for those who govern the calls.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from amendment.calls import Pace

__all__ = ["pace_of", "server_id_of", "wait_of"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|[smhd]))+")
_STEP = re.compile(r"([\d.]+)(ms|[smhd])")

Headers = Mapping[str, str]


def wait_of(headers: Headers) -> float | None:
    """Seconds that a reply asks us to wait, however many; None where it does not say or makes no sense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name), unit)
        if seconds is not None:
            return seconds
    until = _date(headers.get("retry-after"))
    return None if until is None else _seconds_to(until, headers)


def pace_of(headers: Headers) -> Pace | None:
    """How much more the server says that it takes, in OpenAI's headers or in Anthropic's; None where it is silent."""
    ours = Pace(
        _count(headers.get("x-ratelimit-remaining-requests")),
        _span(headers.get("x-ratelimit-reset-requests")),
        _count(headers.get("x-ratelimit-remaining-tokens")),
        _span(headers.get("x-ratelimit-reset-tokens")),
    )
    if any(part is not None for part in ours):
        return ours
    return _pace_by_date(headers)


def _pace_by_date(headers: Headers) -> Pace | None:
    start = "anthropic-ratelimit-"
    tokens = "tokens" if f"{start}tokens-remaining" in headers else "input-tokens"
    pace = Pace(
        _count(headers.get(f"{start}requests-remaining")),
        _until(headers.get(f"{start}requests-reset"), headers),
        _count(headers.get(f"{start}{tokens}-remaining")),
        _until(headers.get(f"{start}{tokens}-reset"), headers),
    )
    return pace if any(part is not None for part in pace) else None


def server_id_of(headers: Headers) -> str | None:
    """The server's own name for the call, as it came: `Endpoint.call_name` makes of it what may be kept."""
    return headers.get("x-request-id") or headers.get("request-id")


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _number(text: str | None, unit: float) -> float | None:
    try:
        seconds = float(text or "nan") * unit
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _span(text: str | None) -> float | None:
    """`20ms`, `1s`, `6m0s`, `1h2m3.5s`, or plain seconds."""
    if not text:
        return None
    if not _SPAN.fullmatch(text):
        return _number(text, 1.0)
    return math.fsum(float(number) * _UNITS[unit] for number, unit in _STEP.findall(text))


def _until(text: str | None, headers: Headers) -> float | None:
    """Seconds to a moment as RFC 3339 writes it."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return _seconds_to(_zoned(moment), headers)


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
