"""What a report says about a run or an audit, before it is a page: the first screen, and chapters with their plots.

Every figure is read from files that the run or the audit has written, and is the one that the terminal prints; rows of
the dataset are counted (`before_use`).
Covered: a run's folder, finished or not, and an audit's. Not covered: the chapters themselves (`judge_chapters`,
`run_chapters`), samples, and HTML (`page`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from amendment.errors import ConfigError
from amendment.files import read_json
from amendment.report.plots import Plot
from amendment.results import SUMMARY, Summary, read_summary

if TYPE_CHECKING:
    from amendment.report.before_use import PairFacts

Json = Mapping[str, Any]
ORDER = (
    *("funnel", "pairs", "policies", "agreement", "position", "bias", "reliability", "slices", "principles"),
    *("kept", "training", "diversity", "calls", "tables", "lines"),
)
"""Ids of all chapters: what came of it, the judge, how it came to be."""
APPENDIX = ("tables", "lines")
"""Chapters that stand below the samples."""
OUTCOME_OF = {"use": "PASS", "use only where": "WARN", "do not use": "FAIL"}
"""By the form of a conclusion."""
MOST_JUDGES = 8
"""In a plot, the best first."""
TWO_GATES = {
    "gate before training": "whether this run's labels are good enough to train on: people, who label a random sample "
    "of the pairs; orders, which should agree; and replies, which should be readable. At FAIL a training stops",
    "certificate of the judge": "what the judge's single verdicts on all items show, by the gates below. It stops no "
    "training. PASS says that nothing wrong was shown, not that nothing is wrong",
}
"""What the two sets of gates are, in the words of their headings."""


class Rule(NamedTuple):
    """A principle of a constitution, spelled out."""

    reference: str
    """Constitution and principle: brief/short."""
    statement: str
    check: str
    """What code checks, such as max_words 25; empty for nothing."""

    @classmethod
    def of(cls, constitution: str, principle: Json) -> Rule:
        """Return a principle as the file of its constitution has it."""
        checks = [(check["kind"], check.get("value")) for check in principle.get("check") or ()]
        words = ", ".join(kind if value is None else f"{kind} {value}" for kind, value in checks)
        return cls(f"{constitution}/{principle['id']}", principle["statement"], short(words, 80))


class Written:
    """The files of figures in a folder. Raises ConfigError where it is neither a run's nor an audit's."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.is_run = (self.folder / SUMMARY).is_file()
        self.summary = read_summary(self.folder) if self.is_run else Summary(name="", seed=0, toolkit="", stages={})
        self.results = self.summary.stages
        """The results of the stages that are done, by name."""
        # of a run the certificate as it may be published: a report is sent around, and people are under pseudonyms
        self.certificate = self.read("audit/certificate.json" if self.is_run else "certificate.json")
        if not self.is_run and not self.certificate:
            message = "no summary.json and no certificate.json here; expected a run's folder, such as runs/NAME, or an"
            raise ConfigError(f"{self.folder}: {message} audit's, such as audits/NAME")
        if str(self.certificate.get("format")).startswith("single"):
            raise ConfigError(f"{self.folder}: labels of single answers have no report; read its certificate.md")
        if self.is_run and "audit" not in self.results:
            self.certificate = {}  # of settings or inputs that have changed since
        self.spending = self.read("spending.json") if self.is_run else {}

    @property
    def name(self) -> str:
        """Return the run's name, or the audit's."""
        return str(self.summary.name or self.certificate.get("name") or self.folder.resolve().name)

    @property
    def judges(self) -> list[Json]:
        """At most `MOST_JUDGES` judges of the certificate, in the order of their conclusions."""
        judges = {judge["name"]: judge for judge in self.certificate.get("judges", ())}
        order = [conclusion["judge"] for conclusion in self.certificate.get("conclusions", ())] or list(judges)
        return [judges[name] for name in order if name in judges][:MOST_JUDGES]

    @property
    def judges_in_use(self) -> list[Json]:
        """Return those of them that decided a pair of the run; all of an audit, and of a run without pairs yet."""
        return self.judges if not self.is_run or self.pairs.is_judged else []

    @property
    def concluded(self) -> dict[str, Json]:
        """Return the conclusions by judge."""
        return {str(conclusion["judge"]): conclusion for conclusion in self.certificate.get("conclusions", ())}

    @property
    def banner(self) -> str:
        """Return what has to be known first of a simulated world; empty elsewhere."""
        return str(self.summary.simulated or self.certificate.get("simulated") or "")

    @cached_property
    def rules(self) -> list[Rule]:
        """Return the principles of the constitutions that the run has used."""
        names = sorted(path.name for path in self.folder.glob("constitutions/*.json")) if self.is_run else []
        constitutions = [self.read(f"constitutions/{name}") for name in names]
        for name, constitution in zip(names, constitutions, strict=True):
            if not {"id", "principles"} <= constitution.keys():
                path = self.folder / "constitutions" / name
                raise ConfigError(f"{path}: expected id and principles; run again to rewrite it")
        return [
            Rule.of(constitution["id"], principle)
            for constitution in constitutions
            for principle in constitution["principles"]
        ]

    @cached_property
    def pairs(self) -> PairFacts:
        """Return what the rows of the dataset say of their labels; nothing where the dataset is not done."""
        from amendment.report.before_use import pair_facts

        return pair_facts(self.folder, self.results)

    @property
    def date(self) -> str:
        """Return the day on which the figures were written, in UTC."""
        path = self.folder / (SUMMARY if self.is_run else "certificate.json")
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")

    def read(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file; empty where there is no such file. Raises ConfigError where it is
        damaged."""
        path = self.folder / name
        try:
            content = read_json(path)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as fault:
            raise ConfigError(
                f"{path}: not readable JSON ({fault}); make it again with amendment run or audit"
            ) from None
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: expected an object, found {type(content).__name__}; make it again")
        return content

    def stage_file(self, stage: str, name: str) -> dict[str, Any]:
        """Return the same of a file that a stage makes; empty where the stage is not done."""
        return self.read(name) if stage in self.results else {}


@dataclass(frozen=True)
class DataTable:
    """A table below a plot, or on its own."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = "The data"
    notes: Sequence[str] = ()
    is_open: bool = False
    """It is shown at once."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One question and its figures."""

    id: str
    """Chapters of two reports with the same id stand next to each other."""
    title: str
    says: str
    """What to see, in a sentence."""
    plots: Sequence[Plot] = ()
    tables: Sequence[DataTable] = ()
    notes: Sequence[str] = ()

    @property
    def is_wide(self) -> bool:
        """It takes both columns of a page."""
        return len(self.plots) != 1


@dataclass(frozen=True)
class Concluded:
    """The conclusion on a judge."""

    sentence: str
    outcome: str
    """As that of a gate: PASS to use it, WARN to use it with a condition, FAIL not to, not measured for none."""


@dataclass(frozen=True)
class GateView:
    """What a gate says, and why."""

    outcome: str
    """PASS, WARN, FAIL or not measured."""
    what: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportDocument:
    """One run or audit."""

    name: str
    kind: str
    folder: Path
    lines: Sequence[tuple[str, str]]
    """What a lead asks first, with the answers."""
    conclusions: Sequence[Concluded]
    gates: Sequence[GateView]
    before_use: Sequence[str]
    """What has to be known before anything is built on it, the worst first."""
    facts: Sequence[tuple[str, str]]
    chapters: Sequence[Chapter] = field(default_factory=tuple)
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def leading(self) -> str:
        """Return the id of the chapter with the picture of the conclusion: on the judge where one decided, else on what
        training changed."""
        names = ("agreement", "position", "policies") if self.conclusions else ("policies",)
        there = {chapter.id for chapter in self.chapters}
        return next((name for name in names if name in there), "")

    @property
    def rules(self) -> dict[str, str]:
        """Return what the gates of a run and of a certificate are, and the rule of each of the latter, by its name."""
        named = {term[5:]: rule for term, rule in self.definitions.items() if term.startswith("gate ")}
        return {**(TWO_GATES if self.kind == "run" else {}), **named} if named else {}


def short(name: str, longest: int = 40) -> str:
    """Return a name that fits into a label."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def read_document(folder: str | Path) -> ReportDocument:
    """Return what the folder of a run or an audit holds. Raises ConfigError where it is neither, or a file is
    damaged."""
    from amendment.report.first_screen import first_lines
    from amendment.report.judge_chapters import judge_chapters
    from amendment.report.pair_chapters import pair_chapters
    from amendment.report.run_chapters import run_chapters

    written = Written(folder)
    certificate = written.certificate
    chapters = [*judge_chapters(written), *pair_chapters(written), *(run_chapters(written) if written.is_run else ())]
    return ReportDocument(
        name=written.name,
        kind="run" if written.is_run else "audit",
        folder=written.folder,
        lines=first_lines(written),
        conclusions=_conclusions(written),
        gates=_gates(written),
        before_use=_before_use(written),
        facts=_facts(written),
        chapters=sorted(chapters, key=lambda chapter: ORDER.index(chapter.id)),
        definitions=certificate.get("glossary", {}),
    )


def _conclusions(written: Written) -> list[Concluded]:
    """Return a sentence for each judge, the best first; of a run that measured none, what is missing."""
    if not written.certificate and "dataset" in written.results and written.pairs.is_judged:
        sentence = "Nothing can be concluded about the labels: nothing in this run has measured a judge."
        return [Concluded(sentence, "not measured")]
    given = written.certificate.get("conclusions", ()) if written.judges_in_use else ()
    return [Concluded(str(row["sentence"]), OUTCOME_OF.get(row["form"], "not measured")) for row in given]


def _gates(written: Written) -> list[GateView]:
    """Return the gate before training, and the certificate of each judge with its gates that fail or warn."""
    certificate, gates = written.certificate, []
    title = "Gate before training (labels of this run)"
    if training := certificate.get("gate"):
        checks = ", ".join(f"{check['check']} {check['outcome']}" for check in training["checks"])
        gates.append(GateView(training["outcome"], title, checks))
    elif written.is_run and certificate:
        gates.append(GateView("not measured", title, "no spot check in this run"))
    for judge in written.judges_in_use:
        own = [gate for gate in certificate["gates"] if gate["judge"] == judge["name"]]
        raised = [gate for outcome in ("FAIL", "WARN") for gate in own if gate["outcome"] == outcome]
        passed = [gate["check"] for gate in own if gate["outcome"] == "PASS"]
        listed = [f"{gate['outcome']} {gate['check']}: {gate['found']}" for gate in raised]
        listed += [f"PASS {', '.join(passed)}"] if passed else []
        worst = listed[0].split()[0] if listed else "not measured"
        gates.append(GateView(worst, f"Certificate of the judge ({short(judge['name'])})", "\n".join(listed)))
    return gates


def _before_use(written: Written) -> list[str]:
    from amendment.report.before_use import before_use

    missing = written.summary.missing
    stale = [name for name in missing if name in written.summary.out_of_date]
    left = [name for name in missing if name not in stale]
    return [
        *([written.banner] if written.banner else []),
        *before_use(written),
        *([f"Not done yet: {', '.join(left)}."] if left else []),
        *([f"Out of date, and left out: {', '.join(stale)}. Run it again."] if stale else []),
    ]


def _facts(written: Written) -> list[tuple[str, str]]:
    """Return where the figures are from."""
    document = written.summary.to_json() if written.is_run else written.certificate
    total = written.spending.get("total", {})
    labels = written.summary.of("labels")
    files = [f"{file['name']} ({file['rows']:,} rows)" for file in written.certificate.get("files", ()) if file]
    facts = {
        "date": written.date,
        "seed": str(document.get("seed", "")),
        "toolkit": f"amendment {document.get('toolkit', '')}",
        "calls": f"{total['replies']:,}" if total.get("replies") else "",
        "cost": f"{total['usd']:.2f} USD" if total.get("usd") else "",
        "labels": f"{labels.count('open_labels'):,} open and {labels.count('sealed_labels'):,} sealed"
        if labels.count("labels")
        else "",
        "data": ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else ""),
    }
    return [(name, value) for name, value in facts.items() if value]
