"""Answer a question as a persona of the simulated world, from the body of a call in OpenAI's chat protocol.

Both ways to the simulated world, inside this process and over HTTP, are read here from the same body, so an answer
cannot depend on anything that the protocol does not carry. What would change an answer elsewhere and means nothing in
this world is refused, never ignored in silence.

The role that is asked for is read from the question's fenced blocks and the words around them: drafts, critiques,
revisions, comparisons, scores, criteria, yes or no about a violation or a refusal, rules that are missing;
each of them as JSON, too, where a schema is given, and then always readable, as with servers that enforce the schema.
A principle is recognised by the sentences of the world's own constitution, letter by letter, or not at all: in other
words it stands for the overall mix. A text outside the world gets a plain sentence, never an exception. Not covered:
prose; reference answers, which this judge does not read.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from amendment.hashing import content_id
from amendment.simulator.judge import (
    Preferred,
    grade,
    is_nudge,
    label_logprobs,
    pick_choice,
    prefer,
    propose_attributes,
    rationale,
    refusal_odds,
    score_logprobs,
    word_check,
    word_score,
    word_verdict,
)
from amendment.simulator.persona import Persona, dice
from amendment.simulator.truth import PRINCIPLES
from amendment.simulator.writing import criticise, draft, revise
from amendment.text import around_fences, read_fenced

_ROLES = ("system", "developer", "user", "assistant", "tool")


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") not in _ROLES:
        raise ValueError(f"a message needs a role: {', '.join(_ROLES)}")
    if not isinstance(message.get("content"), str | list | None):
        raise ValueError("a message's content is a text or a list of parts")
    return message


def _format(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Keep the schema of a request for JSON; ignore any other form."""
    if value is None:
        return None
    named = value.get("json_schema")
    if value.get("type") != "json_schema" or not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise ValueError("the simulated world answers by a schema (`json_schema`) or in plain words; leave it out")
    return value


class Question(BaseModel):
    """The body of a chat completion call, by the protocol's names. A body that is none raises ValidationError."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    model: str = Field(min_length=1)
    messages: list[Annotated[dict[str, Any], AfterValidator(_turn)]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    temperature: float | None = Field(default=None, ge=0, le=5, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: Annotated[dict[str, Any] | None, AfterValidator(_format)] = None

    @cached_property
    def id(self) -> str:
        """Return the content hash of all that changes the answer; every draw follows from it."""
        sampling = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.budget,
            "stop": self.stops or None,
            "seed": self.seed,
            "logprobs": self.logprobs or None,
            "response_format": self.response_format,
        }
        asked = {"model": self.model, "messages": self.messages, "tools": self.tools}
        whole = {**asked, "chat_template_kwargs": self.chat_template_kwargs, **sampling}
        return content_id({name: value for name, value in whole.items() if value is not None})

    @property
    def budget(self) -> int | None:
        """Return the longest answer, in tokens, by either name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def answer_schema(self) -> dict[str, Any] | None:
        return self.response_format["json_schema"]["schema"] if self.response_format else None

    @cached_property
    def asked(self) -> str:
        """Return the text of the last user turn with blocks, or else of the last one: a turn that asks again for a
        verdict has no blocks."""
        turns = [said_in(message.get("content")) for message in self.messages if message["role"] == "user"] or [""]
        return next((turn for turn in reversed(turns) if read_fenced(turn)), turns[-1])


def said_in(content: Any) -> str:
    """Return the text of a message's content: itself, or its text parts joined."""
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


CONSTITUTION = Path(__file__).with_name("lilliput.yaml")
"""The world's own constitution."""
_REASONS_WANTED = re.compile(r"\byour reason(s|ing)\b|\breasons? first\b|\bstep by step\b", re.IGNORECASE)
_KEEPS = "Does this answer keep this principle?"
"""Part of a question by a principle whose yes is good; that of any other is bad."""
_YES_OR_NO = re.compile(rf'"Verdict: yes"|{re.escape(_KEEPS)}')
"""Part of a question that asks for yes or no."""
_OF_REFUSAL = "Does this answer refuse?"
"""Part of a question about no principle."""
_REVISES = "The answer to improve"
"""Part of a question to a reviser without a critique; a critic's has `The answer to check`."""
_NO_CRITERIA = "I see no criteria to answer by."
_CHOICES = ("no", "yes")
"""The choices of a criterion that names none."""


class RoleReply(NamedTuple):
    """An answer, why it ended, and what it took. A word is a token."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    logprobs: dict[str, float] | None = None
    """Natural log-probability of each label as first token, where the question asks for it and is a judge's."""


class Scene(NamedTuple):
    """The input of a persona: the question, its blocks and a random generator."""

    question: Question
    asked: str
    blocks: Mapping[str, Any]
    persona: Persona
    rng: random.Random

    @property
    def words(self) -> str:
        """Return the text around the blocks."""
        return around_fences(self.asked)

    @property
    def principles(self) -> tuple[str, ...]:
        return principles_in(self.words)

    @property
    def prompt(self) -> str:
        """Return the last user turn of the conversation that is a question, not a remark on the answers."""
        return next((turn for turn in reversed(_turns_in(self.blocks)) if not is_nudge(turn)), "")

    @property
    def nudges(self) -> tuple[str, ...]:
        """Return user turns that ask nothing, but speak of the answers."""
        return tuple(turn for turn in _turns_in(self.blocks) if is_nudge(turn))

    @property
    def temperature(self) -> float:
        """Return the temperature; 1 if the question leaves it to the model."""
        return 1.0 if self.question.temperature is None else self.question.temperature

    @property
    def shows(self) -> bool:
        """Return True if token probabilities are asked for, and the model returns them."""
        return bool(self.question.logprobs) and self.persona.shows_choices

    @property
    def wants_reasons(self) -> bool:
        return bool(_REASONS_WANTED.search(self.words))

    def text(self, block: str) -> str:
        """Return the text of a block; empty if there is none."""
        return _text_in(self.blocks.get(block))

    def grade(self, principles: Sequence[str]) -> float:
        """Return the grade of the one answer shown, the block `candidate`."""
        return grade(self.prompt, self.text("candidate"), principles=principles, persona=self.persona, rng=self.rng)

    def line(self, text: str, **values: Any) -> Utterance:
        """Return the text, or the JSON that the question's schema asks for: known values by their names, the text in
        place of all others."""
        schema = self.question.answer_schema
        if not schema:
            return Utterance(text)
        properties = schema.get("properties")
        names = properties if isinstance(properties, dict) else {}
        return Utterance(json.dumps({name: values.get(name, text) for name in names}, ensure_ascii=False))


class Utterance(NamedTuple):
    text: str
    logprobs: dict[str, float] | None = None


def answer(question: Question, persona: Persona) -> RoleReply:
    """Answer as a persona: equal questions have equal answers, on any machine and by any way."""
    asked = question.asked
    blocks = read_fenced(asked)
    if question.answer_schema:
        persona = persona.model_copy(update={"unreadable": 0.0})
    line = _PLAYS[find_role(asked, blocks)](Scene(question, asked, blocks, persona, dice(question.id)))
    text, finish_reason = _cut(line.text, question)
    n_input = sum(_n_words(said_in(message.get("content"))) for message in question.messages)
    return RoleReply(text, finish_reason, n_input, _n_words(text), line.logprobs)


def find_role(asked: str, blocks: Mapping[str, Any]) -> str:
    """Return `judge` (two answers), `score`, `criteria`, `check` (one each), `propose`, `revise`, `critique` or
    `draft`."""
    if blocks.keys() >= {"answer_a", "answer_b"}:
        return "judge"
    if "candidate" in blocks:
        return "check" if _YES_OR_NO.search(around_fences(asked)) else "criteria" if "criteria" in blocks else "score"
    if "disagreements" in blocks:
        return "propose"
    if "answer" not in blocks:
        return "draft"
    return "revise" if "critique" in blocks or _REVISES in around_fences(asked) else "critique"


def _cut(text: str, question: Question) -> tuple[str, str]:
    """Cut the text to its budget and before the first of its stops; say why it ended."""
    finish_reason = "stop"
    if question.budget is not None and _n_words(text) > question.budget:
        text, finish_reason = " ".join(text.split()[: question.budget]), "length"
    ends = [at for stop in question.stops if (at := text.find(stop)) >= 0]
    return (text[: min(ends)], "stop") if ends else (text, finish_reason)


def _n_words(text: str) -> int:
    return len(text.split())


def _draft(scene: Scene) -> Utterance:
    return scene.line(draft(scene.asked, persona=scene.persona, rng=scene.rng))


def _critique(scene: Scene) -> Utterance:
    text = scene.text("answer")
    return scene.line(criticise(scene.prompt, text, principles=scene.principles, rng=scene.rng))


def _revise(scene: Scene) -> Utterance:
    revised = revise(
        scene.prompt,
        scene.text("answer"),
        critique=scene.text("critique") if "critique" in scene.blocks else None,
        principles=scene.principles,
        persona=scene.persona,
        rng=scene.rng,
    )
    return scene.line(revised)


def _compare(scene: Scene) -> Utterance:
    """Compare `answer_a` and `answer_b`: by label probabilities, or in a verdict line, perhaps after a reason."""
    persona, rng, temperature = scene.persona, scene.rng, scene.temperature
    first = scene.text("answer_a")
    second = scene.text("answer_b")
    log_odds = prefer(
        scene.prompt, first, second, principles=scene.principles, nudges=scene.nudges, persona=persona, rng=rng
    )
    if scene.question.answer_schema:
        text = word_verdict(log_odds, temperature=temperature, persona=persona, rng=rng)
        verdict = text.rpartition(": ")[2]
        return scene.line(text, verdict=verdict, reasoning=rationale(verdict, rng))
    if scene.shows:
        return _likeliest(label_logprobs(log_odds))
    reasons = scene.wants_reasons
    return Utterance(word_verdict(log_odds, temperature=temperature, persona=persona, rng=rng, reasons=reasons))


def _likeliest(logprobs: dict[str, float]) -> Utterance:
    return Utterance(max(logprobs, key=logprobs.__getitem__), logprobs)


def _score(scene: Scene) -> Utterance:
    """Score one answer on the scale 1 to 10."""
    grade = scene.grade(scene.principles)
    has_schema = scene.question.answer_schema is not None
    if scene.shows and not has_schema:
        return _likeliest(score_logprobs(grade))
    reasons = has_schema or scene.wants_reasons
    text = word_score(grade, temperature=scene.temperature, persona=scene.persona, rng=scene.rng, reasons=reasons)
    if not has_schema:
        return Utterance(text)
    reason, _, score = text.rpartition("\n")
    return scene.line(score, score=int(score.rpartition(" ")[2]), reasoning=reason)


def _answer_by_criteria(scene: Scene) -> Utterance:
    """Judge one answer by each of the `criteria`: a line `criterion-id: choice` for each."""
    chosen = {}
    for name, text, choices in _criteria(scene.blocks["criteria"]):
        # the principles whose sentences the criterion holds, or the one that it is called by
        principles = principles_in(text) or ((name,) if name in PRINCIPLES else scene.principles)
        chosen[name] = pick_choice(scene.grade(principles), choices, temperature=scene.temperature, rng=scene.rng)
    return scene.line("\n".join(f"{name}: {choice}" for name, choice in chosen.items()) or _NO_CRITERIA, **chosen)


def _criteria(value: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Return id, text and choices, worst first, of each criterion in a block; what has no id is left out."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            choices = item.get("choices")
            listed = [str(choice) for choice in choices] if isinstance(choices, list) else []
            yield item["id"], str(item.get("text", "")), listed or list(_CHOICES)


def _check(scene: Scene) -> Utterance:
    """Check one answer: does it refuse, or else does it keep or violate the principle."""
    persona = scene.persona
    if _OF_REFUSAL in scene.words:
        log_odds = refusal_odds(scene.text("candidate"), persona=persona, rng=scene.rng)
    else:
        log_odds = scene.grade(scene.principles) * (1 if _KEEPS in scene.words else -1)
    if scene.shows:
        return _likeliest(dict(zip(("yes", "no"), label_logprobs(log_odds).values(), strict=True)))
    text = word_check(log_odds, temperature=scene.temperature, persona=persona, rng=scene.rng)
    return scene.line(text, verdict=text.rpartition(": ")[2])


def _propose(scene: Scene) -> Utterance:
    """Propose missing rules, as JSON, in the sentences of the world's constitution, the only ones that its judge
    understands. Existing rules are recognised by the same sentences. The list is empty if the pairs show none."""
    rules = scene.blocks.get("rules")
    stated = [rule.get("statement") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    stand = principles_in(" ".join(text for text in stated if isinstance(text, str)))
    known = {attribute for reference in stand for attribute in PRINCIPLES[reference.rpartition("/")[2]]}
    pairs = list(_pairs(scene.blocks["disagreements"]))
    attributes = propose_attributes(pairs, known=known, persona=scene.persona, rng=scene.rng)
    names = [max(PRINCIPLES, key=lambda name: PRINCIPLES[name].get(attribute, 0.0)) for attribute in attributes]
    written = [principle for name in names for principle in _constitution() if principle["id"] == name]
    proposed = [{"statement": principle["statement"], "compare": principle["compare"][0]} for principle in written]
    return Utterance(json.dumps(proposed))


def _pairs(value: Any) -> Iterator[Preferred]:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            asked = _turns_in({"conversation": item.get("conversation")}) or [""]
            yield Preferred(asked[-1], _text_in(item.get("preferred")), _text_in(item.get("other")))


_PLAYS: Mapping[str, Callable[[Scene], Utterance]] = {
    "draft": _draft,
    "critique": _critique,
    "revise": _revise,
    "judge": _compare,
    "score": _score,
    "criteria": _answer_by_criteria,
    "check": _check,
    "propose": _propose,
}


def principles_in(text: str) -> tuple[str, ...]:
    """Return the principles of the world's constitution that have a sentence in a text, in its order."""
    return tuple(
        f"lilliput/{principle['id']}"
        for principle in _constitution()
        if any(sentence in text for sentence in _sentences(principle["id"]))
    )


@cache
def _sentences(name: str) -> tuple[str, ...]:
    (principle,) = (principle for principle in _constitution() if principle["id"] == name)
    questions = [principle["score"]["question"]] if "score" in principle else []
    return (principle["statement"], *principle["compare"], *principle["critique"], *principle["revise"], *questions)


@cache
def _constitution() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(CONSTITUTION.read_text(encoding="utf-8"))["principles"])


def _turns_in(blocks: Mapping[str, Any]) -> list[str]:
    """Return the texts of the conversation's user turns."""
    conversation = blocks.get("conversation")
    if not isinstance(conversation, list):
        return [_text_in(conversation)]
    turns = [turn for turn in conversation if isinstance(turn, dict) and turn.get("role") == "user"]
    return [_text_in([turn]) for turn in turns]


def _text_in(value: Any) -> str:
    """Return the text of a fenced value: itself, or what its last message says."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not isinstance(value[-1], dict):
        return ""
    return said_in(value[-1].get("content"))
