"""The Hub's client, and what its errors say to a user: what happened, whether anything was lost, what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amendment.errors import AmendmentError, ConfigError, CredentialsError

__all__ = ["MOVED", "asking", "connect"]

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
YES = ("1", "ON", "YES", "TRUE")


def connect() -> Any:
    """A client that has a token. Raises ConfigError offline and CredentialsError without one; sends nothing."""
    from huggingface_hub import HfApi, constants, get_token

    if constants.HF_HUB_OFFLINE or any(os.environ.get(name, "").upper() in YES for name in OFFLINE):
        raise ConfigError("HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set, so nothing can be sent; unset it to publish")
    if not get_token():
        raise CredentialsError("no token for the Hub: set HF_TOKEN, or sign in with: hf auth login")
    return HfApi(library_name="amendment")


@contextmanager
def asking(repo: str) -> Iterator[None]:
    """Errors of the client about a repository become ours."""
    from huggingface_hub import errors

    try:
        yield
    except (errors.LocalTokenNotFoundError, errors.OIDCError) as fault:
        raise CredentialsError(f"no token for the Hub ({_first_line(fault)}); sign in with: hf auth login") from fault
    except errors.OfflineModeIsEnabled as fault:
        raise ConfigError("the Hub's client is offline (HF_HUB_OFFLINE); unset it to publish") from fault
    except errors.HfHubHTTPError as fault:
        raise _answered(repo, fault) from fault
    except (ConnectionError, TimeoutError) as fault:
        raise AmendmentError(f"{repo}: the Hub cannot be reached ({_first_line(fault)}); {AGAIN}") from fault
    except ValueError as fault:
        raise AmendmentError(f"{repo}: the Hub's client refuses this: {_first_line(fault)}") from fault
    except Exception as fault:
        if not type(fault).__module__.startswith(("httpx", "httpcore")):
            raise
        raise AmendmentError(f"{repo}: the Hub cannot be reached ({_first_line(fault)}); {AGAIN}") from fault


MOVED = (
    "somebody else committed there during this push, so nothing was sent; check their change and run the command again"
)
AGAIN = "nothing on this machine is lost; run the command again"


def _answered(repo: str, fault: Any) -> AmendmentError:
    status = getattr(fault.response, "status_code", None)
    said = _first_line(fault)
    if status in (401, 403, 404):
        hint = "check that the token may write there (hf auth whoami) and that the organisation exists"
        return CredentialsError(f"{repo}: the Hub refuses this token ({status}: {said}); {hint}")
    if status == 412:
        return AmendmentError(f"{repo}: {MOVED}")
    if status == 400:
        return AmendmentError(f"{repo}: the Hub refuses what was sent ({said})")
    return AmendmentError(f"{repo}: the Hub answered {status} ({said}); {AGAIN}")


def _first_line(fault: BaseException) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(fault).__name__
