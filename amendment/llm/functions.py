"""A function as a model: a plain or async function from messages to text, or to the probabilities of labels.

Covered: what a function may ask for by the names of its parameters, threads for one that is not async, and its errors
under its own name. Not covered: what it answers with the same messages another time; its replies are stored under the
name that the user gives the model.
"""

from __future__ import annotations

import inspect
import math
import traceback
from asyncio import wrap_future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import Any, cast

from amendment.errors import AmendmentError, ConfigError, Rejected, Transient
from amendment.llm.provider import PlainProvider, RawReply, write_plain
from amendment.llm.requests import Request
from amendment.text import plain

Written = str | Mapping[str, float]
"""The answer of a function: a text or, where labels are asked for, the probability of each."""
ModelFunction = Callable[..., Written | Awaitable[Written]]
"""A plain or async function that writes or judges. It gets the messages of a chat, a list of dictionaries with `role`
and `content`, and returns the answer as text.

By parameters of these names it gets more: `labels`, the labels among which a label-token judge chooses, or None; where
there are labels, it returns a mapping from label to probability. `sample`, the number of the draw, from 0. `sampling`,
a dictionary with those of `temperature`, `top_p`, `max_tokens` and `seed` that are set.

A plain function is called in threads, as many at once as the entry's `concurrency`. An OSError (a lost connection, a
timeout) and `Transient` are tried again, `Rejected` fails this one item, and anything else ends the run under the
function's name."""


def function_name(function: Any) -> str:
    """Return the name of a function, for messages."""
    function = getattr(function, "func", function)  # of functools.partial
    return str(getattr(function, "__name__", type(function).__name__))


class FunctionProvider(PlainProvider):
    """A `ModelFunction` as a provider."""

    def __init__(self, kind: str, function: ModelFunction) -> None:
        self.kind = self.host = kind
        self._function, name = function, function_name(function)
        self._name = f"function {name}" if kind == "function" else f"function {name} of provider {kind}"
        self._wanted = _keywords(function) & {"labels", "sample", "sampling"}
        self.shows_choices = "labels" in self._wanted
        forms = (function, getattr(function, "__call__", None))  # noqa: B004
        self._is_async = any(map(inspect.iscoroutinefunction, forms))

    async def send(self, request: Request) -> RawReply:
        """Return the function's answer as compact JSON, with words counted as tokens.

        Raises AmendmentError, with the place in the function, for whatever the function raises that is no OSError and
        no ProviderError, and ConfigError for an answer that is neither text nor probabilities.
        """
        messages = [message.to_json() for message in request.messages]
        about = {
            "labels": request.choices,
            "sample": request.sample,
            "sampling": request.sampling.model_dump(mode="json", exclude_none=True),
        }
        wanted = {name: about[name] for name in self._wanted}
        try:
            answer = await self._answer(messages, wanted)
        except OSError as fault:
            raise Transient(f"{self._name}: {fault!r}", kind="transport") from fault
        except AmendmentError:
            raise
        except (Exception, SystemExit) as fault:
            reason = plain(f"{type(fault).__name__}: {fault}", longest=300)
            raise AmendmentError(f"{self._name} raised {reason} ({_place(fault, self._function)})") from fault
        read = sum(len(str(message.get("content", "")).split()) for message in messages)
        if request.choices and isinstance(answer, Mapping):
            logs = self._logprobs(answer, request.choices)
            text = max(logs, key=logs.__getitem__, default="")
            raw = write_plain(text, finish_reason="stop", input_tokens=read, output_tokens=1, logprobs=logs)
            return RawReply(raw)
        if not isinstance(answer, str):
            expected = "text or a mapping from label to probability" if request.choices else "text"
            raise ConfigError(f"{self._name} returned {answer!r:.80}, expected {expected}")
        if not answer.isprintable() and any("\ud800" <= character <= "\udfff" for character in answer):
            raise Rejected(f"{self._name}: the reply holds half a surrogate pair, which no text has")
        words = len(answer.split())
        return RawReply(write_plain(answer, finish_reason="stop", input_tokens=read, output_tokens=words))

    async def _answer(self, messages: list[dict[str, Any]], wanted: Mapping[str, Any]) -> Written:
        context = copy_context()

        def call() -> Any:
            try:
                return context.run(self._function, messages, **wanted)
            except StopIteration as fault:  # no future can hold one
                raise RuntimeError("StopIteration").with_traceback(fault.__traceback__) from fault

        answer = call() if self._is_async else await _call_in_thread(call)
        return cast(Written, await answer if inspect.isawaitable(answer) else answer)

    def _logprobs(self, answer: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
        """Log-probabilities of the labels; one without a probability has none."""
        numbers = [value for value in answer.values() if isinstance(value, int | float) and 0 <= value <= 1]
        if not set(answer) <= set(labels) or len(numbers) < len(answer) or sum(numbers) > 1 + 1e-6:
            raise ConfigError(
                f"{self._name} returned {dict(answer)!r:.80}, expected probabilities of {', '.join(labels)} "
                "that sum to at most 1"
            )
        return {label: math.log(value) for label, value in answer.items() if value > 0}


async def _call_in_thread(call: Callable[[], Any]) -> Any:
    """Call in a new thread, which keeps no program from ending, and return the result. The model's limits on calls in
    flight bound the number of threads."""
    future = Future[Any]()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as fault:
            future.set_exception(fault)

    Thread(target=run, name="amendment-function", daemon=True).start()
    return await wrap_future(future)


def _keywords(function: ModelFunction) -> set[str]:
    """Return the names of parameters after the messages; none if Python cannot tell."""
    try:
        return set(list(inspect.signature(function).parameters)[1:])
    except (TypeError, ValueError):
        return set()


def _place(fault: BaseException, function: Any) -> str:
    """Return the last line of the function's own file that the fault went through, as `file:line`."""
    function = getattr(function, "func", function)
    code = getattr(inspect.unwrap(function), "__code__", getattr(getattr(function, "__call__", None), "__code__", None))  # noqa: B004
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    return "{0.filename}:{0.lineno}".format((own or frames)[-1])
