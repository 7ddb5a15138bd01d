"""What a report says about a run or an audit, before it is a page: the first screen, and chapters with their plots.

Every figure is read from files that the run or the audit has written, and is the one that the terminal prints.
Covered: a run's folder, finished or not, and an audit's. Not covered: the chapters themselves (`judge_chapters`,
`run_chapters`), samples, and HTML (`page`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.report.plots import Plot
from amendment.statistics import Estimate

Json = Mapping[str, Any]
ORDER = (
    *("funnel", "policies", "agreement", "position", "bias", "reliability", "slices", "principles"),
    *("kept", "training", "diversity", "calls", "tables", "lines"),
)
"""Ids of all chapters: what came of it, the judge, how it came to be."""
APPENDIX = ("tables", "lines")
"""Chapters that stand below the samples."""
OUTCOME_OF = {"use": "PASS", "use where both orders agree": "WARN", "do not use": "FAIL"}
"""By the form of a conclusion."""
MOST_HEADLINES, MOST_JUDGES = 4, 8
"""Figures of the first screen; judges in a plot, the best first."""


class Written:
    """The files of figures in a folder. Raises ConfigError where it is neither a run's nor an audit's."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.summary = self.read("summary.json")
        self.is_run = bool(self.summary)
        # of a run the certificate as it may be published: a report is sent around, and people are under pseudonyms
        self.certificate = self.read("audit/certificate.json" if self.is_run else "certificate.json")
        if not self.is_run and not self.certificate:
            message = "no summary.json and no certificate.json here; expected a run's folder, such as runs/NAME, or an"
            raise ConfigError(f"{self.folder}: {message} audit's, such as audits/NAME")
        if str(self.certificate.get("format")).startswith("single"):
            raise ConfigError(f"{self.folder}: labels of single answers have no report; read its certificate.md")
        if self.is_run and "audit" not in self.stages:
            self.certificate = {}  # of settings or inputs that have changed since
        self.spending = self.read("spending.json") if self.is_run else {}

    @property
    def stages(self) -> Json:
        """The counts of the stages that are done, by name."""
        stages: Json = self.summary.get("stages", {})
        return stages

    @property
    def name(self) -> str:
        """The run's name, or the audit's."""
        return str(self.summary.get("name") or self.certificate.get("name") or self.folder.resolve().name)

    @property
    def judges(self) -> list[Json]:
        """At most `MOST_JUDGES` judges of the certificate, in the order of their conclusions."""
        judges = {judge["name"]: judge for judge in self.certificate.get("judges", ())}
        order = [conclusion["judge"] for conclusion in self.certificate.get("conclusions", ())] or list(judges)
        return [judges[name] for name in order if name in judges][:MOST_JUDGES]

    @property
    def date(self) -> str:
        """The day on which the figures were written, in UTC."""
        path = self.folder / ("summary.json" if self.is_run else "certificate.json")
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")

    def read(self, name: str) -> dict[str, Any]:
        """The object in a JSON file; empty where there is no such file. Raises ConfigError where it is damaged."""
        path = self.folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as fault:
            raise ConfigError(
                f"{path}: not readable JSON ({fault}); make it again with amendment run or audit"
            ) from None
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: expected an object, found {type(content).__name__}; make it again")
        return content

    def of_stage(self, stage: str, name: str) -> dict[str, Any]:
        """The same of a file that a stage makes; empty where the stage is not done."""
        return self.read(name) if stage in self.stages else {}


@dataclass(frozen=True)
class DataTable:
    """A table below a plot, or on its own."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = "The data"
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Matrix:
    """Shares in a square of names, each shaded by how far it is from one half."""

    names: Sequence[str]
    cells: Mapping[tuple[int, int], Estimate]

    def shade(self, row: int, column: int) -> str:
        """The class of a cell: from `lo3`, all against, to `hi3`, all alike."""
        estimate = self.cells.get((row, column))
        if estimate is None or math.isnan(estimate.value):
            return ""
        steps = min(3, math.floor(abs(estimate.value - 0.5) * 8))
        return f"{'hi' if estimate.value >= 0.5 else 'lo'}{steps}"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One question and its figures."""

    id: str
    """Chapters of two reports with the same id stand next to each other."""
    title: str
    says: str
    """What to see, in a sentence."""
    plots: Sequence[Plot] = ()
    matrix: Matrix | None = None
    tables: Sequence[DataTable] = ()
    notes: Sequence[str] = ()

    @property
    def is_wide(self) -> bool:
        """It takes both columns of a page."""
        return len(self.plots) != 1 or self.matrix is not None


@dataclass(frozen=True)
class Concluded:
    """The conclusion on a judge."""

    sentence: str
    outcome: str
    """As that of a gate: PASS to use it, WARN to use it with a condition, FAIL not to, not measured for none."""


@dataclass(frozen=True)
class Headline:
    """A figure of the first screen."""

    label: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Gate:
    """What a gate says, and why."""

    outcome: str
    """PASS, WARN, FAIL or not measured."""
    what: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Document:
    """One run or audit."""

    name: str
    kind: str
    folder: Path
    made: str
    """What was made or measured."""
    conclusions: Sequence[Concluded]
    gates: Sequence[Gate]
    headlines: Sequence[Headline]
    warnings: Sequence[str]
    facts: Sequence[tuple[str, str]]
    chapters: Sequence[Chapter] = field(default_factory=tuple)
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> dict[str, str]:
        """The rule of each gate, by its name."""
        named = (
            (term.removeprefix("gate "), rule) for term, rule in self.definitions.items() if term.startswith("gate ")
        )
        return dict(named)


def estimate(value: Any) -> Estimate | None:
    """A figure as the files hold it; None where it was not measured."""
    if not isinstance(value, Mapping) or not isinstance(value.get("value"), int | float):
        return None
    low, high = (math.nan if value.get(name) is None else float(value[name]) for name in ("low", "high"))
    count, clusters = int(value.get("n") or 0), int(value.get("clusters") or 0)
    return Estimate(float(value["value"]), low, high, count, clusters, note=str(value.get("note", "")))


def short(name: str, longest: int = 40) -> str:
    """A name that fits into a label."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def read_document(folder: str | Path) -> Document:
    """What the folder of a run or an audit holds. Raises ConfigError where it is neither, or a file is damaged."""
    from amendment.report.judge_chapters import judge_chapters
    from amendment.report.run_chapters import made_by_run, run_chapters

    written = Written(folder)
    certificate = written.certificate
    chapters = [*judge_chapters(written), *(run_chapters(written) if written.is_run else ())]
    return Document(
        name=written.name,
        kind="run" if written.is_run else "audit",
        folder=written.folder,
        made=made_by_run(written) if written.is_run else _measured(certificate),
        conclusions=_conclusions(written),
        gates=_gates(written),
        headlines=_headlines(written),
        warnings=_warnings(written),
        facts=_facts(written),
        chapters=sorted(chapters, key=lambda chapter: ORDER.index(chapter.id)),
        definitions=certificate.get("glossary", {}),
    )


def _measured(certificate: Json) -> str:
    """What an audit looked at."""
    counts = certificate["counts"]
    judges, people = _counted(counts["judges"], "judge"), _counted(counts["people"], "person", "people")
    who = " and ".join(words for words, many in ((judges, counts["judges"]), (people, counts["people"])) if many)
    return f"{who} on {counts['items']:,} items: {counts['votes']:,} votes."


def _counted(count: int, word: str, plural: str = "") -> str:
    return f"{count:,} {word if count == 1 else plural or f'{word}s'}"


def _conclusions(written: Written) -> list[Concluded]:
    """A sentence for each judge, the best first; of a run that measured none, what is missing."""
    if not written.certificate and "dataset" in written.stages:
        sentence = "Nothing can be concluded about the labels: nothing in this run has measured a judge."
        return [Concluded(sentence, "not measured")]
    given = written.certificate.get("conclusions", ())
    return [Concluded(str(row["sentence"]), OUTCOME_OF.get(row["form"], "not measured")) for row in given]


def _gates(written: Written) -> list[Gate]:
    """The gate before training, and what the gates of each judge say: those that fail or warn one by one."""
    certificate, gates = written.certificate, []
    if training := certificate.get("gate"):
        checks = ", ".join(f"{check['check']} {check['outcome']}" for check in training["checks"])
        gates.append(Gate(training["outcome"], "Gate before training", checks))
    elif written.is_run and certificate:
        gates.append(Gate("not measured", "Gate before training", "people have labelled nothing"))
    for judge in written.judges:
        own = [gate for gate in certificate["gates"] if gate["judge"] == judge["name"]]
        named = f"{short(judge['name'])}: " if len(written.judges) > 1 else ""
        raised = [gate for outcome in ("FAIL", "WARN") for gate in own if gate["outcome"] == outcome]
        gates += [Gate(gate["outcome"], f"{named}{gate['check']}", gate["found"]) for gate in raised]
        if passed := [gate["check"] for gate in own if gate["outcome"] == "PASS"]:
            gates.append(Gate("PASS", f"{named}{', '.join(passed)}"))
        if unknown := [gate["check"] for gate in own if gate["outcome"] == "not measured"]:
            gates.append(Gate("not measured", f"{named}{', '.join(unknown)}"))
    return gates


def _headlines(written: Written) -> list[Headline]:
    """At most four figures: how far the judge can be trusted, and what came of it."""
    return [
        headline
        for headline in (
            *_of_judge(written.judges),
            *_of_trainings(written.stages),
            *_of_dataset(written),
            *_of_judge(written.judges, others=True),
        )
        if headline
    ][:MOST_HEADLINES]


def _of_judge(judges: Sequence[Json], *, others: bool = False) -> list[Headline | None]:
    """Of the judge that comes out best; with `others`, what is said where there is room."""
    if not judges:
        return []
    judge = judges[0]
    of, position = f" ({short(judge['name'])})" if len(judges) > 1 else "", judge["position"]
    if others:
        return [share_headline(f"prefers the answer shown first{of}", position["prefers_first"])]
    return [
        share_headline(f"agrees with annotators{of}", (judge.get("label") or {}).get("by_rule", {}).get("no_ties")),
        share_headline("two annotators agree", judge["ceiling"].get("no_ties", {}).get("people")),
        share_headline(f"same verdict in both orders{of}", position["consistency"]),
    ]


def _of_trainings(stages: Json) -> list[Headline | None]:
    """The last policy against the first, what keeps a principle more or less often, and held-out pairs."""
    rates = stages.get("evaluate", {}).get("win rates", {})
    won = [share_headline(f"wins, {name}", rate) for name, rate in list(rates.items())[-1:]]
    held_out = [
        share_headline(f"{stage.replace('_', ' ')}: held-out accuracy", counts["held out"].get("accuracy"))
        for stage, counts in stages.items()
        if isinstance(counts.get("held out"), Mapping)
    ]
    return [*won, _of_scorecard(stages.get("evaluate", {}).get("scorecard", {})), *held_out[::-1]]


def _of_scorecard(card: Json) -> Headline | None:
    """The principle whose share of answers that keep it has changed most."""
    changes = [
        (abs(change["value"]), name, pair, change)
        for name, figure in card.get("principles", {}).items()
        for pair, change in figure.get("differences", {}).items()
    ]
    if not changes:
        return None
    _, name, pair, change = max(changes, key=lambda row: row[0])
    after, _, before = pair.partition(" - ")
    shares = card["principles"][name]["policies"]
    n = f"n\u00a0=\u00a0{change['n']:,}"
    interval = f"{100 * change['low']:+.0f} to {100 * change['high']:+.0f} points" if change["low"] is not None else ""
    return Headline(
        f"answers that keep {name}, {before} and {after}",
        f"{100 * shares[before]['value']:.0f} → {100 * shares[after]['value']:.0f} %",
        f"{interval}, {n}" if interval else n,
    )


def _of_dataset(written: Written) -> list[Headline | None]:
    each = written.spending.get("for each kept pair", {})
    dataset = written.stages.get("dataset", {})
    sides = ", ".join(
        f"{dataset[f'{side} pairs']:,} {side}" for side in ("train", "test") if f"{side} pairs" in dataset
    )
    pairs = Headline("pairs in the dataset", f"{each['pairs']:,}", sides) if each else None
    cost = Headline("for each pair", f"{each['usd']:.4f} USD") if each.get("usd") else None
    return [pairs, cost]


def share_headline(label: str, value: Any) -> Headline | None:
    """A share as a headline; None where it was not measured."""
    figure = estimate(value)
    if figure is None:
        return None
    interval = "no interval" if math.isnan(figure.low) else f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %"
    return Headline(label, f"{100 * figure.value:.1f} %", f"{interval}, n\u00a0=\u00a0{figure.n:,}")


def _warnings(written: Written) -> list[str]:
    banner = written.summary.get("simulated") or written.certificate.get("simulated")
    missing = written.summary.get("missing", [])
    stale = [name for name in missing if name in written.summary.get("out of date", ())]
    left = [name for name in missing if name not in stale]
    return [
        *([str(banner)] if banner else []),
        *([f"Not done yet: {', '.join(left)}."] if left else []),
        *([f"Out of date, and left out: {', '.join(stale)}. Run it again."] if stale else []),
        *(f"{warning[:1].upper()}{warning[1:]}." for warning in written.summary.get("warnings", ())),
    ]


def _facts(written: Written) -> list[tuple[str, str]]:
    """Where the figures are from."""
    document = written.summary or written.certificate
    total = written.spending.get("total", {})
    files = [f"{file['name']} ({file['rows']:,} rows)" for file in written.certificate.get("files", ()) if file]
    facts = {
        "date": written.date,
        "seed": str(document.get("seed", "")),
        "toolkit": f"amendment {document.get('toolkit', '')}",
        "calls": f"{total['replies']:,}" if total.get("replies") else "",
        "cost": f"{total['usd']:.2f} USD" if total.get("usd") else "",
        "data": ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else ""),
    }
    return [(name, value) for name, value in facts.items() if value]
