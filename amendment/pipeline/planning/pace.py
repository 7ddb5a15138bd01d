"""How long calls will take, by what the run file says of a model's limits and by a stated latency.

Not covered: faults, queues at the vendor, batches, and models of this machine, whose time is not estimated.
"""

from __future__ import annotations

from amendment.providers import AnthropicSpec, ModelSpec, OpenAISpec

__all__ = ["AT_ONCE", "FIRST", "PER_SECOND", "likely_seconds"]

FIRST = 1.0
"""Seconds until an answer begins."""
PER_SECOND = 50.0
"""Tokens of an answer in a second."""
AT_ONCE = 8
"""Calls in flight where the run file leaves them to be found out: a run begins there, and grows."""


def likely_seconds(
    spec: ModelSpec | None, calls: float, tokens: float, output: float, latency: float | None = None
) -> float | None:
    """Seconds for so many calls, which take so many tokens together, of which `output` are of answers.

    `latency` is the mean that was measured, where there is one. None where nothing can be said: a batch, and a model of
    this machine.
    """
    if spec is not None and spec.provider == "simulated":
        return 0.0
    if not isinstance(spec, OpenAISpec | AnthropicSpec) or spec.mode == "batch":
        return None if calls else 0.0
    if not calls:
        return 0.0
    one = latency if latency is not None else FIRST + output / calls / PER_SECOND
    rounds = max(1.0, calls / (spec.concurrency or AT_ONCE))
    by_requests = 60 * calls / spec.requests_per_minute if spec.requests_per_minute else 0.0
    by_tokens = 60 * tokens / spec.tokens_per_minute if spec.tokens_per_minute else 0.0
    return max(one * rounds, by_requests, by_tokens)
