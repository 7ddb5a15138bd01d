"""No key in any text, log or file, and none that is sent unseen: by its value in all spellings, and by its shape."""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.keys import RedactingFilter, Scanner, find_keys, redact, redact_bytes
from amendment.yamlfile import read_yaml
from benchmarks.key_scanner import code, hashes, made_up, missed
from benchmarks.ordinary_texts import ordinary
from tests.vendors.server import ScriptedServer

KEY = 'our+key/0123"456789'
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40)


def spellings(key: str) -> list[str]:
    raw = key.encode()
    return [
        key,
        json.dumps(key)[1:-1],
        quote(key, safe=""),
        *(base64.b64encode(before + raw).decode() for before in (b"", b"x", b"xy")),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(b"user:" + raw + b"\n").decode(),
    ]


@given(KEYS, st.text(max_size=10), st.text(max_size=10))
def test_a_named_key_is_found_in_every_spelling(key: str, before: str, after: str) -> None:
    for spelling in spellings(key)[:3]:
        assert spelling not in redact(before + spelling + after, [key])
        assert spelling.encode() not in redact_bytes((before + spelling + after).encode("utf-8", "replace"), key)


@given(KEYS, st.binary(max_size=5), st.binary(max_size=5))
def test_of_a_key_in_base64_too_little_is_left_to_guess_it(key: str, before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + key.encode() + after).decode()
    left = redact(text, [key])
    assert "[key]" in left
    # what is around the key, rounded up to whole groups, and at most one group of four signs at either end of it
    assert len(left.replace("[key]", "")) <= 4 * (len(before) // 3 + len(after) // 3 + 4)


@pytest.mark.parametrize("word", ["EMPTY", "none", "x"])
def test_a_word_in_the_place_of_a_key_takes_nothing_out_of_a_reply(word: str) -> None:
    reply = b'{"content": "The box is EMPTY, and none is left; x marks it."}'
    assert redact_bytes(reply, word) == reply


@pytest.mark.parametrize(
    "text", ["sk-abcdefgh", "sk-ant-api03-abcdef", "hf_abcdefghij", "Bearer abcdefgh", "gsk_abcdef", "sk-or-v1-abcdef"]
)
def test_what_is_shaped_like_a_key_is_taken_for_one(text: str) -> None:
    assert redact(f"said {text} here") == "said [key] here"


@pytest.mark.parametrize("text", ["a task-oriented answer", "the risk is low", "ask_me", "keyboard", "monkey-business"])
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_reply_keeps_what_a_model_wrote_in_the_shape_of_a_key() -> None:
    assert redact_bytes(b"use sk-abcdefgh", KEY) == b"use sk-abcdefgh"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    filtering = RedactingFilter()
    filtering.keys.add(KEY)
    handler.addFilter(filtering)
    logger = logging.Logger("ours", logging.DEBUG)
    logger.addHandler(handler)
    yield logger, stream
    handler.close()


def test_messages_arguments_and_tracebacks_are_cleaned(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.debug("header %s and %r", KEY, {"authorization": f"Bearer {KEY}"})
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError:
        logger.exception("failed with %s", KEY, stack_info=True)
    logger.warning("does not %d fit", KEY)
    said = stream.getvalue()
    assert "ValueError: refused [key]" in said
    assert not any(spelling in said for spelling in spellings(KEY))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "/Ab3d" + "5" * 35),
        ("PGPASSWORD", "~tilde-and-more"),
        ("API_KEYS", "one two three"),
        ("MYAPIKEY", ".begins-with-a-dot"),
        ("DB_PASS", 'quo"ted\\back'),
        ("MYSQL_PWD", "plainvalue123"),
        ("GOOGLE_CREDENTIALS", '{"a": "b",\n "c": 1}'),
        ("PROXY_AUTHORIZATION", "Basic abcdefgh"),
    ],
)
def test_no_spelling_of_a_name_or_value_hides_a_key(name: str, value: str) -> None:
    scanner = Scanner({name: value})
    encoded = base64.b64encode(value.encode()).decode()
    for text in (f"it is {value}, I think", json.dumps({"said": value}), f"send {encoded}"):
        (found,) = [key for key in scanner.scan("here", text) if key.is_value]
        assert found.kind == f"the value of {name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGO_URI", "mongodb://db.internal/our-shop"),
        ("DATABASE_URL", "postgresql://db.internal/our-shop"),
        ("SLACK_WEBHOOK", "https://chat.internal/a/b/c"),
        ("SENTRY_DSN", "https://abc@errors.internal/2"),
        ("CONNECTION_STRING", "Server=db.internal;Trusted=yes"),
        ("HOME_PAGE", "ftp://us:correct-horse-7@files.internal"),
    ],
)
def test_an_address_that_lets_in_is_a_key_by_its_variable_or_its_value(name: str, value: str) -> None:
    found = Scanner({name: value}).scan("here", f"it is {value} , I think")
    assert [key.kind for key in found if key.is_value] == [f"the value of {name}"]


SHAPES = Path(__file__).parents[1] / "benchmarks" / "secret_shapes.yaml"


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_of_the_shapes_that_somebody_else_wrote_at_least_95_percent_are_found(seed: int) -> None:
    names = missed(SHAPES, seed)
    assert len(names) <= 0.05 * len(read_yaml(SHAPES).data), names


def test_of_ordinary_texts_at_most_two_in_a_thousand_are_taken_for_keys() -> None:
    texts = [*hashes(300), *made_up(1000), *islice(code(100), 700), *ordinary(Random(7))]
    found = [text for text in texts if any(find_keys(text))]
    assert len(found) <= 0.002 * len(texts), found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("KEYBOARD_LAYOUT", "somelayout"),
        ("GIT_AUTHOR_NAME", "Irmtraud Weber"),
        ("XAUTHORITY", "/root/.Xauthority-none"),
        ("TOKENIZERS_PARALLELISM", "somewhat"),
        ("AUTH_PROVIDER", "anthropic"),
        ("USE_KEYCHAIN", "disabled"),
        ("OLDPWD", "/gone/away"),
    ],
)
def test_settings_and_other_words_are_no_keys(name: str, value: str) -> None:
    assert list(Scanner({name: value}).scan("here", f"it is {value}, I think")) == []


def test_a_path_that_is_there_is_no_key_and_one_that_is_not_may_be(tmp_path: Path) -> None:
    path = tmp_path / "service-account.json"
    scan = Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan
    assert [key.is_value for key in scan("here", f"from {path}")] == [True]
    path.touch()
    assert list(Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan("here", f"from {path}")) == []


CANARY = "canary-0123/456+789=abc"
PROGRAM = """
    import asyncio, json, logging, os, sys
    from pathlib import Path
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)

    from amendment.llm import Calls
    from amendment.errors import AmendmentError
    from amendment.llm import Ledger
    from amendment.llm import AnthropicSpec, OpenAISpec, open_model
    from amendment.records import user

    url, folder = sys.argv[1:]

    async def main():
        shapes = [
            OpenAISpec(provider="openai", model="m", base_url=url + "/v1", api_key_env="OUR_KEY"),
            AnthropicSpec(provider="anthropic", model="m", base_url=url, api_key_env="OUR_KEY"),
        ]
        with Ledger(Path(folder) / "ledger.sqlite") as ledger:
            calls = Calls(ledger, attempts=2, longest_wait=0.01)
            for spec in shapes:
                model = open_model("m", spec, calls, 7)
                for number in range(6):
                    try:
                        answer = await model.ask(user(f"question {number}"))
                        print("answer", answer.reply.messages)
                    except AmendmentError as fault:
                        print("fault", type(fault).__name__, fault, file=sys.stderr)
                        logging.getLogger("ours").exception("failed")
                await model.provider.close()

    asyncio.run(main(), debug=True)
    logging.getLogger("ours").error("the key is %s", os.environ["OUR_KEY"])
    raise SystemExit(3)
"""


class Echo:
    """The bodies of a server that repeats the key in good and bad replies, in several spellings."""

    said = " | ".join(spellings(CANARY))

    def good(self) -> list[dict[str, object]]:
        return [
            {"choices": [{"message": {"content": self.said}, "finish_reason": "stop"}]},
            {"content": [{"type": "text", "text": self.said}], "stop_reason": "end_turn"},
        ]

    def error(self) -> dict[str, object]:
        return {"error": {"message": f"Incorrect API key provided: {self.said}"}}


def test_the_key_is_nowhere_after_a_run_that_fails_in_many_ways(tmp_path: Path) -> None:
    echo = Echo()
    with ScriptedServer() as server:
        for good in echo.good():
            server.will_say(good, headers={"x-request-id": "req_1"})
            server.will_say(echo.error(), status=401)
            server.will_say(echo.error(), status=400)
            for _ in range(2):
                server.will_say(f"<html>{echo.said}</html>".encode())
            for _ in range(2):
                server.will_say(echo.error(), status=503, headers={"retry-after": "0"})
            for _ in range(2):
                server.will_say(good, cut=True)
        ran = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "ignore", "-c", textwrap.dedent(PROGRAM), server.url, str(tmp_path)],
            env={"OUR_KEY": CANARY, "PATH": "", "OPENAI_LOG": "debug", "ANTHROPIC_LOG": "debug", "PYTHONPATH": "."},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert server.answers == []
        assert all(CANARY in json.dumps(asked["headers"]) for asked in server.asked)
    assert ran.returncode == 3, ran.stderr.decode()[-2000:]
    assert b"[key]" in ran.stdout
    written = [ran.stdout, ran.stderr, *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())]
    assert len(written) > 2
    everything = b"\n".join([*written, *map(_unpacked, written)])
    assert not [spelling for spelling in spellings(CANARY) if spelling.encode() in everything]


def _unpacked(raw: bytes) -> bytes:
    """Whatever zlib streams begin in raw bytes."""
    found = []
    for start in range(len(raw)):
        if raw[start : start + 1] == b"\x78":
            try:
                found.append(zlib.decompressobj().decompress(raw[start:], 10**6))
            except zlib.error:
                continue
    return b"\n".join(found)
