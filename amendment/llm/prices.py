"""Prices of models' tokens. A model entry's own price goes first, then the user's table, then the shipped one.

Covered: prices by host and model; dated snapshots of a model; cached input, cache writes, batches, a second price of
long prompts; servers of one's own, which are free unless a table says otherwise. Not covered: taxes, credits, service
tiers, regional surcharges, what a vendor charges for tools or images besides tokens, and whether a price still holds:
each block of a table says as of when it does.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from amendment.llm.requests import Tokens, Usage
from amendment.records import Part, Record
from amendment.yamlfile import read_yaml, validate

MOST_USD = 1_000_000.0
"""A million tokens cost no more: a dollar a token is thousands of times what anybody asks, and sums stay finite."""
Usd = Annotated[float, Field(ge=0, le=MOST_USD, allow_inf_nan=False)]

MOST_OUTPUT = 1_000_000_000

_SNAPSHOT = re.compile(r"(?P<model>.+)-(?:\d{4}-\d{2}-\d{2}|\d{8})")
_OWN_ADDRESSES = """
10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7 fe80::/10
"""
_OWN_NETWORKS = tuple(map(ipaddress.ip_network, _OWN_ADDRESSES.split()))
_OWN_DOMAINS = (".localhost", ".local", ".internal", ".intranet", ".private", ".corp", ".home", ".lan", ".home.arpa")
"""Endings of host names that no public name server knows."""


class EntryPrice(Record):
    """USD per million tokens, as an entry under `models` says it; a price table can say more."""

    input: Usd
    """Input."""
    output: Usd
    """Output, thinking included."""


class _Rates(EntryPrice):
    cached_input: Usd | None = None
    """Input read from the provider's prefix cache; as `input` where absent."""
    cache_write: Usd | None = None
    """Input written to the provider's prefix cache; as `input` where absent."""


class LongPrice(_Rates):
    """The price of all tokens of a call whose input is longer than a limit."""

    above: int = Field(ge=1)
    """Input tokens; a call with more of them has this price."""


class Price(_Rates):
    """USD per million tokens; fractions are usual."""

    batch_discount: float = Field(default=0.0, ge=0, le=1)
    """The share that a batch saves: 0.5 is half price."""
    max_output: int | None = Field(default=None, ge=1, le=MOST_OUTPUT)
    """The most tokens that the model can write in one answer: bounds the cost of a call that sets no max_tokens."""
    long: LongPrice | None = None
    """The price of calls with long input, if the vendor has a second one."""


FREE = Price(input=0.0, output=0.0)
"""The price of tokens from the user's own server."""


def cost(price: Price, usage: Usage, *, batch: bool = False) -> float:
    """Return the cost of a call, in USD."""
    rates = _rates(price, usage.input_tokens)
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.written_tokens, usage.input_tokens - cached)
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    written_rate = rates.input if rates.cache_write is None else rates.cache_write
    read = (usage.input_tokens - cached - written) * rates.input + cached * cached_rate + written * written_rate
    return _discounted(price, read + usage.output_tokens * rates.output, batch)


def most_cost(price: Price, tokens: Tokens, *, batch: bool = False) -> float | None:
    """Return the most that a call can cost, in USD: nothing is read from a cache, all of it may be written into one.

    None when neither the call nor the price bounds the answer, and answers are not free.
    """
    known = [price, _rates(price, tokens.input)]
    input_rate = max(rate for rates in known for rate in (rates.input, rates.cache_write or 0.0))
    output_rate = max(rates.output for rates in known)
    output = price.max_output if tokens.output is None else tokens.output
    if output is None and output_rate:
        return None
    output = output or 0
    return _discounted(price, tokens.input * input_rate + output * output_rate, batch)


def least_bound(price: Price, tokens: Tokens, *, batch: bool = False) -> float:
    """Return the most that a call can cost, in USD, as far as that is known: without its answer where nothing bounds
    that."""
    worst = most_cost(price, tokens, batch=batch)
    return most_cost(price, tokens._replace(output=0), batch=batch) or 0.0 if worst is None else worst


def _rates(price: Price, input_tokens: int) -> _Rates:
    return price.long if price.long and input_tokens > price.long.above else price


def _discounted(price: Price, millionths: float, batch: bool) -> float:
    return millionths * (1 - price.batch_discount if batch else 1.0) / 1e6


class PriceBlock(Part):
    """Prices of one host's models, as of one day."""

    host: str = Field(min_length=1)
    """The address as in base_url, without https://: `api.openai.com/v1`; `*` is any host."""
    as_of: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}(-\d{2})?$")
    """The day, or the month, in which the source said so."""
    source: str | None = None
    """The source of the prices."""
    models: dict[str, Price] = Field(min_length=1)
    """Prices by the model's name at the host. `name` also holds for its dated snapshots, `name-2026-01-31` and
    `name-20260131`, which have no price of their own."""

    @field_validator("host")
    @classmethod
    def _without_scheme(cls, value: str) -> str:
        return value.split("://", 1)[-1].rstrip("/").lower()


class _PriceFile(Part):
    prices: tuple[PriceBlock, ...]


class PriceTable:
    """Prices of one file or of several, of which earlier ones go before later ones."""

    def __init__(self, *files: tuple[PriceBlock, ...]) -> None:
        self.files = files

    @classmethod
    def shipped(cls) -> PriceTable:
        """Return the prices that come with this version."""
        return _shipped()

    @classmethod
    def read(cls, path: str | Path) -> PriceTable:
        """Return a file's prices alone. Raises ConfigError with every problem of the file and its place."""
        return cls(validate(read_yaml(path), _PriceFile).prices)

    def before(self, other: PriceTable) -> PriceTable:
        """Return this table where it has a price, and the other one where it has none."""
        return PriceTable(*self.files, *other.files)

    def models(self, host: str) -> list[str]:
        """Return the models of a host that have a price."""
        return [
            name for blocks in self.files for block in blocks if block.host == host.lower() for name in block.models
        ]

    def price(self, host: str, model: str) -> Price | None:
        """Return a model's price: in each file first under its very name, then under its undated one; earlier blocks
        first."""
        undated = _SNAPSHOT.fullmatch(model)
        names = (model, undated["model"]) if undated else (model,)
        for blocks, name in product(self.files, names):
            for block in blocks:
                if block.host in ("*", host.lower()) and name in block.models:
                    return block.models[name]
        return None


@cache
def _shipped() -> PriceTable:
    with as_file(files("amendment.llm").joinpath("prices.yaml")) as path:
        return PriceTable.read(path)


def find_price(table: PriceTable, host: str, model: str) -> Price | None:
    """Return a model's price by the table, nothing at a server of one's own that the table does not name, None
    elsewhere."""
    price = table.price(host, model)
    if price is None and is_own_server(host):
        return FREE
    return price


def is_own_server(host: str) -> bool:
    """Return True for a host (with port and path, as in base_url without the scheme) that is this machine or in its
    network.

    So are: names without a dot (`localhost`, `gpu-box`, and `local` and `simulated`, which models inside this process
    have for a host); names under .localhost, .local, .internal, .lan and the like; loopback, private, link-local
    and shared (100.64.0.0/10) addresses. Everything else may be a shop, also what 0.0.0.0 leads to.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        address: Any = ipaddress.ip_address(name)
    except ValueError:
        return name.endswith(_OWN_DOMAINS) or re.fullmatch(r"[a-z][a-z0-9_-]*", name) is not None
    return any((getattr(address, "ipv4_mapped", None) or address) in network for network in _OWN_NETWORKS)
