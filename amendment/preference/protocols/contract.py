"""What a judge protocol is: one object that builds the request of a question, and reads verdicts from its reply.

Nothing else in the package asks which protocol a judge has: what others need to know of it stands here as a property.
A judge's texts are not part of it; they are in a folder, see `folder`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from amendment.constitutions import Constitution, Principle
from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed
from amendment.preference.protocols.question import SHOT_QUESTION, JudgeQuestion
from amendment.records import Criterion, Message, Messages, Scale, user
from amendment.text import Template, fence

Unit = Literal["pair", "answer"]
"""pair: two answers side by side; answer: one by itself."""
PAIR = ("conversation", "answer_a", "answer_b")
ALONE = ("conversation", "candidate")


@dataclass(frozen=True, kw_only=True)
class JudgeRequest:
    """A question as the model gets it."""

    question: JudgeQuestion
    messages: Messages
    form: str | None = None
    """The expected form of a reply, quoted in the complaint about one that could not be read; None: the protocol's."""
    parts: int = 1
    """Number of verdicts in a reply."""
    shared: int = 0
    """Leading characters that sibling questions have in common."""
    choices: tuple[str, ...] | None = None
    """Labels whose probabilities as the next token are asked for."""
    prefill: str | None = None
    """Text that the answer begins with, where its choices are asked for."""
    plain: Messages | None = None
    """The question for a server without probabilities or schema; None for the same messages."""
    schema: Mapping[str, Any] | None = None
    """JSON schema of the reply."""
    scored: str | None = None
    """The answer whose log-probability is asked for, by `messages` less that by `opposite`; nothing is written."""
    opposite: Messages = ()

    @property
    def plain_messages(self) -> Messages:
        return self.plain or self.messages


class JudgeProtocol:
    """A protocol. A subclass has a name, a form, and `parse` for replies of one verdict or `read` for several; `build`
    and the rest have defaults that serve most."""

    name: str
    form: str
    """The expected form of a reply, quoted to the model once when a reply could not be read."""
    unit: Unit = "pair"
    scale: Scale = "pair"
    """Values of verdicts: of pair "A", "B" or "tie", of score 1 to 10, of binary a truth, of log_odds any number."""
    parser: str | None = None
    """The name of what reads replies, part of a folder's hash; None: that of the protocol."""
    templates: tuple[str, ...] = ("ask",)
    """Names of its texts; where it is one, `template` in judge.yaml names the file. The last is for models that show no
    probabilities."""
    needed: tuple[str, ...] | None = None
    """Placeholders without which a text would not show what is judged; None: those of the unit."""
    optional: tuple[str, ...] = ("conversation", "principle", "question")
    """Placeholders that a text may have besides."""
    choices: tuple[str, ...] = ()
    """Words whose probabilities as the next token are read."""
    needs_choices: bool = False
    """The model must show them; otherwise a written verdict takes their place."""
    needs_scores: bool = False
    """The model must return the log-probability of a given answer."""
    takes_criteria: bool = False
    """Criteria of the folder or of the prompt can stand in place of a principle."""
    structured: JudgeProtocol | None = None
    """The same protocol with one JSON object as its reply, for folders that say `structured: true`."""
    shot: str | None = None
    """A verdict in a worked comparison before the question, `{}` for its letter; None: it takes none, since they hold a
    verdict and no reasoning."""

    def build(self, question: JudgeQuestion) -> JudgeRequest:
        """Fill the first text, and ask for the probabilities of `choices` where the model shows them; else the last."""
        values, setup = question.values(), question.setup
        plain = question.messages(values, use=self.templates[-1])
        choices = self.choices_read(shown=setup.shows_choices)
        if not choices:
            return JudgeRequest(question=question, messages=plain, shared=question.shared(values))
        return JudgeRequest(
            question=question,
            messages=question.messages(values, prefill=setup.prefill),
            shared=question.shared(values),
            choices=choices,
            prefill=setup.prefill,
            plain=plain,
        )

    def read(self, reply: Reply, question: JudgeQuestion) -> Sequence[Parsed]:
        """Return the value of each part of a reply, or the reason why it has none."""
        return [self.parse(reply)]

    @staticmethod
    def parse(reply: Reply) -> Parsed:
        """Return the one value of a reply, or the reason why it has none; never a tie or a default in its place."""
        raise NotImplementedError  # of a protocol that has `read`

    def verdicts(self, parts: Sequence[Parsed], question: JudgeQuestion) -> Sequence[Parsed]:
        """Return the verdicts that the parts of a reply come to."""
        return parts

    def needs_plain(self, reply: Reply) -> bool:
        """Return whether the probabilities of a reply cannot be used, so that the plain question is asked."""
        return False

    def criterion(self, principle: Principle) -> Criterion | None:
        """Return the criterion that stands for a principle; None where the principle is asked by itself."""
        return None

    @property
    def parser_name(self) -> str:
        return self.parser or self.name

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Return those that every text must have."""
        return self.needed or (PAIR if self.unit == "pair" else ALONE)

    @property
    def writes(self) -> bool:
        """Return whether the model writes its verdict as a text of any length."""
        return not (self.needs_choices or self.needs_scores)

    def choices_read(self, *, shown: bool) -> tuple[str, ...]:
        """Words whose probabilities are read, for a model that returns them (`shown`) or not."""
        return self.choices if self.needs_choices or shown else ()

    def misfits(
        self,
        model: str,
        *,
        shows_choices: bool | None,
        scores_texts: bool | None,
        constitutions: Sequence[Constitution],
        samples: int,
    ) -> Iterator[tuple[Literal["protocol", "samples"], str]]:
        """Yield what keeps a judge from asking a model, as predicates with the keys of the entry that are wrong.

        What the model can do is None where only its provider knows.
        """
        if self.needs_choices and shows_choices is False:
            plain = "use protocol: verdict with samples"
            yield "protocol", f"reads token probabilities, and model {model} shows none; {plain}"
        if self.needs_scores and scores_texts is False:
            yield (
                "protocol",
                f"reads the log-probability of a given answer, and model {model} returns none; use a local model, or a "
                "server whose entry can say prompt_logprobs: true (vLLM)",
            )
        if problem := self.misfit(constitutions):
            yield "protocol", problem
        if samples > 1 and self.needs_scores:
            yield "samples", f"draws nothing, so that all samples are the same: found {samples}, expected 1"
        elif samples > 1 and self.choices_read(shown=bool(shows_choices)):
            votes = "for votes use protocol: verdict"
            yield "samples", f"reads all probabilities from one reply: found {samples} samples, expected 1; {votes}"

    def misfit(self, constitutions: Sequence[Constitution]) -> str | None:
        """Return what keeps a judge from asking by these constitutions, as a predicate; None where nothing does."""
        return None

    def worked_examples(self, constitution: Constitution, template: Template) -> Messages:
        """Return a constitution's worked comparisons as turns before the question, in exactly the question's form."""
        turns: list[Message] = []
        for shot in constitution.few_shot.compare if self.shot else ():
            blocks = fence(
                {
                    "conversation": [{"role": "user", "content": shot.prompt}],
                    "answer_a": [{"role": "assistant", "content": shot.a}],
                    "answer_b": [{"role": "assistant", "content": shot.b}],
                }
            )
            principle = constitution.find_statement(shot.principle)
            turns += user(template.fill({**blocks, "principle": principle, "question": SHOT_QUESTION}))
            turns.append(Message(role="assistant", content=str(self.shot).format(shot.answer)))
        return tuple(turns)
