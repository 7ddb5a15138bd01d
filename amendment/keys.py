"""Keys: what they look like, how they are taken out of texts and logs, and how they are found in what leaves a machine.

No key is ever written anywhere; this is the second net under that rule. Covered: values that are named, raw, in base64,
URL-encoded and JSON-escaped; the shapes of vendors' keys, with invisible characters inside. Not covered: keys cut in
pieces, and secrets without a shape (a password, a bare hexadecimal key) that are the value of no variable. Nothing here
measures entropy: hashes and identifiers are not keys. A finding has a place and a kind, and no part of the key.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

from amendment.errors import DataError, Problem
from amendment.yamlfile import capped

_RANGES = """
0-8 b-1f 7f-9f ad 34f 600-605 61c 6dd 70f 890-891 8e2 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 2800
3164 fe00-fe0f feff ffa0 fff0-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff
"""
_ENDS = [
    (int(first, 16), int(last or first, 16)) for first, _, last in (span.partition("-") for span in _RANGES.split())
]
_SHOWN: dict[int, str | None] = {
    **{code: None for first, last in _ENDS for code in range(first, last + 1)},
    **dict.fromkeys((0x2010, 0x2011), "-"),
}
"""Characters that no reader sees, by code: Cc but for newline and tab, Cf, Default_Ignorable, and the empty Braille
pattern. Two hyphens look like the one of keys."""
_CHANGED = re.compile("[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _ENDS) + "\u2010\u2011]")
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
"""Asserts that no letter or digit precedes a key, except in the escapes of JSON and of URLs."""

_SLUG = (
    r"(?!(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,4})"
    r"(?:[-_]+(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,4}))+(?![A-Za-z0-9_-]))"
)
"""Asserts that no words joined by hyphens follow, as in names of CSS classes and YOUR_KEY_HERE."""
_MIXED = r"(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])"
"""Asserts that small letters and capitals follow, as in no word and no hash."""
_PLACEHOLDER = r"(?:password|passwd|passw|pass|pwd|secret|token|your\w*|my\w*|example\w*|changeme|x+|\*+|\.+)"
_TEXT = r"[A-Za-z0-9_-]"
SHAPES: dict[str, tuple[str, str]] = {
    "Anthropic key": ("sk-ant-", rf"sk-ant-{_TEXT}{{20,}}"),
    "OpenAI key": (
        "sk-",
        rf"sk-(?!ant-)(?:proj-|svcacct-|admin-|None-|or-v1-|lf-)?{_SLUG}{_TEXT}{{20,}}",
    ),
    "Hugging Face token": ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    "Hugging Face organisation token": ("api_org_", r"api_org_[A-Za-z0-9]{30,}"),
    "Groq key": ("gsk_", r"gsk_[A-Za-z0-9]{20,}"),
    "xAI key": ("xai-", rf"xai-{_SLUG}{_TEXT}{{20,}}"),
    "NVIDIA key": ("nvapi-", rf"nvapi-{_SLUG}{_TEXT}{{20,}}"),
    "Together key": ("tgp_v", rf"tgp_v\d_{_SLUG}{_TEXT}{{20,}}"),
    "Fireworks key": ("fw_", r"(?<!_)fw_[A-Za-z0-9]{20,}"),
    "Cerebras key": ("csk-", r"csk-[A-Za-z0-9]{20,}"),
    "Perplexity key": ("pplx-", r"pplx-[A-Za-z0-9]{20,}"),
    "Replicate token": ("r8_", r"r8_[A-Za-z0-9]{30,}"),
    "Databricks token": ("dapi", r"dapi[a-h0-9]{32}(?:-\d)?(?![A-Za-z0-9])"),
    "Voyage key": ("pa-", rf"(?<![-_])pa-{_SLUG}{_TEXT}{{40,}}"),
    "Bedrock key": ("ABSK", r"(?<![/+])ABSK[A-Za-z0-9+/]{40,}={0,2}"),
    "Bedrock short-term key": ("bedrock-api-key-", r"bedrock-api-key-[A-Za-z0-9+/]{20,}={0,2}"),
    "Weights & Biases key": ("wandb_v", r"wandb_v\d_[A-Za-z0-9_]{20,}"),
    "LangSmith key": ("lsv2_", r"lsv2_[A-Za-z0-9_]{20,}"),
    "Langfuse key": ("pk-lf-", r"pk-lf-[0-9a-f-]{30,}"),
    "Pinecone key": ("pcsk_", r"pcsk_[A-Za-z0-9_]{30,}"),
    "Tavily key": ("tvly-", rf"tvly-{_SLUG}{_TEXT}{{20,}}"),
    "Jina key": ("jina_", r"jina_[A-Za-z0-9]{30,}[A-Za-z0-9_-]*"),
    "Modal key": ("ak-", rf"(?<![-_])ak-{_MIXED}[A-Za-z0-9]{{22,}}"),
    "Modal secret": ("as-", rf"(?<![-_])as-{_MIXED}[A-Za-z0-9]{{22,}}"),
    "Friendli token": ("flp_", r"flp_[A-Za-z0-9]{20,}"),
    "Upstage key": ("up_", r"(?<!_)up_[A-Za-z0-9]{24,}"),
    "ElevenLabs key": ("sk_", r"sk_[0-9a-f]{48}(?![A-Za-z0-9])"),
    "RunPod key": ("rpa_", r"rpa_[A-Za-z0-9]{30,}"),
    "Anyscale key": ("esecret_", r"esecret_[A-Za-z0-9]{20,}"),
    "AWS access key": ("AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "AWS session key": ("ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "AWS secret key": (
        "",
        r"(?i:secret_?access_?key[\"']?\s*[=:]\s*[\"']?)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    "Azure key": ("", r"(?i:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}"),
    "Google key": ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
    "Google key of the new form": ("AQ.", rf"AQ\.{_SLUG}{_TEXT}{{30,}}"),
    "Google token": ("ya29.", r"ya29\.[A-Za-z0-9_-]{30,}"),
    "Google client secret": ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    "GitHub token": ("gh", r"gh[pousr]_[A-Za-z0-9]{36,}"),
    "GitHub fine-grained token": ("github_pat_", r"github_pat_[A-Za-z0-9_]{40,}"),
    "GitLab token": ("gl", rf"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-{_SLUG}{_TEXT}{{20,}}"),
    "Docker token": ("dckr_", rf"dckr_[a-z]{{2,4}}_{_SLUG}{_TEXT}{{20,}}"),
    "DigitalOcean token": ("do", r"do[oprt]_v1_[A-Za-z0-9]{40,}"),
    "Slack token": ("x", r"x(?:ox[abceoprs]|app)-[A-Za-z0-9-]{10,}"),
    "Slack address": ("hooks.slack.com/", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    "Telegram token": (":", r"\d{8,10}:[A-Za-z0-9_-]{33,36}(?![A-Za-z0-9_-])"),
    "SendGrid key": ("SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    "Stripe key": ("k_", r"[rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,}"),
    "Stripe signing secret": ("whsec_", r"whsec_[A-Za-z0-9+/]{24,}"),
    "Notion token": ("ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    "Linear key": ("lin_api_", r"lin_api_[A-Za-z0-9]{32,}"),
    "Grafana token": ("glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}(?![A-Za-z0-9])"),
    "Shopify token": ("shp", r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}(?![A-Za-z0-9])"),
    "Sentry token": ("sntry", r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    "npm token": ("npm_", r"npm_[A-Za-z0-9]{36}"),
    "PyPI token": ("pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
    "Vault token": ("hvs.", r"hvs\.[A-Za-z0-9_-]{24,}"),
    "signed token": ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "private key": ("PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "bearer header": ("earer", rf"[Bb]earer\s+{_SLUG}[A-Za-z0-9._~+/-]{{20,}}"),
    "bearer header in capitals": ("BEARER", rf"BEARER\s+{_SLUG}[A-Za-z0-9._~+/-]{{20,}}"),
    "address with a password": (
        "://",
        rf"(?<=://)[^\s/:@\"'<>]{{1,80}}:(?!(?i:{_PLACEHOLDER})@)[^\s/:@\"'<>{{}}$()]{{3,80}}(?=@[A-Za-z0-9])",
    ),
}
"""By kind: a piece that every such key holds, to skip most texts quickly, and the shape."""
_PLUGINS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "twilio": "TwilioKeyDetector",
}
"""Modules and classes of detect-secrets whose regular expressions are used. Left out are those that measure entropy or
look at names of variables, and those that take words, timestamps before hashes or examples of addresses for keys."""


class KeyFound(NamedTuple):
    """A text that looks like a key."""

    kind: str
    start: int
    end: int
    """The place in the visible text."""


def visible(text: str) -> str:
    """The text without the characters that no reader sees, behind which a key could hide, and with plain hyphens."""
    return text.translate(_SHOWN) if text.isascii() or _CHANGED.search(text) else text


def find_keys(text: str) -> Iterator[KeyFound]:
    """Everything in `visible(text)` that looks like a key, each place once.

    A text with hidden characters is also searched as it is: one may be all that parts a key from a word next to it.
    """
    shown = visible(text)
    taken: list[tuple[int, int]] = []
    for searched in (shown,) if len(shown) == len(text) else (shown, text):
        for kind, piece, pattern in _shapes():
            for hit in pattern.finditer(searched) if piece in searched else ():
                start, end = hit.span()
                if searched is text:
                    start, end = len(visible(text[:start])), len(visible(text[:end]))
                if all(end <= other_start or start >= other_end for other_start, other_end in taken):
                    taken.append((start, end))
                    yield KeyFound(kind, start, end)


@cache
def _shapes() -> list[tuple[str, str, re.Pattern[str]]]:
    """Kind, piece and pattern; our own first, whose names say the vendor."""
    own = [
        (kind, piece, re.compile(shape if piece == "://" else f"{_START}(?:{shape})"))
        for kind, (piece, shape) in SHAPES.items()
    ]
    plugins = [getattr(import_module(f"detect_secrets.plugins.{name}"), plugin) for name, plugin in _PLUGINS.items()]
    return [*own, *((plugin.secret_type, "", pattern) for plugin in plugins for pattern in plugin.denylist)]


# Keys kept out of texts and logs.

MARK = "[key]"
SHORTEST = 8
"""Characters of a value that is taken for a key; a shorter one stands in any text by chance."""
_MASKED = re.compile(r"\b(?:sk|hf|xai|gsk|key)[-_][\w*.-]{6,}|Bearer\s+\S+", re.IGNORECASE)
"""Keys of which a vendor's error message shows the ends, and short ones: in a log a word too many may go."""
_TALKATIVE = ("openai", "anthropic", "httpx2", "httpcore2", "aiohttp")
"""Loggers that would show prompts or headers below WARNING."""


@cache
def _spellings(key: str) -> tuple[str, ...]:
    """A key as it may stand in a text, longest first; of its base64 the part that does not depend on what is around."""
    raw = key.encode("utf-8", "surrogateescape")
    shifted = (base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0 :] for shift in range(3))
    encoded = [text.rstrip("=")[:-1] for text in shifted]
    encoded += [text.translate(str.maketrans("+/", "-_")) for text in encoded]
    escaped = {json.dumps(key, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    known = {key, quote(raw), quote(raw, safe=""), *escaped, *(text.replace("/", "\\/") for text in escaped)}
    return tuple(sorted(known | {text for text in encoded if len(text) > 7}, key=len, reverse=True))


def masked(text: str) -> str:
    """The text with a mark in place of everything that `find_keys` finds: what pages show of models' and files' texts.
    Mask before a text is cut, since half a key has no shape."""
    for shape in sorted(find_keys(text), key=lambda shape: -shape.start):
        text = visible(text)
        text = f"{text[: shape.start]}{MARK}{text[shape.end :]}"
    return text


def redact(text: str, keys: Iterable[str] = ()) -> str:
    """The text without these keys, in any of their spellings, and without anything shaped like a key."""
    for key in keys:
        for spelling in _spellings(key):
            text = text.replace(spelling, MARK)
    return _MASKED.sub(MARK, masked(text))


def redact_bytes(raw: bytes, key: str) -> bytes:
    """Raw bytes without this key; what is only shaped like a key stays, since a model may have written it.

    So does a key of fewer than `SHORTEST` signs: it is a word for servers that want none (`EMPTY`), and no secret.
    """
    if len(key) < SHORTEST:
        return raw
    for spelling in _spellings(key):
        raw = raw.replace(spelling.encode("utf-8", "surrogateescape"), MARK.encode())
    return raw


class RedactingFilter(logging.Filter):
    """Takes keys out of whatever passes a handler: message, arguments, traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; it always passes."""
        try:
            text = record.getMessage()
        except Exception:  # a record whose arguments do not fit is shown as it is written
            text = str(record.msg)
        record.msg, record.args = redact(text, self.keys), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text, record.exc_info = redact(record.exc_text, self.keys), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info, self.keys)
        return True


_FILTER = RedactingFilter()


def redact_logs(*keys: str) -> None:
    """Keep these keys from all present log handlers, and the SDKs' loggers from anything below WARNING.

    May be called again, with more keys or when handlers were added.
    """
    _FILTER.keys.update(key for key in keys if key)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in map(logging.getLogger, (None, *_TALKATIVE)):
        for handler in logger.handlers:
            handler.addFilter(_FILTER)  # a filter that is there already is not added twice


# Keys in what is about to leave this machine.

R = TypeVar("R")
WITH_KEY = "holds what looks like a key"
"""Why rows are left out."""
_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASS(?:_|$)|PASSCODE|PWD$|CREDENTIAL|AUTH|(?:^|_)PAT$", re.IGNORECASE
)
"""Anywhere in a variable's name: PGPASSWORD, API_KEYS and MYAPIKEY hold what MY_API_KEY holds."""
_OTHER_WORDS = re.compile(
    r"KEY(?:BOARD|BIND|MAP|CODE|WORD|FRAME|STROKE|PAD|NOTE|CLOAK)|(?:MON|TUR|DON|HOC|JOC|WHIS)KEY"
    r"|TOKENI[SZ]|AUTHOR(?!I[SZ]ATION)|SECRETAR|MAX_[A-Z_]*TOKENS?$|BYPASS|COMPASS|^(?:OLD)?PWD$",
    re.IGNORECASE,
)
"""Words that only sound like these; what stands around them is looked at still."""
_ABOUT = re.compile(
    r"_(?:TYPES?|METHODS?|MODE|PROVIDER|BACKEND|USER|USERNAME|ALGORITHM|SOCK|ENABLED|DISABLED|REQUIRED)$", re.IGNORECASE
)
"""Endings of variables that tell how one signs in, and with nothing secret."""
_WORDS = (
    "anonymous credentials default disabled disallow enabled keychain keyring localhost optional passphrase password "
    "plaintext required undefined"
)
_NO_SECRETS = frozenset(_WORDS.split())
"""Values of eight characters or more that are settings, or words of any text."""


class KeyMatch(NamedTuple):
    """A text that looks like a key, or holds one."""

    place: str
    """Config and split with the row's id, or a file."""
    kind: str
    is_value: bool
    """True if it is the value of a variable of this machine, and so no example of a key."""

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}"


class Scanner:
    """Looks through texts; make one for each publication."""

    def __init__(self, environ: Mapping[str, str], named: Iterable[str] = ()) -> None:
        """`named` are the variables that the run file names."""
        wanted = set(named)
        self._values = {
            spelling: name
            for name, value in environ.items()
            if name in wanted or (_speaks_of_keys(name) and not _is_known_to_all(value.strip()))
            for spelling in _spellings(value.strip())
            if len(spelling) >= SHORTEST
        }
        self._exact = re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))) or r"(?!)")

    def scan(self, place: str, text: str) -> Iterator[KeyMatch]:
        """Every key in a text."""
        shown = visible(text)
        for hit in self._exact.finditer(shown):
            yield KeyMatch(place, f"the value of {self._values[hit[0]]}", is_value=True)
        for kind, start, end in find_keys(text):
            if not self._exact.search(shown, start, end):
                yield KeyMatch(place, kind, is_value=False)

    def scan_row(self, place: str, row: Mapping[str, Any]) -> list[KeyMatch]:
        """Every key in the cells of a row; the place says the column."""
        return [
            key
            for column, value in row.items()
            for text in texts_in(value)
            for key in self.scan(f"{place}: {column}", text)
        ]


def key_variables(configuration: Mapping[str, Any]) -> list[str]:
    """The environment variables that a resolved run file names for its models' keys."""
    return [name for spec in configuration["models"].values() if (name := spec.get("api_key_env"))]


def push_scanner(named: Iterable[str], environ: Mapping[str, str]) -> Scanner:
    """A scanner for what goes to the Hub: it knows every key of this machine's environment, and the token of the Hub's
    client, wherever it keeps that."""
    from huggingface_hub import get_token

    token = get_token()
    signed_in = {"the Hub's token": token} if token else {}
    return Scanner({**signed_in, **environ}, [*signed_in, *named])


def run_scanner(named: Iterable[str]) -> Scanner:
    """A scanner for what a run writes for others: of the environment it knows only the keys that the run itself uses,
    so that what a row looks like decides, and not the machine."""
    values = {name: os.environ[name] for name in named if name in os.environ}
    return Scanner(values, values)


def sift(
    splits: Mapping[str, Iterable[R]],
    cells: Callable[[R], tuple[str, Mapping[str, Any]]],
    scanner: Scanner,
    policy: Literal["drop", "keep", "stop"],
) -> tuple[dict[str, list[R]], Counter[str]]:
    """The rows by split that may be written for others, and the number left out, by reason. `cells` gives the
    name of a row and its values.

    drop leaves out every row with a key; keep takes those that only have the shape of one. Raises DataError with the
    places of all keys that stop the writing.
    """
    kept: dict[str, list[R]] = {split: [] for split in splits}
    left_out: Counter[str] = Counter()
    stopping: list[KeyMatch] = []
    for split, rows in splits.items():
        for row in rows:
            name, values = cells(row)
            keys = scanner.scan_row(f"{split}: row {name}", values)
            if keys and policy == "drop":
                left_out[WITH_KEY] += 1
                continue
            stopping += [key for key in keys if policy == "stop" or key.is_value]
            kept[split].append(row)
    if stopping:
        problems = [Problem(key.place, key.kind) for key in dict.fromkeys(stopping)]
        ways = "set dataset.secrets: drop in the run file to leave these rows out and count them"
        if not any(key.is_value for key in stopping):
            ways += ", or dataset.secrets: keep if they are examples and not keys"
        counted = f"nothing was exported: {len(problems)} texts contain what looks like a key"
        raise DataError([*capped(problems), Problem("", f"{counted}. Correct the sources, or {ways}")])
    return kept, left_out


def _speaks_of_keys(name: str) -> bool:
    return bool(_NAME.search(_OTHER_WORDS.sub("", name))) and not _ABOUT.search(name)


def _is_known_to_all(value: str) -> bool:
    """True for a common word, or a path that exists on this machine: then the file's content is the secret."""
    try:
        return value.lower() in _NO_SECRETS or Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null in it, nobody's home
        return False


def texts_in(value: Any) -> Iterator[str]:
    """Every text inside a JSON value, keys of objects among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
