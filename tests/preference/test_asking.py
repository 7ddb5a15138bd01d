"""One question to a judge's model: asked once more where it could not be read, asked in words where the server shows no
probabilities, and kept as invalid, raised or left pending where the server fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from amendment.constitutions import AppliesWhen
from amendment.errors import ConfigError, CredentialsError, Rejected, Transient
from amendment.llm import anthropic, openai
from amendment.llm.provider import RawReply
from amendment.llm.requests import Reply, Request
from amendment.records import Candidate, Message, Prompt, Sampling, Verdict, last_text, user
from tests.preference.scripted_judge import (
    Scripted,
    always_first,
    compare,
    house,
    judge,
    labels,
    likes_good,
    principle,
    shown,
    written,
)

# Asked once more


def twice(first: Reply, second: Reply | Exception) -> Scripted:
    """The first answer to a question, and the second to a complaint."""

    def say(request: Request) -> Reply:
        reply = second if len(request.messages) > 1 else first
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Scripted(say)


def verdict_of(provider: Scripted, folder: str = "verdict") -> Verdict:
    (verdict,) = compare(judge(provider, folder, orders="first")).verdicts
    return verdict


@pytest.mark.parametrize(
    ("text", "complaint"), [("Both are fine.", "no verdict line"), ("Verdict: A\nVerdict: B", "2 verdict lines")]
)
def test_the_complaint_and_the_form_are_told_and_the_second_answer_counts(text: str, complaint: str) -> None:
    provider = twice(written(text), written("Verdict: B"))
    verdict = verdict_of(provider)
    first, second = provider.asked
    assert second.messages[0] == first.messages[0]
    assert second.messages[1] == Message(role="assistant", content=text)
    said = last_text(second.messages[2:])
    assert complaint in said
    assert "Verdict: tie" in said
    assert (verdict.value, verdict.invalid, verdict.origin.request) == ("B", None, second.id)


SILENT = Transient("here: the reply is empty", kind="empty")
REFUSED = Reply(finish_reason="refusal")


@pytest.mark.parametrize(
    ("first", "second", "asked", "invalid"),
    [
        (written("Hm."), written("Well."), 2, "no verdict line"),
        (written("Hm."), Rejected("too long"), 2, "no verdict line"),
        (written("Hm."), SILENT, 3, "no verdict line"),
        (REFUSED, written("Verdict: B"), 1, "refused"),
        (Reply(), written("Verdict: B"), 1, "no verdict line"),
        (written("Verdict: A"), written("Verdict: B"), 1, None),
    ],
)
def test_a_third_answer_is_never_asked_for(
    first: Reply, second: Reply | Exception, asked: int, invalid: str | None
) -> None:
    provider = twice(first, second)
    assert verdict_of(provider).invalid == invalid
    assert len(provider.asked) == asked  # a silence is tried twice


def cut(text: str | None = None, thinking: str | None = None) -> Reply:
    messages = (Message(role="assistant", content=text, thinking=thinking),) if text or thinking else ()
    return Reply(messages=messages, finish_reason="length")


def by_limit(**replies: Reply | Exception) -> Scripted:
    """The reply to a request by its limit, as in `to_1024`."""

    def say(request: Request) -> Reply:
        reply = replies[f"to_{request.sampling.max_tokens}"]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Scripted(say, shows_choices=False)


@pytest.mark.parametrize("folder", ["verdict", "reasoned", "structured", "score"])
@pytest.mark.parametrize("first", [cut(), cut(thinking="Let me see"), cut("At first sight A")])
def test_a_verdict_that_is_cut_is_asked_once_more_with_twice_the_limit(folder: str, first: Reply) -> None:
    text = "Score: 7" if folder == "score" else '{"verdict": "B"}' if folder == "structured" else "Verdict: B"
    provider = by_limit(to_1024=first, to_2048=written(text))
    found = compare(judge(provider, folder, orders="first", sampling=Sampling(max_tokens=1024))).verdicts
    assert [verdict.invalid for verdict in found] == [None] * len(found)
    short, longer = provider.asked[:2]
    assert longer == short.model_copy(update={"sampling": Sampling(max_tokens=2048)})
    assert found[0].origin.request == longer.id
    assert len(provider.asked) == 2 * len(found)


TOO_LONG = Rejected("max_tokens is too large")


@pytest.mark.parametrize(
    ("first", "second", "most", "limits", "invalid"),
    [
        (cut(thinking="Hm"), cut(), 10**6, [1024, 2048], "cut while thinking, at 2,048 tokens"),
        (cut(), cut("A is"), 10**6, [1024, 2048], "the reply was cut at its limit of 2,048 tokens"),
        (cut(), written("Hm."), 10**6, [1024, 2048], "no verdict line"),
        (cut(), TOO_LONG, 10**6, [1024, 2048], "cut while thinking, at 1,024 tokens"),
        (cut(), cut(), 1500, [1024, 1500], "cut while thinking, at 1,500 tokens"),
        (cut(), cut(), 1024, [1024], "cut while thinking, at 1,024 tokens"),
    ],
)
def test_a_verdict_that_is_cut_again_is_invalid_and_says_where(
    first: Reply, second: Reply | Exception, most: int, limits: list[int], invalid: str
) -> None:
    provider = by_limit(to_1024=first, to_2048=second, to_1500=second)
    asked = judge(provider, "verdict", orders="first", sampling=Sampling(max_tokens=1024), max_output=most)
    (verdict,) = compare(asked).verdicts
    assert verdict.invalid == invalid
    assert [request.sampling.max_tokens for request in provider.asked] == limits, "never a third, nor above the most"
    assert all(len(request.messages) == 1 for request in provider.asked), "and without a complaint"


def test_probabilities_that_name_no_label_are_not_argued_with() -> None:
    provider = twice(Reply(messages=written("The").messages, choice_logprobs={"A": -5.0, "B": -5.0}), written("A"))
    assert "the labels hold 1%" in str(verdict_of(provider, "label-tokens").invalid)
    assert len(provider.asked) == 1


# Servers that show probabilities, or not

PROMPT = Prompt(messages=user("please add 3 8"))
ANSWERS = [
    Candidate(prompt_id=PROMPT.id, messages=(Message(role="assistant", content=text),), kind="imported")
    for text in ("the answer is 11", "the answer is 12", "i will not help", "i am not certain")
]
SHOWN = Reply(messages=(Message(role="assistant", content="A"),), choice_logprobs={"A": -0.1, "B": -2.5})
VOTE = SHOWN.model_copy(update={"choice_logprobs": None})
CUT = VOTE.model_copy(update={"finish_reason": "length"})
"""The article that begins WHOLE, at a limit of one token."""
WHOLE = written("A fair look at both shows that the second is better.\nVerdict: B")


class Server(Scripted):
    """Answers question n, from 0; others have the time to come, too."""

    def __init__(self, reply: Callable[[int, Request], Reply], *, shows_choices: bool = True) -> None:
        super().__init__(always_first, shows_choices=shows_choices)
        self.reply, self.before_first_answer = reply, 0

    async def send(self, request: Request) -> RawReply:
        number = len(self.asked)
        self.asked.append(request)
        for _ in range(20):
            await asyncio.sleep(0)
        self.before_first_answer = self.before_first_answer or len(self.asked)
        return RawReply(self.reply(number, request).model_dump_json().encode())

    @property
    def with_choices(self) -> int:
        return sum(request.choices is not None for request in self.asked)


class Judged(NamedTuple):
    """The result of six comparisons of two questions each, asked at once."""

    values: list[Any]
    invalids: list[str]
    faults: list[BaseException]
    notices: dict[str, int]


def judged(server: Server) -> Judged:
    asked = judge(server, "label-tokens")

    async def main() -> list[Any]:
        pairs = [asked.verdicts(PROMPT, *pair) for pair in combinations(ANSWERS, 2)]
        return await asyncio.gather(*pairs, return_exceptions=True)

    with asked.model.calls.ledger:
        found = asyncio.run(main())
    verdicts = [verdict for one in found if not isinstance(one, BaseException) for verdict in one]
    faults = [one for one in found if isinstance(one, BaseException)]
    invalids = [verdict.invalid for verdict in verdicts if verdict.invalid]
    return Judged([verdict.value for verdict in verdicts], invalids, faults, dict(asked.model.calls.notices))


def refuses(_: int, request: Request) -> Reply:
    if request.choices:
        raise Rejected("gateway: status 400: Unsupported parameter: 'logprobs'")
    return VOTE


@pytest.mark.parametrize(
    ("reply", "values", "asked", "with_choices"),
    [
        (lambda number, request: VOTE, ["A"] * 12, 12, 1),
        (refuses, ["A"] * 12, 13, 1),
        (lambda number, request: CUT if request.sampling.max_tokens == 1 else WHOLE, ["B"] * 12, 13, 1),
        (lambda number, request: SHOWN, ["A"] * 12, 12, 12),
        (lambda number, request: SHOWN if number else REFUSED, [None] + ["A"] * 11, 12, 12),
    ],
    ids=["votes", "refuses the question", "cuts an article", "shows them", "a refusal first"],
)
def test_the_first_question_finds_out_what_a_server_shows(
    *, reply: Callable[[int, Request], Reply], values: list[Any], asked: int, with_choices: int
) -> None:
    server = Server(reply)
    found = judged(server)
    assert sorted(found.values, key=str) == sorted(values, key=str)
    assert (len(server.asked), server.with_choices) == (asked, with_choices)
    assert server.before_first_answer == 1
    assert len(found.notices) == (with_choices == 1)
    assert all("gives" in notice or "one vote" in notice for notice in found.notices)


def test_after_probabilities_were_shown_an_answer_without_them_is_no_vote() -> None:
    found = judged(Server(lambda number, request: CUT if number == 5 else SHOWN))
    assert found.values.count("A") == 11
    assert len(found.invalids) == 1
    assert found.notices == {}


UNLISTED = Reply(messages=written("The").messages, choice_logprobs={}, least_logprob=-9.0)
"""The reply of a server that lists the likeliest tokens, of which none is a label."""


def test_a_first_answer_whose_listed_tokens_hold_no_label_does_not_turn_probabilities_off() -> None:
    server = Server(lambda number, request: SHOWN if number else UNLISTED)
    found = judged(server)
    assert found.values.count("A") == 11
    assert found.invalids == ["the reply lists no label's probability"]
    assert (server.with_choices, found.notices) == (12, {})


def test_a_rejection_that_quotes_a_question_about_log_probabilities_is_not_taken_for_one_of_the_entry() -> None:
    def refuse(request: Request) -> Reply:
        raise Rejected("here: status 400: too long: 'What is prompt_logprobs in vLLM?'")

    provider = Scripted(refuse)
    provider.kind = "openai"
    assert "too long" in str(verdict_of(provider).invalid)


def test_a_first_question_that_fails_holds_up_nobody() -> None:
    def reply(number: int, request: Request) -> Reply:
        if number == 0:
            raise Transient("busy", kind="server")
        return SHOWN

    server = Server(reply)
    assert judged(server).values == ["A"] * 12  # its second attempt succeeds
    assert server.with_choices == 13


# What siblings share


@pytest.mark.parametrize(
    ("settings", "last_shared", "first_own"),
    [
        ({"principles_per_pair": 3}, "The principle:", "Be "),
        ({"samples": 2, "orders": "first"}, "The principle:", "Be "),
        ({"orders": "both"}, "<<end conversation", "<<answer_a"),
        ({"orders": "first"}, "You compare two answers", "<<conversation"),
    ],
)
def test_providers_are_told_how_much_of_a_question_its_siblings_share(
    settings: dict[str, Any], last_shared: str, first_own: str
) -> None:
    server = Server(lambda number, request: written("Verdict: A"), shows_choices=False)
    rules = house(*(principle(name) for name in ("kind", "brief", "true")))
    compare(judge(server, "verdict", constitution=rules, **settings))
    assert server.before_first_answer == 1, "the first goes alone, for the prefix cache"
    for request in server.asked:
        text = last_text(request.messages)
        assert last_shared in text[: request.shared]
        assert text[request.shared :].startswith(first_own)
        assert request.id == request.model_copy(update={"shared": 0}).id


# Faults


def test_a_judge_by_label_tokens_needs_a_model_that_shows_them_and_one_sample() -> None:
    with pytest.raises(ConfigError, match="judge label-tokens reads token probabilities, and model judge-1 shows none"):
        judge(Scripted(always_first, shows_choices=False))
    with pytest.raises(ConfigError, match="found 3 samples, expected 1"):
        judge(Scripted(likes_good), samples=3)


def unread(body: bytes, read: Callable[[bytes, Request], Reply] = openai.read_reply) -> Transient:
    """The fault that a provider raises when it reads a body."""
    with pytest.raises(Transient) as caught:
        read(body, Request(provider="openai", host="here", model="m", messages=user("Hi"), sampling=Sampling()))
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        Rejected("too long"),
        unread(b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}'),
        unread(b'{"choices": []}'),
        unread(b'{"content": null}', anthropic.read_reply),
        unread(b'{"output": null}', openai.read_reply),
    ],
)
@pytest.mark.parametrize("folder", ["label-tokens", "verdict", "structured"])
def test_a_silent_or_rejected_question_costs_its_own_verdict_and_not_the_comparison(
    folder: str, fault: Transient | Rejected
) -> None:
    def say(request: Request) -> Reply:
        if shown(request)[0] == "good":
            raise fault
        return labels(0.2) if request.choices else written('Verdict: B\n{"verdict": "B"}')

    asked = judge(Scripted(say), folder)
    made = compare(asked)
    silent, heard = sorted(made.verdicts, key=lambda verdict: verdict.invalid is None)
    assert silent.invalid in (f"the model said nothing: {fault}", f"rejected: {fault}")
    assert silent.origin.template == asked.folder.hash
    assert (heard.value, made.judgement.n_invalid) == ("B", 1)


@pytest.mark.parametrize("is_complaint", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        *(Transient("later", kind=kind) for kind in ("server", "transport", "refused", "deadline", "unreadable")),
        CredentialsError("no key"),
        unread(b"<html>busy</html>"),
        unread(b'{"error": {"message": "overloaded"}}'),
    ],
)
def test_an_outage_in_whatever_guise_leaves_the_comparison_to_be_asked_again(
    fault: Transient | CredentialsError, is_complaint: bool
) -> None:
    def say(request: Request) -> Reply:
        if is_complaint and len(request.messages) == 1:
            return written("Hm.")
        raise fault

    with pytest.raises((Transient, CredentialsError)) as caught:
        compare(judge(Scripted(say), "verdict"))
    assert caught.value is fault


def test_what_cannot_be_compared_is_refused() -> None:
    rules = house(principle("medical", applies_when=AppliesWhen(categories=("health",))))
    prompt = Prompt(messages=user("Hi"), category="code")
    with pytest.raises(ConfigError, match=r"no principle of house .* category 'code'; add one, or leave these prompts"):
        compare(judge(Scripted(likes_good), constitution=rules), prompt=prompt)


def test_equal_answers_and_answers_to_two_prompts_are_refused_before_any_call() -> None:
    scripted = Scripted(likes_good)
    with pytest.raises(ConfigError, match="a and b are the same answer"):
        compare(judge(scripted), "same", "same")
    elsewhere = Candidate(prompt_id="s2:0", messages=(Message(role="assistant", content="good"),), kind="imported")
    with pytest.raises(ConfigError, match="candidates of two prompts"):
        compare(judge(scripted), elsewhere, "bad")
    assert not scripted.asked
