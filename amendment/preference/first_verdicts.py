"""Stop a run whose judge cannot be read, before it has asked all its questions.

Covered: the replies to a judge's first questions in a run, each after a second request, and questions whose replies
are all empty. Not covered: refusals and questions that the server rejects, which do not count as unreadable, and a
judge that is sometimes readable.

A run stops only once: if the ledger has the ten replies from an earlier start, the run continues, so a second start
without a change shows how good the judge is. Empty replies are requested again in each start, so they stop each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from amendment.errors import Paused
from amendment.llm.concurrency import STAGE
from amendment.llm.model import Model
from amendment.llm.replies import shown
from amendment.llm.requests import Answer
from amendment.preference.folder import JudgeFolder
from amendment.preference.parsers import Parsed
from amendment.records import last_text

FIRST = 10
"""At least one of this many first questions must get a readable verdict."""


class FirstVerdicts:
    """The first verdicts of one judge in this start of a run."""

    def __init__(self, folder: JudgeFolder, model: Model) -> None:
        self._folder, self._model = folder, model
        self._unread: Counter[bool] = Counter()
        """Questions without a verdict: those asked in this start (True), and those of earlier ones."""
        self._is_over = False

    def add(self, parsed: Sequence[Parsed], answer: Answer | None, *, prefill: str | None = None) -> None:
        """Count the verdicts of one question; no answer: all of its replies were empty. Raises Paused if none of
        the first FIRST can be read, and if one begins as `prefill` does instead of continuing it."""
        if self._is_over or (answer and (answer.reply.finish_reason == "refusal" or answer.origin.request is None)):
            return
        if any(part.invalid is None for part in parsed):
            self._is_over = True
            return
        if not self._model.calls.stops_early:
            return
        is_new = answer is None or self._model.calls.ledger.is_new(str(answer.origin.request))
        reply = last_text(answer.reply.messages).strip() if answer else ""
        is_begun = bool(reply) and answer is not None and answer.reply.choice_logprobs is not None
        is_restarted = is_begun and prefill is not None and prefill[: len(reply)] == reply[: len(prefill)]
        self._unread[is_new] += 1
        if self._unread[is_new] < FIRST and not is_restarted:
            return
        self._is_over = True
        name = f"{self._model.name}/{self._folder.id}@{self._folder.version}"
        problem = f"none of the first {FIRST} verdicts of {name} could be read"
        if is_restarted:
            host = self._model.provider.host
            problem = (
                f"this server ignores prefill: {host} does not continue the answer that a request of {name} begins"
            )
        if not is_new:
            self._model.calls.notice(f"{problem}; replies in the ledger are not requested again; the run continues")
            return
        lines = [
            f"{STAGE.get() or 'judge'}: {problem} ({parsed[0].invalid}). Finished work is kept.",
            f"  one reply: {shown(reply) if reply else '(no text)'}",
            "Try one of these changes:",
            *(f"  {number}. {way}" for number, way in enumerate(self._ways(), start=1)),
            "Then run again with --accept-changes. Replies in the ledger are not requested again: after a change on "
            "the server itself, give the model's entry another seed. If you run again without a change, the run "
            "continues and counts unreadable verdicts.",
        ]
        raise Paused("\n".join(lines))

    def _ways(self) -> Iterator[str]:
        """Things to try."""
        model, name = self._model, self._model.name
        if model.provider.kind == "openai" and model.takes_prefill and self._folder.prefill:
            yield f"the entry {name} without prefill: true, if its server ignores it"
        if model.scores_texts and not self._folder.protocol.needs_scores:
            yield "protocol: likelihood, which reads no label (its principles need an opposite)"
        elif self._folder.protocol.choices_read(shown=model.shows_choices):
            yield "protocol: verdict, which reads what the judge writes"
        elif model.shows_choices:
            where = ", if its server returns them" if model.provider.kind == "openai" else ""
            yield f"protocol: label-tokens, which reads the probabilities of the labels, not text{where}"
        else:
            yield f"logprobs: true in the entry {name} and protocol: label-tokens, if its server returns probabilities"
        limit = f", or a larger max_tokens (found {model.sampling.max_tokens})" if model.sampling.max_tokens else ""
        yield f"a larger model{limit}"
        if model.provider.kind == "openai" and not model.takes_prefill:
            yield f"prefill: true in the entry {name}, if its server can continue an answer that the request begins"
        else:
            yield "worked examples in the constitution, under few_shot: compare:"
