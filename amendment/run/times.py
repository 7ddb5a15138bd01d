"""The time that calls take: by the speed of a model's earlier calls in the run or in a trial of it, or assumed.

The ledger has the times at which each call was sent and its reply came. A speed is the work of a model's replies
divided by the time in which at least one call was in flight, so it applies to the same number of calls at once.
Not covered: batches, and calls that are slowed down by other programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from amendment.errors import LedgerError
from amendment.llm.ledger_reading import AnsweredCall, Reader
from amendment.llm.opening import shown_name
from amendment.llm.prices import is_own_server
from amendment.llm.requests import READING, Usage, estimate_work
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, charges_most
from amendment.run.money import stored_replies
from amendment.text import plain

FIRST_TOKEN, PER_SECOND = 1.0, 50.0
"""Assumed of a hosted model: seconds until an answer begins, tokens a second."""
IN_FLIGHT, IN_FLIGHT_OWN = 8, 2
"""Assumed calls in flight where the run file leaves them open; at a server of the user's own."""


class Speed(NamedTuple):
    """The speed of a model's earlier calls."""

    per_second: float
    """Tokens written; a token that is read counts READING."""
    calls: int
    """Calls that it was measured on."""


Speeds = Mapping[tuple[str, str], Speed]
"""By host and model."""


def measured_speeds(folder: Path, ledger: Reader | None) -> Speeds:
    """Return the speeds by the run's ledger; of models that have not answered there those of its trials with
    --limit."""
    speeds: dict[tuple[str, str], Speed] = {}
    with ExitStack() as opened:
        for trial in sorted(folder.parent.glob(f"{folder.name}.limit-*")):
            with suppress(LedgerError):
                if of_trial := opened.enter_context(stored_replies(trial)):
                    speeds |= measure_speeds(of_trial.answered_calls())
    return speeds | (measure_speeds(ledger.answered_calls()) if ledger else {})


def measure_speeds(calls: Iterable[AnsweredCall]) -> dict[tuple[str, str], Speed]:
    """Return the speed of each model whose server says how many tokens it took."""
    by_model: dict[tuple[str, str], list[AnsweredCall]] = {}
    for call in calls:
        by_model.setdefault((call.host, call.model), []).append(call)
    speeds = {}
    for name, answered in by_model.items():
        busy = end = 0.0
        for call in sorted(answered, key=lambda call: call.sent):
            busy += max(0.0, call.came - max(call.sent, end))
            end = max(end, call.came)
        work = sum(
            estimate_work(Usage(input_tokens=c.input, output_tokens=c.output, cached_tokens=c.cached)) for c in answered
        )
        if busy > 0 and work > 0:
            speeds[name] = Speed(work / busy, len(answered))
    return speeds


def find_speed(name: str, spec: ModelSpec | None, speeds: Speeds) -> Speed | None:
    """Return the measured speed of an entry under `models`, or of the policy `name` that the run trains, which has
    none; None where it was not measured, and for a batch."""
    if getattr(spec, "mode", None) == "batch":
        return None
    if spec is None:
        return _local_speed(speeds, lambda model: model.startswith(f"{name}@"))
    if isinstance(spec, LocalSpec):
        return _local_speed(speeds, lambda model: model == shown_name(spec))
    return speeds.get((getattr(spec, "host", ""), shown_name(spec)))


def _local_speed(speeds: Speeds, is_meant: Callable[[str], bool]) -> Speed | None:
    """Return a model of this process has its weights, device and precision in place of a host."""
    local = [speed for (host, model), speed in speeds.items() if host.startswith("local:") and is_meant(model)]
    return max(local, key=lambda speed: speed.calls, default=None)


def seconds_for(
    spec: ModelSpec | None, speed: Speed | None, *, calls: float, input_tokens: float, output_tokens: float
) -> float | None:
    """Seconds for so many calls; None where they cannot be estimated: a batch, and a local model without a speed."""
    if not calls or (spec is not None and spec.provider == "simulated"):
        return 0.0
    hosted = spec if isinstance(spec, OpenAISpec | AnthropicSpec) else None
    if speed:
        seconds = (output_tokens + READING * input_tokens) / speed.per_second
    elif hosted and hosted.mode != "batch":
        seconds = (FIRST_TOKEN + output_tokens / calls / PER_SECOND) * max(1.0, calls / _in_flight(hosted))
    else:
        return None
    if hosted and hosted.requests_per_minute:
        seconds = max(seconds, 60 * calls / hosted.requests_per_minute)
    return max(seconds, by_tokens(spec, calls=calls, input_tokens=input_tokens, output_tokens=output_tokens))


def by_tokens(spec: ModelSpec | None, *, calls: float, input_tokens: float, output_tokens: float) -> float:
    """Return the seconds that the model's tokens_per_minute takes for so many calls; 0 without such a limit."""
    if not isinstance(spec, OpenAISpec | AnthropicSpec) or not spec.tokens_per_minute:
        return 0.0
    tokens = input_tokens + output_tokens
    if charges_most(spec):
        tokens = max(calls * (spec.max_tokens or 0), input_tokens)
    return 60 * tokens / spec.tokens_per_minute


def _in_flight(spec: OpenAISpec | AnthropicSpec) -> int:
    return spec.concurrency or (IN_FLIGHT_OWN if is_own_server(spec.host) else IN_FLIGHT)


def time_lines(specs: Mapping[str, ModelSpec], speeds: Speeds) -> Iterator[str]:
    """Yield what the times of these models rest on, a line each."""
    for name, spec in specs.items():
        if spec.provider == "simulated" or getattr(spec, "mode", None) == "batch":
            continue
        if speed := find_speed(name, spec, speeds):
            yield (
                f"time of {plain(name)}: measured on {speed.calls:,} earlier calls, {speed.per_second:,.0f} tokens a "
                "second (an input token counts as one eighth)"
            )
        elif isinstance(spec, OpenAISpec | AnthropicSpec):
            yield (
                f"time of {plain(name)}: assuming {FIRST_TOKEN:g} s until an answer begins, then {PER_SECOND:g} "
                f"tokens/s, {_in_flight(spec)} calls at once; measured after the first run, or a trial with --limit"
            )
        else:
            yield f"time of {plain(name)}: unknown; a trial with --limit measures it"
