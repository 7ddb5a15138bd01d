"""A dry run: the run's own stages ask, models only count what they are asked, and the tables are thrown away.

Covered: what the ledger holds is answered from it and counts as paid; the simulated world answers as in the run, since
it costs nothing; every other answer is made up, readable and of a stated length. Equal questions are one, as in a run.
Not covered: faults and the attempts that they cost, refusals, and equal answers.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, cast

from amendment.audit.variants import write_paraphrase
from amendment.data.store import R, Workspace
from amendment.errors import Transient
from amendment.llm.client import Calls
from amendment.llm.ledger_reading import Reader
from amendment.llm.model import Model
from amendment.llm.opening import open_model
from amendment.llm.prices import MOST_OUTPUT, Price, cost, most_cost
from amendment.llm.provider import PlainProvider, Provider
from amendment.llm.requests import (
    CHARACTERS_PER_TOKEN,
    Reply,
    Request,
    Tokens,
    Usage,
    likely_tokens,
    most_tokens,
    text_tokens,
)
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, located
from amendment.llm.transport import Transport
from amendment.llm.trust import Trust
from amendment.preference.asking import is_asked_again
from amendment.records import Message, Sampling, last_text
from amendment.run.context import RunContext
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.text import Layout, read_fenced

MOST_PROMPTS = 1000
"""A dry run takes so many prompts through the stages that ask prompt by prompt, and scales what they ask."""
TEXT_TOKENS = 300
"""Assumed length of an answer, a critique or a revision, unless max_tokens is lower."""
VERDICT_TOKENS = 150
"""Assumed length of a written verdict."""
UNBOUNDED = 4096
"""Tokens of the longest answer where neither max_tokens nor the price table bounds it."""


@dataclass
class PlannedCalls:
    """The calls of one stage to one model; a call about one of the first prompts counts for those left out."""

    paid: float = 0.0
    calls: float = 0.0
    """Calls still to be made."""
    input: float = 0.0
    """Tokens of the calls to be made."""
    output: float = 0.0
    usd: float = 0.0
    """0 without a price."""
    is_bounded: bool = True
    """Every one of these answers has a longest length."""


class DryRun:
    """The calls of one dry run. `is_longest` gives every answer the most tokens that it can have, has every answer
    that is cut asked for again, and every written verdict cut at first, or unreadable where no limit can be raised."""

    def __init__(self, ledger: Reader | None, prices: dict[str, Price | None], *, is_longest: bool = False) -> None:
        self.tallies: defaultdict[tuple[str, str], PlannedCalls] = defaultdict(PlannedCalls)
        """Tallies by stage and model."""
        self.stage = ""
        self.weight = 1.0
        """The number of calls that one call stands for."""
        self.is_done = False
        """The stage is up to date, so that nothing is to be sent, whether the ledger still has the replies or not."""
        self.prices = prices
        self.ledger, self._is_longest = ledger, is_longest
        self._known: dict[str, Reply] = {}

    async def reply(self, name: str, spec: ModelSpec | None, provider: Provider, request: Request) -> Reply:
        """Return the answer to a question, counted at its first time."""
        reply = self._known.get(request.id)
        if reply is None:
            tally = self.tallies[self.stage, name]
            reply = self._paid(tally, provider, request) or await self._made_up(tally, name, spec, provider, request)
            self._known[request.id] = reply
        return reply

    def _paid(self, tally: PlannedCalls, provider: Provider, request: Request) -> Reply | None:
        raw = self.ledger.find(request.id) if self.ledger else None
        if raw is None:
            return None
        try:
            reply = provider.read(raw, request)
        except Transient:  # the run would ask again
            return None
        tally.paid += self.weight
        return reply

    async def _made_up(
        self, tally: PlannedCalls, name: str, spec: ModelSpec | None, provider: Provider, request: Request
    ) -> Reply:
        price = self.prices.get(name)
        tokens = likely_tokens(request, output=_usual_tokens(request))
        if self._is_longest:
            most = most_tokens(request)
            tokens = Tokens(most.input, most.output or (price.max_output if price else None))
        if self.is_done:
            tally.paid += self.weight
        else:
            self._count(tally, price, tokens, is_batch=getattr(spec, "mode", None) == "batch")
        if provider.kind == "simulated":
            return provider.read((await provider.send(request)).raw, request)
        if not self._is_longest:
            return _answer(request, tokens.output or 1)
        limit = request.sampling.max_tokens or MOST_OUTPUT
        is_longer = limit not in (MOST_OUTPUT, getattr(spec, "max_tokens", None))
        is_again = is_asked_again(request.messages)
        reply = _answer(request, tokens.output or UNBOUNDED, is_readable=is_again or is_longer)
        is_cut = _is_judge_request(request) and not is_again
        can_grow = not is_longer and limit < ((price and price.max_output) or MOST_OUTPUT)
        return reply.model_copy(update={"finish_reason": "length"}) if is_cut and can_grow else reply

    def _count(self, tally: PlannedCalls, price: Price | None, tokens: Tokens, *, is_batch: bool) -> None:
        tally.calls += self.weight
        tally.input += self.weight * tokens.input
        tally.output += self.weight * (tokens.output or 0)
        tally.is_bounded &= tokens.output is not None
        if price:
            usage = Usage(input_tokens=tokens.input, output_tokens=tokens.output or 0)
            worst = most_cost(price, tokens, batch=is_batch) or 0.0
            tally.usd += self.weight * (worst if self._is_longest else cost(price, usage, batch=is_batch))


_JUDGED = re.compile(r"^<<?(answer_b|candidate)[ -](?:[0-9a-f]{32}|[0-9a-f]{8})>>?$", re.MULTILINE)
"""Where a judge's question shows what is judged."""


def _is_judge_request(request: Request) -> bool:
    return _JUDGED.search(last_text(request.messages)) is not None


def _usual_tokens(request: Request) -> int:
    """Tokens that an answer is assumed to have."""
    usual = VERDICT_TOKENS if _is_judge_request(request) else TEXT_TOKENS
    if request.choices or request.scored is not None:
        usual = 1
    return min(usual, request.sampling.max_tokens or usual)


def _answer(request: Request, tokens: int, *, is_readable: bool = True) -> Reply:
    """Return an answer that stages can use and judges can read, different for every question."""
    if request.choices:
        logs = dict.fromkeys(request.choices, math.log(1 / len(request.choices)))
        return _said(request.choices[0]).model_copy(update={"choice_logprobs": logs})
    if request.scored is not None:
        length = max(1, text_tokens(request.scored))
        return _said("").model_copy(update={"scored_logprob": -length, "scored_tokens": length})
    if written := write_paraphrase(request.messages):
        return _said(written)
    characters = CHARACTERS_PER_TOKEN * max(1, tokens)
    end = _verdict(request) if is_readable else ""
    body = f"{request.id} " + "and so on, for as long as an answer goes on; " * (characters // 45 + 1)
    return _said(body[: max(characters - len(end), len(request.id))] + end)


def _said(text: str) -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),))


def _verdict(request: Request) -> str:
    """Return a verdict in the form that is asked for; nothing where no verdict is."""
    text = last_text(request.messages)
    shown = [block[1] for block in _JUDGED.finditer(text)]
    if not shown:
        return ""
    if request.answer_schema:
        return '\n{"reasoning": "", "verdict": "A"}'
    if "answer_b" in shown:
        return "\nVerdict: A"
    criteria = read_fenced(text).get("criteria")
    if not criteria:
        return "\nScore: 5"
    return "".join(f"\n{criterion['id']}: {criterion['choices'][0]}" for criterion in criteria)


class DryFolder(Workspace):
    """Tables in a temporary folder, trained models where the run has them."""

    most_prompts: int | None = None
    """Only so many prompts are read."""

    def __init__(self, folder: Path, run: Workspace, *, has_inputs: bool) -> None:
        """`has_inputs`: the input tables are read in the run's folder too."""
        super().__init__(folder)
        self._run, self._has_inputs = run, has_inputs

    def path(self, artefact: str) -> Path:
        of_run = artefact.startswith("models/") or (self._has_inputs and artefact.startswith("inputs/"))
        return self._run.path(artefact) if of_run else super().path(artefact)

    def digest(self, artefact: str) -> str:
        return self._run.digest(artefact)

    def take(self, artefacts: Iterable[str]) -> None:
        """Show what the run has made in place of what a dry run would make of stored replies."""
        for made, own in ((self._run.path(name), self.path(name)) for name in artefacts):
            if made.is_file() and made != own:
                own.unlink(missing_ok=True)
                own.parent.mkdir(parents=True, exist_ok=True)
                own.symlink_to(made.absolute())

    def read(self, artefact: str, kind: type[R]) -> list[R]:
        """Return the records of a table; none of one that a stage makes which asks no model."""
        return super().read(artefact, kind) if self.path(artefact).is_file() else []

    def rows(self, artefact: str, kind: type[R]) -> Iterator[R]:
        """Yield the records of a table, of the prompts only the first so many."""
        for number, row in enumerate(super().rows(artefact, kind)):
            if artefact == "inputs/prompts" and self.most_prompts is not None and number >= self.most_prompts:
                return
            yield row


class DryContext(RunContext):
    """A run whose models only count. Its settings need no model of embeddings, no answers of people and no jury that
    waits for labels, none of which decides what is asked."""

    def __init__(
        self, config: RunFile, base: Path, folder: DryFolder, dry_run: DryRun, *, up_to_date: Collection[str]
    ) -> None:
        """`up_to_date` are stages of the run's folder. Where that has a ledger, answers of local models may be in it;
        they are opened to name their requests, and are not loaded."""
        super().__init__(_without_measures(config), base, folder, QuietProgress())
        self.dry_run, self.dry_folder = dry_run, folder
        self._up_to_date, self._has_replies = up_to_date, dry_run.ledger is not None

    @property
    def calls(self) -> Calls:
        """Return a stand-in for the counts of a progress bar."""
        return _Counting(self.dry_run, "", None)

    def model(self, name: str) -> Model:
        """Return a model under `models` that sends nothing, with the identity of the one that would."""
        if name not in self._models:
            spec = located(self.config.models[name], self.base)
            calls = _Counting(self.dry_run, name, spec)
            if isinstance(spec, LocalSpec) and not (self._has_replies and _can_load(Path(spec.model))):
                self._models[name] = _uncalled(name, spec.model, calls, spec.sampling(self.config.seed), spec.layout)
            else:
                trust = Trust([spec.host] if isinstance(spec, OpenAISpec | AnthropicSpec) else [])
                online = spec.model_copy(update={"mode": "online"}) if hasattr(spec, "mode") else spec
                keys = {key: "a-dry-run-sends-nothing"} if (key := getattr(spec, "api_key_env", None)) else {}
                price = self.dry_run.prices.get(name)
                self._models[name] = open_model(name, online, calls, self.config.seed, keys, price=price, trust=trust)
        return self._models[name]

    def _trained(self, name: str, *, temperature: float, max_tokens: int, batch_size: int) -> Model:
        calls = _Counting(self.dry_run, name, None)
        if self._has_replies and name in self._up_to_date and _can_load(self.workspace.path(f"models/{name}")):
            model = super()._trained(name, temperature=temperature, max_tokens=max_tokens, batch_size=batch_size)
            model.calls = calls
            return model
        spec = LocalSpec(provider="local", model=name, temperature=temperature, max_tokens=max_tokens)
        return _uncalled(name, name, calls, spec.sampling(self.config.seed))


def _without_measures(config: RunFile) -> RunFile:
    left_out = {
        "dataset": {"embeddings": None, "reference": None},
        "evaluate": {"embeddings": None},
        "judging": {"jury": "mean"},
    }
    parts = {name: getattr(config, name) for name in left_out}
    return config.model_copy(
        update={name: part and part.model_copy(update=left_out[name]) for name, part in parts.items()}
    )


class _NoLedger:
    """In place of a ledger: the run's, if there is one, to which nothing is written."""

    def __init__(self, stored: Reader | None) -> None:
        self._stored = stored

    def is_as_cut(self, request_id: str) -> bool:
        return self._stored is not None and self._stored.is_as_cut(request_id)

    def find(self, request_id: str) -> bytes | None:
        return self._stored.find(request_id) if self._stored else None


class _Counting(Calls):
    """In place of a run's calls: counts, and sends nothing."""

    stops_early = False

    def __init__(self, dry_run: DryRun, model: str, spec: ModelSpec | None) -> None:
        super().__init__(cast(Any, _NoLedger(dry_run.ledger)))
        self._dry_run, self._model, self._spec = dry_run, model, spec

    async def ask(self, provider: Provider, transport: Transport, request: Request) -> Reply:
        return await self._dry_run.reply(self._model, self._spec, provider, request)


def _can_load(folder: Path) -> bool:
    return folder.is_dir() and all(find_spec(library) for library in ("torch", "transformers"))


def _uncalled(name: str, model: str, calls: Calls, sampling: Sampling, layout: Layout = "marks") -> Model:
    return Model(name=name, model=model, provider=_Unloaded(), calls=calls, sampling=sampling, layout=layout)


class _Unloaded(PlainProvider):
    """In place of a model of this machine."""

    kind = "local"
    host = "not loaded"
    shows_choices = takes_prefill = scores_texts = True

    async def send(self, request: Request) -> NoReturn:
        raise AssertionError("a dry run sends nothing")

    def read(self, raw: bytes, request: Request) -> Reply:
        raise Transient(f"{self.host}: no stored reply is this model's", kind="unreadable")
