"""Decide which environment variable may be sent to which host, and remember the hosts that the user agreed to.

A run file may come from a stranger. Without these rules `api_key_env: HF_TOKEN` next to any `base_url` sends that token
to the file's author. Covered: every key that leaves by a model's entry; `open_provider` asks `Trust.check` each
time. Not covered: what a host does with a key that the user gives it; the token that `huggingface_hub` sends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.llm.prices import is_own_server

_WITHOUT_MODELS = """
ACTIONS ALIYUN ANYSCALE ARM ARTIFACTORY ASSEMBLYAI ATLASSIAN AWS BEDROCK BITBUCKET BUILDKITE CARGO CI
CIRCLE CIRCLECI CLOUDFLARE CODECOV COMET CONSUL DATADOG DD DIGITALOCEAN DISCORD DOCKER DOCKERHUB ELEVENLABS GCP GITLAB
GPG HCLOUD HEROKU IBM JIRA KAGGLE KUBE LANGCHAIN LANGFUSE LANGSMITH LINEAR MODAL NEPTUNE NETLIFY NODE_AUTH NOTION NPM
OP ORACLE PINECONE PULUMI PYPI RAILWAY RUNPOD SENDGRID SENTRY SLACK SNOWFLAKE SSH STRIPE SUPABASE TAVILY TELEGRAM TF
TWILIO TWINE UV VAULT VERCEL
"""
SERVICES: dict[str, tuple[str, ...]] = {
    "OPENAI": ("api.openai.com",),
    **dict.fromkeys(("ANTHROPIC", "CLAUDE"), ("api.anthropic.com",)),
    # not all of azure.com: anybody's machine there has a name below cloudapp.azure.com
    **dict.fromkeys(
        ("AZURE", "AZURE_OPENAI"), ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
    ),
    "OPENROUTER": ("openrouter.ai",),
    # not hf.space and endpoints.huggingface.cloud, which run anybody's code
    **dict.fromkeys(("HF", "HUGGINGFACE", "HUGGING_FACE", "HUGGINGFACEHUB"), ("huggingface.co",)),
    **dict.fromkeys(("GOOGLE", "GEMINI"), ("generativelanguage.googleapis.com", "aiplatform.googleapis.com")),
    **dict.fromkeys(("GITHUB", "GH"), ("models.github.ai",)),
    **dict.fromkeys(("PERPLEXITY", "PERPLEXITYAI", "PPLX"), ("api.perplexity.ai",)),
    **dict.fromkeys(("GLM", "ZAI", "ZHIPU", "ZHIPUAI"), ("api.z.ai", "open.bigmodel.cn")),
    **dict.fromkeys(("ALIBABA", "DASHSCOPE", "QWEN"), ("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com")),
    **dict.fromkeys(("KIMI", "MOONSHOT"), ("api.moonshot.ai", "api.moonshot.cn")),
    **dict.fromkeys(("GROK", "XAI"), ("api.x.ai",)),
    **dict.fromkeys(("NVIDIA", "NGC"), ("integrate.api.nvidia.com",)),
    "AI21": ("api.ai21.com",),
    "CEREBRAS": ("api.cerebras.ai",),
    "COHERE": ("api.cohere.com", "api.cohere.ai"),
    "DATABRICKS": ("cloud.databricks.com", "gcp.databricks.com", "azuredatabricks.net"),
    "DEEPINFRA": ("api.deepinfra.com",),
    "DEEPSEEK": ("api.deepseek.com",),
    "FIREWORKS": ("api.fireworks.ai",),
    "FRIENDLI": ("api.friendli.ai",),
    "GROQ": ("api.groq.com",),
    "MISTRAL": ("api.mistral.ai",),
    "NEBIUS": ("api.studio.nebius.com", "api.tokenfactory.nebius.com"),
    "NOVITA": ("api.novita.ai",),
    "REPLICATE": ("api.replicate.com",),
    "SAMBANOVA": ("api.sambanova.ai",),
    "TOGETHER": ("api.together.xyz", "api.together.ai"),
    "VOYAGE": ("api.voyageai.com",),
    "WANDB": ("api.inference.wandb.ai",),
    **dict.fromkeys(_WITHOUT_MODELS.split(), ()),
}
"""The words that mark a variable as a known service's, and the only hosts (with their subdomains, over https) that are
sent its value; none if the service has no models to ask."""
_ONLY_FIRST = ("ARM", "CI", "DD", "OP", "TF", "UV")
"""Words so short that they mark a variable only where its name begins with them."""
_NAMES = re.compile(f"(?:^|(?<=_))(?:{'|'.join(sorted(SERVICES, key=len, reverse=True))})(?=_|$)")
ENDINGS = ("_KEY", "_TOKEN")
"""Endings of the names of all other variables that may hold a key."""


def belongs(base_url: Any, homes: Collection[str]) -> bool:
    """Return True for an https URL at one of these hosts or their subdomains."""
    try:
        parts = urlsplit(base_url if isinstance(base_url, str) else "")
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and any(host == home or host.endswith("." + home) for home in homes)


def _services(variable: str) -> list[str]:
    """Return the known services that a variable names, in the order of its words."""
    names = _NAMES.finditer(variable.upper())
    return [name[0] for name in names if name.start() == 0 or name[0] not in _ONLY_FIRST]


def key_problem(variable: str, base_url: str) -> str | None:
    """Return the reason why this variable is never sent to this URL, whatever the user agrees to; None if it may be."""
    service = next(iter(_services(variable)), None)
    advice = "Put that server's key in its own variable, such as OUR_SERVER_KEY, and name it with api_key_env"
    if service is not None and not belongs(base_url, SERVICES[service]):
        places = " and ".join(f"https://{home}" for home in SERVICES[service])
        goes = f"is sent to {places} only" if places else "belongs to another service and is never sent to a model"
        shown = variable if variable.isupper() else f"{service}_..."  # in small letters it may be a pasted key
        return f"{shown} {goes}, but base_url is {base_url}. {advice}, or set it to null"
    if service is None and not variable.upper().endswith(ENDINGS):
        return f"expected the name of a variable that ends in _KEY or _TOKEN. {advice}, or set it to null"
    is_near = is_own_server(urlsplit(base_url).netloc) or getattr(_address(base_url), "is_unspecified", False)
    if not base_url.startswith("https://") and not is_near:
        return (
            f"{variable} would travel unencrypted to {base_url}. Use https. Without it, keys go only to this machine "
            "(localhost) and, with --yes, to private networks such as 10.0.0.5"
        )
    return None


def sends(variable: str, base_url: str) -> str:
    """Return the sentence by which a user learns where a key goes."""
    return f"sends {variable} to {_shown(base_url)}"


class Trust:
    """The user's consent: now, by `hosts`, `yes` or the answer of `ask`, or earlier, in the file `agreed`.

    `hosts` are names such as gateway.example.org, with or without a port. `ask` takes a question and returns the
        answer.
    """

    def __init__(
        self, hosts: Collection[str] = (), *, yes: bool = False, ask: Callable[[str], bool] | None = None
    ) -> None:
        if isinstance(hosts, str):
            raise ConfigError(f"trust_hosts: expected a list of hosts, found {hosts!r}")
        self._hosts = {(host.partition("://")[2] or host).partition("/")[0].lower() for host in hosts}
        self._yes = yes
        self._ask = ask
        self._now: set[str] = set()

    def check(self, variable: str, base_url: str) -> None:
        """Raise ConfigError unless this variable may go to this URL. Asks at most once, and remembers the answer."""
        if problem := key_problem(variable, base_url):
            raise ConfigError(problem)
        parts = urlsplit(base_url)
        services = _services(variable)
        is_home = services and all(belongs(base_url, SERVICES[service]) for service in services)
        if _is_loopback(base_url) or (is_home and parts.port in (None, 443)):
            return
        line = f"{variable} {parts.scheme}://{parts.netloc}"
        if {parts.hostname, parts.netloc} & self._hosts or line in self._now | _agreed():
            return
        is_open = parts.scheme == "http"
        question = f"This run {sends(variable, base_url)}. Does that key belong there?"
        if not self._yes and (is_open or self._ask is None or not self._ask(question)):
            raise ConfigError(
                f"Nothing was sent: {variable} would go to {_shown(base_url)}. To allow it, use amendment run "
                f"FILE --yes, or in Python Run.from_file(..., trust_hosts=[{parts.hostname!r}])"
            )
        self._now.add(line)
        with suppress(OSError, RuntimeError):  # where the folder cannot be written, the next start asks again
            write_text(_file(), "".join(f"{known}\n" for known in sorted({*_agreed(), line})))


def _file() -> Path:
    """Return the file of the user's answers, one line for each variable and host: delete a line to be asked again."""
    root = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(root) if root.startswith("/") else Path("~/.config").expanduser()
    return folder / "amendment" / "agreed.txt"


def _agreed() -> set[str]:
    try:
        return set(_file().read_text(encoding="utf-8").splitlines())
    except (OSError, RuntimeError, UnicodeDecodeError):  # there is none, or no home to look in
        return set()


def _address(base_url: str) -> Any:
    """Return the IP address that a URL names; None for a name."""
    try:
        address = ip_address(urlsplit(base_url).hostname or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_loopback(base_url: str) -> bool:
    address = _address(base_url)
    return urlsplit(base_url).hostname == "localhost" or (address is not None and address.is_loopback)


def _shown(base_url: str) -> str:
    parts = urlsplit(base_url)
    return parts.netloc if parts.scheme == "https" else f"{parts.netloc} (without encryption)"
