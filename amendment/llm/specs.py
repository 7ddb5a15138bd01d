"""One entry of `models:` in a run file: which model, where it is, how it draws.

Covered: every mistake that can be seen in the entry itself; a vendor's key is tied to the vendor's own
host. Not covered: whether the model exists or the key works, which only a call can tell; see `opening`
for what can be checked on this machine before anything is spent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, PrivateAttr, Tag, field_validator, model_validator

from amendment.llm.functions import ModelFunction
from amendment.llm.prices import EntryPrice
from amendment.llm.trust import SERVICES, belongs, key_problem
from amendment.llm.weights import is_gguf
from amendment.records import Part, Sampling
from amendment.simulator.persona import Persona, PersonaSettings
from amendment.text import Layout

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _BoundedSpec(Part, hide_input_in_errors=True):
    """Limits on answers; an absent one is left to the provider. Error texts leave inputs out: one of them may be a
    pasted key."""

    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000_000)
    """The longest answer, in tokens."""

    def sampling(self, seed: int) -> Sampling:
        """Return the sampling of this model in a run with this seed."""
        drawn = {name: getattr(self, name, None) for name in Sampling.model_fields if name != "seed"}
        return Sampling(**drawn, seed=self._sent_seed(seed))

    def _sent_seed(self, run_seed: int) -> int | None:
        return run_seed


class _DrawnSampling(_BoundedSpec):
    """Sampling options; an absent one is left to the provider."""

    layout: Layout = "marks"
    """How questions show texts of others: `marks` is JSON between two lines with a random mark; `tags` is plain text
    between two tags with one, for small models, which copy marks and JSON."""
    temperature: float | None = Field(default=None, ge=0, le=5, allow_inf_nan=False)
    """0 takes the likeliest token each time."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Sample from the likeliest tokens that together reach this probability."""


class HostedSpec(_BoundedSpec):
    """A model behind HTTP."""

    is_shared = True

    vendor_key: ClassVar[str]

    base_url: str
    """The API's address, up to and including `/v1` for OpenAI's protocol."""
    model: str = Field(min_length=1, max_length=200)
    """The model's name as the server knows it."""
    api_key_env: str | None = None
    """The environment variable that holds the key; null for none. Only the vendor's own host has a default. A known
    service's variable (HF_TOKEN, AWS_...) goes to that service's host only; other names end in _KEY or _TOKEN."""
    concurrency: int | None = Field(default=None, ge=1, le=1024)
    """Calls in flight: a number is both start and maximum; null starts with 8, or with 2 at a server on this machine or
    in its network, and finds out how many help."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The most requests in any minute, if the server's limit is known."""
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The most tokens in any minute, of questions and answers together."""
    timeout: float = Field(default=600.0, gt=0, le=86400)
    """Seconds that one attempt may take, from the connection to the last byte."""
    mode: Literal["online", "batch"] = "online"
    """batch sends the same requests through the vendor's batch service: cheaper, and back within a day."""
    price: EntryPrice | None = None
    """USD per million tokens of this model, if no price table has it or its price here differs."""

    @model_validator(mode="before")
    @classmethod
    def _resolve_key(cls, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        if "api_key" in entry:
            raise ValueError(
                "unknown key 'api_key': keys do not belong in a file. "
                "Put the key into an environment variable and name it with api_key_env"
            )
        if "api_key_env" in entry:
            return entry
        base_url = entry.get("base_url", cls.model_fields["base_url"].default)
        is_vendor = belongs(base_url, SERVICES[cls.vendor_key.removesuffix("_API_KEY")])
        return {**entry, "api_key_env": cls.vendor_key if is_vendor else None}

    @field_validator("base_url")
    @classmethod
    def _is_plain_url(cls, value: str) -> str:
        return _plain_url(value)

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not _VARIABLE.fullmatch(value):
            raise ValueError("expected the name of an environment variable, such as OUR_SERVER_KEY, and not a key")
        return value

    @model_validator(mode="after")
    def _keeps_keys_at_home(self) -> HostedSpec:
        problem = key_problem(self.api_key_env, self.base_url) if self.api_key_env else None
        if problem:
            raise ValueError(problem)
        return self

    @property
    def host(self) -> str:
        """Return the endpoint's identity: host, port and path, without the scheme."""
        return self.base_url.split("://", 1)[1]

    @property
    def is_vendor(self) -> bool:
        """Return True for the vendor's own endpoint."""
        return belongs(self.base_url, SERVICES[self.vendor_key.removesuffix("_API_KEY")])


class OpenAISpec(_DrawnSampling, HostedSpec):
    """A model behind OpenAI's chat protocol: the vendor's own, Azure, vLLM, llama.cpp, Ollama, a gateway."""

    vendor_key: ClassVar[str] = "OPENAI_API_KEY"

    provider: Literal["openai"]
    base_url: str = "https://api.openai.com/v1"
    """The API's address, up to and including `/v1`; at Azure `https://NAME.openai.azure.com/openai/v1`."""
    seed: int | Literal["run"] | None = "run"
    """The seed that is sent: the run's, a number, or null for servers that take none. Draw k of one question adds k."""
    logprobs: bool = True
    """The server returns the probabilities of first tokens, which label-token judges need."""
    prefill: bool = False
    """The server continues an answer that has been begun (`continue_final_message`), as vLLM does: label-token judges
    then begin the answer, so that small models say a label next."""
    prompt_logprobs: bool = False
    """The server returns the log-probabilities of a prompt's tokens (`prompt_logprobs`) and continues an answer, as
    vLLM does; likelihood judges need it."""
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """The amount of thinking before an answer; the vendor's documentation lists each model's values, and its default.
    Thoughts are billed as output and count towards max_tokens. Label-token judges need `none`."""

    def _sent_seed(self, run_seed: int) -> int | None:
        return run_seed if self.seed == "run" else self.seed

    @property
    def thinks(self) -> bool:
        """Return True for an entry that has the model think before it answers."""
        return self.effort not in (None, "none")

    @property
    def shows_choices(self) -> bool:
        """Return True for a model that label-token judges can use: after thoughts no first token is a label."""
        return self.logprobs and not self.thinks

    @property
    def takes_prefill(self) -> bool:
        """Return True for a model that continues an answer; one that thinks begins its own."""
        return self.prefill and not self.thinks

    @property
    def scores_texts(self) -> bool:
        """Return True for a model that returns the log-probability of a given answer."""
        return self.prompt_logprobs and not self.thinks

    @property
    def limit_field(self) -> str:
        """Return the name under which the length limit is sent."""
        is_newer = self.is_vendor or belongs(self.base_url, SERVICES["AZURE_OPENAI"])
        return "max_completion_tokens" if is_newer else "max_tokens"


class AnthropicSpec(HostedSpec):
    """A model behind Anthropic's messages protocol: no token probabilities, no seed, no temperature, no top_p."""

    vendor_key: ClassVar[str] = "ANTHROPIC_API_KEY"

    provider: Literal["anthropic"]
    base_url: str = "https://api.anthropic.com"
    """The API's address, without `/v1`."""
    max_tokens: int = Field(default=2048, ge=1)
    """The longest answer, in tokens; the protocol requires a limit."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """The model's effort for an answer. The model decides how long it thinks (adaptive thinking), and max_tokens bounds
    thinking and answer together."""
    shows_choices: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _takes_no_temperature(cls, entry: Any) -> Any:
        for name in ("temperature", "top_p"):
            if isinstance(entry, dict) and entry.get(name) is not None:
                raise ValueError(
                    f"{name}: Anthropic's protocol no longer accepts it; leave it out. Answers vary anyway"
                )
        return entry

    @property
    def thinks(self) -> bool:
        """Return True for an entry that has the model think before it answers."""
        return self.effort is not None

    def _sent_seed(self, run_seed: int) -> int | None:
        return None


class LocalSpec(_DrawnSampling):
    """A causal language model with a chat template, run inside this process."""

    provider: Literal["local"]
    model: str = Field(min_length=1)
    """A folder with config, safetensors weights and tokenizer, the id of such a repository on the Hub, or
    `id@revision`, a GGUF file, which is converted once, or `smollm2-135m-instruct`, the embedded model."""
    shows_choices: ClassVar[bool] = True
    takes_prefill: ClassVar[bool] = True
    scores_texts: ClassVar[bool] = True
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Answers generated together, at most; fewer where the memory is small."""
    max_tokens: int = Field(default=256, ge=1)
    """The longest answer, in tokens."""
    layout: Layout = "tags"
    """How questions show texts of others: `tags` is plain text between two tags with a random mark; `marks` is JSON
    between two lines with one, which small models copy."""
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """0 takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample from the likeliest tokens that together reach this probability."""

    @property
    def concurrency(self) -> int:
        """Return enough questions at once that the next batch is full while one is generated."""
        return 2 * self.batch_size


class SimulatedSpec(PersonaSettings):
    """A persona of the simulated world: no language model, known truth."""

    provider: Literal["simulated"]
    model: str = Field(default="lilliput", min_length=1)
    """The name that records show."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Calls in flight at once."""

    def sampling(self, seed: int) -> Sampling:
        """Return the sampling of this persona in a run with this seed."""
        return Sampling(seed=seed)

    def persona(self) -> Persona:
        """Return the persona alone."""
        return Persona(**{name: getattr(self, name) for name in PersonaSettings.model_fields})


REGISTERED: dict[str, Callable[[RegisteredSpec], Any]] = {}
"""The functions given to `register_provider`, by name; each opens the provider of an entry."""
SHIPPED = ("openai", "anthropic", "local", "simulated")
FUNCTION = "function"
_OTHER = f"{FUNCTION}, a registered one"


class RegisteredSpec(_DrawnSampling):
    """A model that is a function, or of a provider registered with `register_provider`."""

    provider: str = Field(json_schema_extra={"not": {"enum": list(SHIPPED)}})
    """The name under which it was registered; `function` for a function that Python hands to the run as
    `models={NAME: function}`."""
    model: str = Field(min_length=1, max_length=200)
    """The name that records show. A model that answers otherwise needs another name, or stored replies are used."""
    concurrency: int = Field(default=8, ge=1, le=1024)
    """Calls in flight at once."""
    options: dict[str, Any] = Field(default={})
    """Options of the provider itself."""
    price: EntryPrice | None = None
    """USD per million tokens; free where absent."""
    _function: ModelFunction | None = PrivateAttr(default=None)

    @property
    def host(self) -> str:
        """Return the endpoint's identity."""
        return self.provider

    @property
    def function(self) -> ModelFunction | None:
        """Return the function that answers, where the entry has the provider `function` and Python has handed one
        over."""
        return self._function

    def answered_by(self, function: ModelFunction) -> RegisteredSpec:
        """Return this entry with the function that answers."""
        spec = self.model_copy()
        spec._function = function
        return spec


def provider(entry: Any) -> str | None:
    """Return the kind of this entry. Pydantic's messages name the function, which is therefore called like the key."""
    name = entry.get("provider") if isinstance(entry, dict) else getattr(entry, "provider", None)
    return _OTHER if isinstance(name, str) and (name in REGISTERED or name == FUNCTION) else name


ModelSpec = Annotated[
    Annotated[OpenAISpec, Tag("openai")]
    | Annotated[AnthropicSpec, Tag("anthropic")]
    | Annotated[LocalSpec, Tag("local")]
    | Annotated[SimulatedSpec, Tag("simulated")]
    | Annotated[RegisteredSpec, Tag(_OTHER)],
    Discriminator(provider),
]
"""One entry of `models:`, told apart by `provider`."""


def _plain_url(value: str) -> str:
    """Return the URL without a trailing slash. Raises ValueError, which does not repeat user info."""
    advice = "expected something like https://gateway.example.org/v1"
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError(f"the URL holds a space or a line break; {advice}")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as fault:
        raise ValueError(f"not a URL ({fault}); {advice}") from None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        raise ValueError(f"expected http:// or https:// and a host; {advice}")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError(f"user info, query and fragment are not allowed here (name a key with api_key_env); {advice}")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")


THINKS_BY_DEFAULT = re.compile(
    r"claude-[a-z]+-[5-9]\b|\bo[134]\b|gpt-(?:5(?:\.[5-9])?|[6-9](?:\.\d)?)(?![.\d]|.*chat)|gpt-oss|deepseek-r"
    r"|qwen3(?!.*(?:instruct|coder))|qwq|magistral",
    re.IGNORECASE,
)
"""Found in the names of models that think where no effort is set, by their makers' documentation in November 2026."""


def charges_most(spec: object) -> bool:
    """Return True for a vendor that charges what a call may take against its limit of tokens, and gives nothing
    back."""
    return isinstance(spec, OpenAISpec) and spec.is_vendor


def thinks(spec: ModelSpec | None) -> bool:
    """Return True if an entry's model thinks without a limit, because of the entry or by the model's own default."""
    if spec is None:
        return False
    is_unset = getattr(spec, "effort", None) is None
    return getattr(spec, "thinks", False) or (is_unset and THINKS_BY_DEFAULT.search(spec.model) is not None)


def able(spec: ModelSpec | None, ability: Literal["shows_choices", "takes_prefill", "scores_texts"]) -> bool | None:
    """Return whether a model's entry says that it can do this; None without an entry, and where only the provider
    knows."""
    return None if spec is None or isinstance(spec, RegisteredSpec) else bool(getattr(spec, ability, False))


def located(spec: ModelSpec, base: Path) -> ModelSpec:
    """Return a model that lies next to the run file, or at a path with `~`, under its full path; any other as it is."""
    if isinstance(spec, LocalSpec):
        return spec.model_copy(update={"model": found_folder(spec.model, base)})
    return spec


def found_folder(model: str, base: Path) -> str:
    """Return the folder or GGUF file of a model, seen from `base`, where there is one; else the name as it is."""
    path = base / os.path.expanduser(model)  # noqa: PTH111 - Path.expanduser raises where there is no home
    return str(path) if path.is_dir() or (is_gguf(model) and path.is_file()) else model
