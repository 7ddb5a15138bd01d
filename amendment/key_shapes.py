"""What keys look like: the shapes of detect-secrets, and those of the vendors of this field that it does not know.

Covered: shapes alone, so that a text is judged the same on every machine; invisible characters inside a key. Not
covered: secrets without a shape (a password, a bare hexadecimal key), and keys that are cut in pieces. Nothing here
measures entropy: hashes and identifiers are not keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import NamedTuple

_RANGES = """
0-8 b-1f 7f-9f ad 34f 600-605 61c 6dd 70f 890-891 8e2 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 2800
3164 fe00-fe0f feff ffa0 fff0-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff
"""
_ENDS = [(int(first, 16), int(last or first, 16)) for first, _, last in (one.partition("-") for one in _RANGES.split())]
_SHOWN: dict[int, str | None] = {
    **{code: None for first, last in _ENDS for code in range(first, last + 1)},
    **dict.fromkeys((0x2010, 0x2011), "-"),
}
"""Characters that no reader sees, by code: Cc but for newline and tab, Cf, Default_Ignorable, and the empty Braille
pattern. Two hyphens look like the one of keys."""
_CHANGED = re.compile("[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _ENDS) + "\u2010\u2011]")
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
"""Before a key is no letter or digit, but for the escapes of JSON and of URLs."""

_SLUG = (
    r"(?!(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,4})"
    r"(?:[-_]+(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,4}))+(?![A-Za-z0-9_-]))"
)
"""What follows is not words with hyphens between them, as in names of CSS classes and YOUR_KEY_HERE."""
_MIXED = r"(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])"
"""What follows has small letters and capitals, as no word and no hash has."""
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
"""By kind: a piece that every such key holds, by which most texts are passed over, and the shape."""
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
    """Its place in the visible text."""


class _Shape(NamedTuple):
    kind: str
    piece: str
    pattern: re.Pattern[str]


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
def _shapes() -> tuple[_Shape, ...]:
    """Our own shapes first, whose names say the vendor."""
    own = [
        _Shape(kind, piece, re.compile(shape if piece == "://" else f"{_START}(?:{shape})"))
        for kind, (piece, shape) in SHAPES.items()
    ]
    plugins = [getattr(import_module(f"detect_secrets.plugins.{name}"), plugin) for name, plugin in _PLUGINS.items()]
    return (*own, *(_Shape(one.secret_type, "", pattern) for one in plugins for pattern in one.denylist))
