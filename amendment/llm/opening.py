"""Open the model that an entry of `models:` describes.

Covered: what is missing on this machine is named before anything is spent; an SDK or torch is imported
only when a provider that needs it is opened; of local models only safetensors are loaded, and nothing that can run
code. `check_model` asks no server but the Hub, and only about a model that is not on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from inspect import isawaitable, iscoroutine
from pathlib import Path

from amendment.errors import ConfigError, CredentialsError
from amendment.files import json_object
from amendment.libraries import missing, need, unreachable
from amendment.llm.client import Calls
from amendment.llm.functions import FunctionProvider, ModelFunction
from amendment.llm.limits import Limits
from amendment.llm.model import Model
from amendment.llm.prices import MOST_OUTPUT, Price, is_own_server
from amendment.llm.provider import Provider
from amendment.llm.specs import (
    FUNCTION,
    REGISTERED,
    SHIPPED,
    AnthropicSpec,
    HostedSpec,
    LocalSpec,
    OpenAISpec,
    RegisteredSpec,
    SimulatedSpec,
    charges_most,
)
from amendment.llm.transport import Online, Transport
from amendment.llm.trust import Trust
from amendment.llm.weights import EMBEDDED, conversion_problems, is_gguf, split_revision
from amendment.yamlfile import did_you_mean

Spec = OpenAISpec | AnthropicSpec | LocalSpec | SimulatedSpec | RegisteredSpec
BATCH_WINDOW = 12_500
"""The concurrency of a model in batches: by the window's usual factor of four, 50,000 items are on
their way together, which is one full batch of OpenAI's."""
SAFE_LOADING = {"trust_remote_code": False, "use_safetensors": True}
"""Keywords of every `from_pretrained` of a model: no code of a repository, and no pickles, which can run code."""
INDEX = "model.safetensors.index.json"
_NO_WRITERS = ("ForSequenceClassification", "ForTokenClassification", "ForMaskedLM", "ForQuestionAnswering")
"""Ends of the names of architectures that write no text; a loader would give them a head of random numbers."""
_NO_FUNCTION = (
    "a Python function answers for this model, and none was given; start the run in Python, with "
    "Run.from_file(FILE, models={NAME: function})"
)
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".gguf")


def register_provider(name: str, factory: Callable[[RegisteredSpec], Provider | ModelFunction]) -> None:
    """Let entries of `models:` say `provider: NAME`. `factory` makes of an entry a `ModelFunction` or a Provider.

    A name that is registered again has the new factory. Raises ConfigError for the name of a shipped provider, and for
    what is no function.
    """
    if not callable(factory):
        raise ConfigError(f"provider {name}: found {factory!r:.80}, expected a function that takes an entry of models")
    if name in (*SHIPPED, FUNCTION):
        raise ConfigError(f"provider {name} is shipped; register yours under another name")
    REGISTERED[name] = factory


def check_model(spec: Spec, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the problems that would keep this model from being called, as far as this machine can tell."""
    if isinstance(spec, HostedSpec):
        problem = _key_problem(spec, environ)
        return [problem] if problem else []
    if isinstance(spec, RegisteredSpec) and spec.provider == FUNCTION and not spec.function:
        return [_NO_FUNCTION]
    return _local_problems(spec) if isinstance(spec, LocalSpec) else []


def open_provider(spec: Spec, environ: Mapping[str, str] = os.environ, *, trust: Trust | None = None) -> Provider:
    """Return the provider of an entry. Nothing is sent yet; a Hub model that is not on this machine is fetched.

    Raises CredentialsError without the key, MissingExtra without the library, ConfigError for a folder that
    holds no model, and for a host that the user has not agreed to send the key to.
    """
    if isinstance(spec, RegisteredSpec):
        return _open_registered(spec)
    if isinstance(spec, SimulatedSpec):
        from amendment.llm.simulated import SimulatedProvider

        return SimulatedProvider(spec.persona())
    if isinstance(spec, LocalSpec):
        need("local", "torch", "transformers")
        from amendment.llm.local import LocalProvider

        return LocalProvider(spec)
    return _open_hosted(spec, environ, trust or Trust())


def _open_registered(spec: RegisteredSpec) -> Provider:
    if spec.provider == FUNCTION:
        if spec.function is None:
            raise ConfigError(f"model {spec.model}: {_NO_FUNCTION}")
        return FunctionProvider(FUNCTION, spec.function)
    place = f"model {spec.model} of the registered provider {spec.provider}"
    try:
        opened = REGISTERED[spec.provider](spec)
    except OSError as fault:
        raise ConfigError(f"{place} cannot be opened: {fault}") from fault
    if isinstance(opened, Provider):
        return opened
    if callable(opened) and not isinstance(opened, type):
        return FunctionProvider(spec.provider, opened)
    if iscoroutine(opened):
        opened.close()
    is_function = isinstance(opened, str) or isawaitable(opened)
    hint = "; register a function that takes the entry and returns yours" if is_function else ""
    raise ConfigError(
        f"{place}: the registered function returned {opened!r:.80}, expected a Provider, or a function from messages "
        f"to a text{hint}"
    )


def _open_hosted(spec: OpenAISpec | AnthropicSpec, environ: Mapping[str, str], trust: Trust) -> Provider:
    problem = _key_problem(spec, environ)
    if problem:
        raise CredentialsError(problem)
    if spec.api_key_env:
        trust.check(spec.api_key_env, spec.base_url)
    key = environ[spec.api_key_env] if spec.api_key_env else None
    if isinstance(spec, OpenAISpec):
        from amendment.llm.openai import open_openai

        return open_openai(spec, key)
    from amendment.llm.anthropic import open_anthropic

    return open_anthropic(spec, key)


def open_model(
    name: str,
    spec: Spec,
    calls: Calls,
    seed: int,
    environ: Mapping[str, str] = os.environ,
    *,
    price: Price | None = None,
    trust: Trust | None = None,
) -> Model:
    """Return the model of an entry under its short name, asked through `calls`. Raises what `open_provider` raises."""
    provider = open_provider(spec, environ, trust=trust)
    transport, at_once = _transport(spec, provider, calls, price=price)
    return Model(
        name=name,
        model=shown_name(spec),
        provider=provider,
        calls=calls,
        sampling=spec.sampling(seed),
        concurrency=at_once,
        transport=transport,
        max_output=(price and price.max_output) or MOST_OUTPUT,
        layout=getattr(spec, "layout", "marks"),
    )


def _transport(spec: Spec, provider: Provider, calls: Calls, *, price: Price | None) -> tuple[Transport, int]:
    """Return the transport to the provider, and the number of requests it can have in flight."""
    if isinstance(spec, HostedSpec) and spec.mode == "batch":
        from amendment.llm.batch_vendors import batch_service
        from amendment.llm.batching import Batching
        from amendment.llm.hosted import HostedProvider

        assert isinstance(provider, HostedProvider)
        service, ledger, budget = batch_service(provider), calls.ledger, calls.budget
        batching = Batching(provider, service, ledger, budget, price, notice=calls.notice, max_wait=calls.max_wait)
        return batching, BATCH_WINDOW
    endpoint = calls.endpoint(provider.host, shown_name(spec), _limits(spec))
    return Online(provider, endpoint, calls.ledger, calls.budget, price), endpoint.window


def _limits(spec: Spec) -> Limits:
    if isinstance(spec, HostedSpec):
        return Limits(
            spec.concurrency,
            spec.requests_per_minute,
            spec.tokens_per_minute,
            is_self_hosted=is_own_server(spec.host),
            account=spec.api_key_env,
            charges_most=charges_most(spec),
        )
    return Limits(spec.concurrency)


def shown_name(spec: Spec) -> str:
    """Return the name that records show: of a folder its last part, since a path says more than it should."""
    if isinstance(spec, LocalSpec) and is_folder(spec.model):
        return find_folder(spec.model).resolve().name
    if isinstance(spec, SimulatedSpec):
        return f"{spec.model}/{spec.persona().id}"  # a changed persona is another model, and is asked again
    return spec.model


def _key_problem(spec: HostedSpec, environ: Mapping[str, str]) -> str | None:
    if spec.api_key_env is None:
        return f"{spec.host} needs a key: name its variable with api_key_env" if spec.is_vendor else None
    key = environ.get(spec.api_key_env)
    if not key:
        return f"environment variable {spec.api_key_env} is not set; {spec.host} needs it for model {spec.model}"
    if not key.isascii() or not key.isprintable() or " " in key:
        return f"environment variable {spec.api_key_env} does not hold a key: it has spaces, line breaks or the like"
    return None


def is_folder(model: str) -> bool:
    """Return True for a path or an existing folder; a Hub id is `name` or `owner/name`."""
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or Path(model).is_dir()


def find_folder(model: str) -> Path:
    """Return the folder that a path means; a `~` of nobody's is left as it is, and then not found."""
    return Path(os.path.expanduser(model))  # noqa: PTH111 - Path.expanduser raises where there is no home


def _local_problems(spec: LocalSpec) -> list[str]:
    lacks = missing("local", "torch", "transformers")
    problems = [str(lacks)] if lacks else []
    if spec.model == EMBEDDED or is_gguf(spec.model):
        return problems + conversion_problems(spec.model)
    if is_folder(spec.model):
        return problems + folder_problems(find_folder(spec.model))
    unknown = None if lacks else hub_problem(spec.model)
    return problems + ([unknown] if unknown else [])


def hub_problem(model: str) -> str | None:
    """Say why no model of this name, or `name@revision`, can be loaded from the Hub or its cache on this machine;
    None if one can.

    The Hub is asked only if the cache has none; nothing is fetched but the index of weights in several files."""
    from huggingface_hub import HfApi, constants, errors, hf_hub_download, try_to_load_from_cache

    name, revision = split_revision(model)
    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
    except errors.HFValidationError:
        return f"{name}: no such folder; expected a model's folder or a Hub id such as org/name"
    problem = weights_problem(Path(cached).parent) if isinstance(cached, str) else None
    if isinstance(cached, str) and not problem:
        return None
    absent = f"{name}: no such folder{did_you_mean(name, [EMBEDDED])}, and "
    if constants.HF_HUB_OFFLINE:
        return problem or f"{absent}it is not in the Hub's cache on this machine (HF_HUB_OFFLINE is set)"
    try:
        model_info = HfApi().model_info(name, revision=revision, timeout=10)
        files = [file.rfilename for file in model_info.siblings or ()]
        index = hf_hub_download(name, INDEX, revision=model_info.sha) if INDEX in files else None
    except errors.RevisionNotFoundError:
        return f"{name}: the Hub has the model, but no revision {revision!r} of it"
    except errors.RepositoryNotFoundError:
        reason = "the Hub has no such model, or this token may not read it"
    except unreachable() as fault:
        reason = f"the Hub could not be reached: {type(fault).__name__}"
    else:
        return files_problem(name, [file for file in files if "/" not in file], shards_in(Path(index)) if index else [])
    return f"{absent}{reason}"


def folder_problems(folder: Path) -> list[str]:
    """Return the reasons why a folder is not a chat model that can be loaded."""
    if not folder.is_dir():
        return [f"{folder}: no such folder. Expected a saved model, or the id of one on the Hub"]
    problems = []
    if not (folder / "config.json").is_file():
        problems.append(f"{folder}: no config.json; expected a folder made by save_pretrained")
    elif kinds := [name for name in _architectures(folder) if name.endswith(_NO_WRITERS)]:
        problems.append(f"{folder}: expected a model that writes text, found {kinds[0]} in config.json; name another")
    if (folder / "adapter_config.json").is_file():
        problems.append(f"{folder}: this is an adapter, not a model; merge it into its base first")
    if problem := weights_problem(folder):
        problems.append(problem)
    if not (folder / "tokenizer_config.json").is_file():
        problems.append(f"{folder}: no tokenizer_config.json; save the tokenizer in the model's folder")
    elif not _has_template(folder):
        problems.append(f"{folder}: the tokenizer has no chat template; expected chat_template.jinja")
    return problems


def _architectures(folder: Path) -> list[str]:
    """Return the classes for which a folder was saved; none if its settings name none, or cannot be read."""
    named = json_object(folder / "config.json").get("architectures")
    return [str(name) for name in named] if isinstance(named, list) else []


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "additional_chat_templates").is_dir():
        return True
    return bool(json_object(folder / "tokenizer_config.json").get("chat_template"))


def weights_problem(folder: Path) -> str | None:
    """Return the reason why the weights in a folder are not loaded; None if they are safetensors."""
    index = folder / INDEX
    files = [path.name for path in folder.iterdir() if path.is_file()]
    return files_problem(str(folder), files, shards_in(index) if index.is_file() else [])


def files_problem(place: str, files: Iterable[str], shards: Iterable[str]) -> str | None:
    """Return the rule about weights and its one message. `shards` are files that the index of a model names."""
    names, shards = set(files), set(shards)
    whole = "adapter_model.safetensors" if "adapter_config.json" in names else "model.safetensors"
    wrong = sorted(shards - {name for name in names if name.endswith(".safetensors")})
    if not wrong and (whole in names or (shards and whole == "model.safetensors")):
        return None
    wrong = wrong or sorted(name for name in names if name.endswith(_OTHER_WEIGHTS))
    return (
        f"{place}: expected weights in *.safetensors, found {''.join(f'{name}, ' for name in wrong[:3])}no {whole}. "
        "Other formats are not loaded, because pickled weights can run code; save the model with save_pretrained, "
        f"which writes {whole}"
    )


def shards_in(index: Path) -> list[str]:
    """Return the files that the index of a model's sharded weights names."""
    named = json_object(index).get("weight_map")
    # an index that cannot be read names nothing that may be loaded
    return [str(name) for name in named.values()] if isinstance(named, dict) else [index.name]
