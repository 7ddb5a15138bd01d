"""What a stage has found out, as values: figures, tables, funnels, samples. Words come last (`report.render`).

A stage returns a `Result`, its note in `stages/` holds it as JSON, and a reader gets equal objects back. `summary.json`
holds the results of all finished stages. Names are snake_case; what a figure is about stands in its labels `of`, which
may be texts of users, such as the name of a file.

Promised: a funnel adds up; a figure is found by its name and its labels; a sample is in nothing that is published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from amendment.errors import ConfigError
from amendment.files import read_json
from amendment.records import Record

SUMMARY, SUMMARY_FORMAT = "summary.json", "amendment-summary-2"


class Estimate(NamedTuple):
    """A mean, its interval, and how much it rests on."""

    value: float
    """nan where there is no row."""
    low: float
    high: float
    """nan, as `low`, where the data cannot tell how uncertain the value is."""
    n: int
    """Rows."""
    clusters: int
    method: str = ""
    """How value and interval were computed, where more than one way is in use."""
    note: str = ""
    """What a reader must know before leaning on the interval: a fallback, too few clusters, why there is none."""

    def within(self, least: float = -math.inf, most: float = math.inf) -> Estimate:
        """Return the same estimate with its bounds cut at the ends of the figure's range; nan stays nan."""
        return self._replace(low=max(self.low, float(least)), high=min(self.high, float(most)))

    def to_json(self) -> dict[str, float | int | str | None]:
        """Return JSON values: nan becomes null; `method` and `note` are left out where empty."""
        bounds = {"value": self.value, "low": self.low, "high": self.high}
        texts = {name: text for name, text in (("method", self.method), ("note", self.note)) if text}
        numbers = {name: None if math.isnan(bound) else bound for name, bound in bounds.items()}
        return {**numbers, "n": self.n, "clusters": self.clusters, **texts}

    @classmethod
    def from_json(cls, value: Any) -> Estimate:
        """Return the inverse of `to_json`. Raises ValueError for anything else."""
        if isinstance(value, Estimate):
            return value
        if not (isinstance(value, Mapping) and {"value", "low", "high", "n", "clusters"} <= value.keys()):
            raise ValueError("an estimate has value, low, high, n and clusters")
        known: dict[str, Any] = {name: value[name] for name in cls._fields if name in value}
        nothing = {name: math.nan for name in ("value", "low", "high") if value[name] is None}
        return cls(**{**known, **nothing})


Number = Annotated[int | float, Field(allow_inf_nan=False)]
Value = Number | str | Annotated[Estimate, PlainValidator(Estimate.from_json), PlainSerializer(Estimate.to_json)]
"""A count, another number, an outcome such as PASS, or an estimate with its interval."""


class Figure(Record):
    """One number, under the name by which summary, report and readers know it."""

    name: str
    value: Value
    unit: str = ""
    """`share` (from 0 to 1, shown in percent), `points` (a difference of shares), `change` (another difference), or
    what is counted."""
    of: dict[str, str] = Field(default={})
    """What it is about: {"principle": "house/no-list", "policy": "dpo"}."""


class Table(Record):
    """Rows for a reader that are no figures of their own."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value | None, ...], ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError(f"every row of the table {self.title} needs {len(self.head)} cells")
        return self


class Sample(Table):
    """Texts of models or users: they stay on this machine."""


class Funnel(Record):
    """How many came in, how many left for which reason, and how many remained."""

    what: str
    """What is counted, in the plural."""
    came_in: int = Field(ge=0)
    left_out: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})
    """By reason, in the order in which the reasons were applied."""
    remained: int = Field(ge=0)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.came_in != self.remained + sum(self.left_out.values()):
            raise ValueError(
                f"the funnel of {self.what} does not add up: {self.came_in} came in, {sum(self.left_out.values())} "
                f"left, {self.remained} remained"
            )
        return self


class Change(NamedTuple):
    """A measured difference between two policies, and the two values."""

    name: str
    of: Mapping[str, str]
    """Its labels besides the policies."""
    policy: str
    less: str
    value: Estimate
    before: float
    after: float


class Result(Record):
    """What a stage has found out."""

    figures: tuple[Figure, ...] = ()
    funnels: tuple[Funnel, ...] = ()
    tables: tuple[Table, ...] = ()
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences that belong to the stage."""
    warnings: tuple[str, ...] = ()
    """Sentences that a reader of the whole run has to know."""

    def __add__(self, other: Result) -> Result:
        parts = {name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields}
        return Result(**parts)

    def where(self, name: str, **of: str) -> list[Figure]:
        """Return the figures of this name that have at least these labels, in their order."""
        return [figure for figure in self.figures if figure.name == name and of.items() <= figure.of.items()]

    def figure(self, name: str, **of: str) -> Figure | None:
        """Return the figure of this name with exactly these labels; None if it was not measured."""
        return next((figure for figure in self.where(name, **of) if figure.of == of), None)

    def count(self, name: str, **of: str) -> int:
        """Return the same as a count; 0 where nothing was counted."""
        figure = self.figure(name, **of)
        return figure.value if figure and isinstance(figure.value, int) else 0

    def estimate(self, name: str, **of: str) -> Estimate | None:
        """Return the same as an estimate; None if it was not measured."""
        figure = self.figure(name, **of)
        is_measured = figure is not None and isinstance(figure.value, Estimate) and not math.isnan(figure.value.value)
        return figure.value if is_measured else None  # type: ignore[union-attr, return-value]

    def changes(self, *names: str) -> Iterator[Change]:
        """Yield the measured figures of these names that are labelled `policy` and `less`: differences of the first to
        the second."""
        for figure in self.figures:
            of, value = dict(figure.of), figure.value
            if figure.name in names and "less" in of and isinstance(value, Estimate) and not math.isnan(value.value):
                policy, less = of.pop("policy"), of.pop("less")
                before, after = (self.estimate(figure.name, **of, policy=name) for name in (less, policy))
                if before and after:
                    yield Change(figure.name, of, policy, less, value, before.value, after.value)

    def funnel(self, what: str) -> Funnel | None:
        """Return the funnel of these things."""
        return next((funnel for funnel in self.funnels if funnel.what == what), None)

    def table(self, title: str) -> Table | None:
        """Return the table of this title."""
        return next((table for table in self.tables if table.title == title), None)

    @property
    def totals(self) -> dict[str, int | float | str]:
        """Return what remained of each funnel, and the counts, numbers and outcomes that have no label."""
        remained = {funnel.what: funnel.remained for funnel in self.funnels}
        figures = [figure for figure in self.figures if not figure.of]
        return remained | {figure.name: figure.value for figure in figures if not isinstance(figure.value, Estimate)}

    def published(self) -> Result:
        """Return the same without samples."""
        return self.model_copy(update={"samples": ()})


class Summary(Record):
    """What a run came to: the content of `summary.json`. A later version of the format has another name."""

    format: str = SUMMARY_FORMAT
    name: str
    seed: int
    toolkit: str
    """The version of the toolkit that wrote it."""
    simulated: str | None = None
    """What has to be known first of a simulated world."""
    before_use: tuple[str, ...] = ()
    """What decides whether the run can be used, as far as an evaluation or a dataset shows it."""
    warnings: tuple[str, ...] = ()
    stages: dict[str, Result]
    """The results of the stages that are done and up to date, in the order of the chain."""
    on_card: tuple[str, ...] = ()
    """Stages whose results are published with the dataset."""
    models: dict[str, str] = Field(default={})
    """A title for each trained model, by its name."""
    missing: tuple[str, ...] = ()
    """Stages that are not done, or not up to date."""
    out_of_date: tuple[str, ...] = ()
    """Those of them that have a result from other settings or sources."""

    def of(self, stage: str) -> Result:
        """Return the result of a stage; an empty one where it is not done."""
        return self.stages.get(stage, Result())


def read_summary(folder: Path) -> Summary:
    """Return the summary of a run's folder. Raises ConfigError where there is none, or another version wrote it."""
    path = folder / SUMMARY
    try:
        content = read_json(path)
        if content.get("format") != SUMMARY_FORMAT:
            raise ConfigError(
                f"{path}: found the format {content.get('format')!r}, expected {SUMMARY_FORMAT!r}; the version of "
                "amendment that made the run reads it. Run the run file again with this version: it takes all replies "
                "from the ledger"
            )
        return Summary.from_json(content)
    except FileNotFoundError:
        raise ConfigError(f"{path}: not found; expected the folder of a run, such as runs/NAME") from None
    except (OSError, ValueError, AttributeError) as fault:  # pydantic's ValidationError is a ValueError
        raise ConfigError(f"{path}: not as a run writes it ({fault}); run again to replace it") from None


def counted(**values: Value) -> tuple[Figure, ...]:
    """Return a figure for each name and value."""
    return tuple(Figure(name=name, value=value) for name, value in values.items())


def by_label(name: str, label: str, values: Mapping[str, Value], unit: str = "", **of: str) -> Iterator[Figure]:
    """Yield figures of one name; each key of `values` is what its figure is about."""
    for about, value in values.items():
        yield Figure(name=name, value=value, unit=unit, of={**of, label: about})
