"""`amendment amend`: a proposed new version of a run's constitution, with the evidence for it. Nothing is applied.

A model sees comparisons that people decided otherwise than the run's first judge, and proposes rules; the judge is then
asked by each rule, and by a neutral question, about held-out comparisons. Calls go through the run's ledger and under
its budget as the stage `amend`. Sealed labels are never read, nor comments on them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from amendment.constitutions import Constitution, Principle, load_constitution, write_constitution
from amendment.data.pseudonyms import Pseudonyms
from amendment.errors import ConfigError, DataError, Paused, Transient
from amendment.files import json_object, write_json
from amendment.hashing import HASH_PREFIX, content_id
from amendment.keys import redact_logs
from amendment.llm.concurrency import STAGE
from amendment.people.amending import (
    NEUTRAL,
    LabelledRow,
    ProposedRule,
    RuleTest,
    principle_table,
    propose,
    rule_tests,
    similarity,
)
from amendment.people.labelling import OPEN, SAMPLE, SPOT_CHECK
from amendment.people.samples import SampledItem
from amendment.people.store import Labels
from amendment.preference import Judge, JudgeSettings, aggregate_verdicts, load_judge_folder
from amendment.preference.aggregate import person_votes, weigh_principles
from amendment.preference.readings import by_comparison
from amendment.preference.settings import JudgingConfig
from amendment.publishing.manifest import read_manifest
from amendment.records import Candidate, Comparison, Prompt, Verdict, last_text
from amendment.run.chain import run_tables
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.money import find_prices
from amendment.run.permissions import read_keys
from amendment.run.progress import Progress, QuietProgress
from amendment.run.runfile.config import RunFile, read_resolved
from amendment.stages.audit import simulated_banner
from amendment.text import cell, plain, table
from amendment.yamlfile import did_you_mean

FEWEST_DIFFERENCES, FEWEST_TESTED = 5, 30
"""Disagreements to propose from; comparisons to test on."""
NEAR = 0.6
"""Likeness of words from which two rules are the same."""
CAUTION = "The wording of a rule, not the rule itself, may cause a gain or drift."


class Amended(NamedTuple):
    """The result, as written into `folder`."""

    folder: Path
    new: Constitution | None
    """None where no rule was accepted."""
    document: dict[str, Any]
    """The content of `evidence.json`."""
    sent: int
    """Calls sent by this command."""

    @property
    def lines(self) -> list[str]:
        """Return the evidence for people."""
        document = self.document
        disagreements = [["principle", "asked", "agrees with people", "disagreements"]]
        for row in document["principles"]:
            agrees = _percent(row["agreement"])
            disagreements.append([cell(row["principle"]), str(row["asked"]), agrees, str(row["against"])])
        tested = [["rule", "gain over the constitution", "gain over a neutral question", "p", "accepted"]]
        for row in document["rules"]:
            gains = [_percent(row[f"gain over the {name}"]) for name in ("constitution", "neutral question")]
            tested.append([cell(row["statement"]), *gains, f"{row['p']:.2g}", row["reason"] or "yes"])
        labels, rules = document["labels"], document["rules"]
        proposed = f"Proposed: {plain(document['proposed'])}." if document["proposed"] else "No change is proposed."
        return [
            *([f"> {document['simulated']}", ""] if document["simulated"] else []),
            f"{labels['comparisons']:,} comparisons have open labels; {labels['held out']:,} are held out.",
            *("", *table(disagreements), ""),
            *(table(tested) if rules else ["No rule was tested."]),
            *("", f"Gains are in agreement with people; intervals (95 %) and p are corrected for {len(rules)} rules."),
            document["caution"],
            *(f"Left out: {count} {reason}." for reason, count in document["left out"].items()),
            proposed,
        ]


def _percent(estimate: Mapping[str, Any]) -> str:
    """Return a share or a difference of shares in percent, with its interval."""
    if estimate["value"] is None:
        return "unknown"
    interval = "" if estimate["low"] is None else f" ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"
    return f"{100 * estimate['value']:.1f} %{interval}"


def amend_run(
    folder: str | Path,
    *,
    model: str | None = None,
    proposals: int = 4,
    overrides: Sequence[str] = (),
    allow_unpriced: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Amended | None:
    """Propose a new version of the constitution of a run whose spot check is labelled; see the module.

    `model` proposes, by default the first judge's; at most `proposals` rules are tested. Writes into amend/ in the
    run's folder. `tell` gets the plan, line by line, before anything is sent; a dry run ends there, with None. Raises
    ConfigError and DataError before anything is sent, and Paused where a provider cannot be reached.
    """
    folder = Path(folder)
    if not (folder / "run.yaml").is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one such as runs/NAME")
    config = read_resolved(folder, overrides)
    work = _Amending(folder, config, model)
    prices = find_prices(config, work.base)
    unpriced = [name for name in dict.fromkeys((work.model, work.entry.model)) if prices[name] is None]
    if unpriced and not allow_unpriced:
        names = ", ".join(unpriced)
        raise ConfigError(f"no known price for {names}: set a price under models, or pass --allow-unpriced")
    redact_logs(*read_keys(config))
    for line in work.plan(proposals):
        tell(line)
    if dry_run:
        return None
    context = RunContext(config, work.base, work.workspace, progress or QuietProgress())
    token = STAGE.set("amend")
    try:
        rules, left_out = work.propose(context, proposals)
        tests = work.test(context, rules)
        document, new = work.evidence(rules, tests, left_out)
        sent = context.sent
    except Transient as fault:
        raise Paused(f"amend: {fault}. The replies so far are kept.") from fault
    finally:
        STAGE.reset(token)
        context.close()
    written = folder / "amend"
    written.mkdir(parents=True, exist_ok=True)
    (written / "constitution.yaml").unlink(missing_ok=True)
    if new:
        write_constitution(new, written / "constitution.yaml")
    write_json(written / "evidence.json", document)
    return Amended(written, new, document, sent)


class _Judged(NamedTuple):
    """A labelled comparison with its texts and the first judge's verdicts."""

    row: LabelledRow
    prompt: Prompt
    a: Candidate
    b: Candidate
    verdicts: list[Verdict]
    comments: list[str]

    def shown(self) -> dict[str, Any]:
        """Return the part that the proposing model sees."""
        preferred, other = (self.a, self.b) if self.row.y > 0.5 else (self.b, self.a)
        texts = {"conversation": self.prompt.messages, "preferred": preferred.messages, "other": other.messages}
        turns: dict[str, Any] = {
            name: [{"role": message.role, "content": last_text((message,))} for message in messages]
            for name, messages in texts.items()
        }
        return turns | ({"comments": self.comments} if self.comments else {})


class _Amending:
    """Reads the labelled comparisons of a run and asks the models about them."""

    def __init__(self, folder: Path, config: RunFile, model: str | None) -> None:
        """Raises ConfigError for a run without judges or labels, DataError where too little is labelled."""
        self.folder, self.config, self.workspace = folder, config, RunFolder(folder)
        needed = ("judging/verdicts", SAMPLE, OPEN)
        missing = [name for name in needed if not self.workspace.path(name).is_file()]
        judging = config.part(JudgingConfig)
        if judging is None or missing:
            raise ConfigError(
                f"{folder}: found no {', '.join(missing) or 'judging'}; amend needs a run with `judging:` and a "
                f"labelled `{SPOT_CHECK.keys[0]}:`. Run it until labels, then label with: {SPOT_CHECK.command(folder)}"
            )
        self.stage, self.entry = judging, judging.judges[0]
        self.model = model or self.entry.model
        if self.model not in config.models:
            hint = did_you_mean(self.model, config.models)
            raise ConfigError(f"--model: no model {self.model!r} under models{hint}; found {', '.join(config.models)}")
        names = [str(reference).split("@")[0] for reference in read_manifest(folder)["constitutions"]]
        self.constitutions = [load_constitution(f"./{name}.json", base=folder / "constitutions") for name in names]
        self.rules = {rule.id: rule.statement for rules in self.constitutions for rule in rules.principles}
        places = (Path.cwd(), folder.resolve().parent.parent)  # of a judge's own folder
        self.base = next((base for base in places if (base / self.entry.protocol).exists()), places[0])
        self.judge = load_judge_folder(self.entry.protocol, base=self.base)
        self.judged = self._read()
        prompts = {judged.prompt.id for judged in self.judged}
        tested = set(sorted(prompts, key=lambda prompt: content_id(["amend", config.seed, prompt]))[1::2])
        self.held_out = [judged for judged in self.judged if judged.prompt.id in tested]
        self.records = principle_table([judged.row for judged in self.judged])
        self.differences = [
            judged
            for judged in sorted(
                self.judged, key=lambda judged: content_id(["amend", config.seed, judged.row.comparison.id])
            )
            if judged.prompt.id not in tested and any(map(judged.row.is_against, judged.row.by_principle))
        ]
        if len(self.differences) < FEWEST_DIFFERENCES or len(self.held_out) < FEWEST_TESTED:
            raise DataError(
                f"{folder}: {len(self.judged)} comparisons have open labels; {len(self.differences)} of them are "
                f"disagreements to propose from (expected {FEWEST_DIFFERENCES}) and {len(self.held_out)} are held out "
                f"for the test (expected {FEWEST_TESTED}). Raise {SPOT_CHECK.keys[0]}.items or lower sealed, run "
                f"again, and label with: {SPOT_CHECK.command(folder)}"
            )

    def _read(self) -> list[_Judged]:
        """Return the labelled comparisons on which the first judge has a verdict, in the order of the sample."""
        workspace = self.workspace
        rater = f"{self.entry.model}/{self.judge.id}@{self.judge.version}"
        votes = person_votes(workspace.rows(OPEN, Verdict))
        sample = [item for item in workspace.rows(SAMPLE, SampledItem) if item.comparison_id in votes]
        texts = {prompt.id: prompt for prompt in workspace.rows("inputs/prompts", Prompt)}
        tables = run_tables(self.config).answers
        answers = {answer.id: answer for table in tables for answer in workspace.rows(table, Candidate)}
        own = [
            verdict
            for verdict in workspace.rows("judging/verdicts", Verdict)
            if verdict.rater == rater and verdict.principle_id
        ]
        verdicts = by_comparison(own)
        comments, judged = self._comments(set(votes)), []
        for item in sample:
            between = Comparison(item.prompt_id, item.a, item.b)
            mine = list(verdicts.get(between, ()))
            if not mine or (p := self.together(mine, between)) is None:
                continue
            names = sorted({str(verdict.principle_id) for verdict in mine})
            alone = {name: self.together([v for v in mine if v.principle_id == name], between) for name in names}
            by_principle = {name: value for name, value in alone.items() if value is not None}
            y = fmean(votes[item.comparison_id].values())
            row = LabelledRow(between, y, item.inclusion, p, by_principle)
            item_texts = texts[item.prompt_id], answers[item.a], answers[item.b]
            judged.append(_Judged(row, *item_texts, mine, comments[item.comparison_id]))
        return judged

    def _comments(self, opened: set[str]) -> dict[str, list[str]]:
        """Annotators' comments on comparisons with open labels, without their names."""
        comments: dict[str, list[str]] = defaultdict(list)
        if SPOT_CHECK.labels_in(self.folder).is_file():
            with Labels(SPOT_CHECK.labels_in(self.folder), read_only=True) as store:
                hidden = Pseudonyms((), {label.annotator for label in store.history()}).hiding()
                for label in store.current():
                    if label.comment and label.comparison_id in opened:
                        comments[label.comparison_id].append(hidden(label.comment))
        return comments

    def together(self, verdicts: Sequence[Verdict], between: Comparison) -> float | None:
        """P(a is better) of these verdicts, put together as the run does it; a new rule has weight 1."""
        stage = self.stage
        return aggregate_verdicts(
            verdicts,
            orders=stage.orders,
            disagreement=stage.disagreement,
            combine=stage.combine,
            weightings=weigh_principles(self.constitutions, by_weight=stage.principles_per_pair == "all"),
            comparison=between,
        ).p_a

    def asked(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return each principle that is against people, with the disagreements about it."""
        against = {
            name: [judged.shown() for judged in self.differences if judged.row.is_against(name)]
            for name in (record["principle"] for record in self.records)
        }
        return [(name.rpartition("/")[2], shown) for name, shown in against.items() if shown]

    def plan(self, most: int) -> list[str]:
        """Return the calls at most, what they cost by the judge's calls so far, and what is sent where."""
        tests = 2 * self.entry.samples * (most + 1) * len(self.held_out)
        judge = self.config.models[self.entry.model]
        spending = json_object(self.folder / "spending.json").get("by stage and model", [])
        paid = [row for row in spending if row["stage"] == "judging" and row["model"] == judge.model]
        usd = sum(row["usd"] for row in paid) / max(sum(row["replies"] for row in paid), 1) * tests
        comments = sum(len(judged.comments) for judged in self.differences)
        host = getattr(self.config.models[self.model], "host", "this machine")
        return [
            f"amend: at most {len(self.asked())} calls to {self.model} to propose and {tests:,} to {self.entry.model} "
            f"to test (about ${usd:.2f}, from the run's judge calls so far); replies in the ledger cost nothing more",
            f"amend: sends {len(self.differences)} comparisons on which people and judge disagree, with {comments} "
            f"annotators' comments on open labels, to {plain(host)} ({plain(self.model)})",
        ]

    def propose(self, context: RunContext, most: int) -> tuple[dict[str, ProposedRule], Counter[str]]:
        """Ask for rules, one call for each principle; rules by id, without those that repeat another one."""
        model = context.model(self.model)
        replies = context.map_bounded(
            "proposing rules", self.asked(), lambda asked: propose(model, *asked, self.rules), models=[model]
        )
        rules: dict[str, ProposedRule] = {}
        left_out = sum((reasons for _, reasons in replies), Counter[str]())
        for rule in [rule for proposed, _ in replies for rule in proposed]:
            statements = [*self.rules.values(), *(other.statement for other in rules.values())]
            if any(similarity(rule.statement, statement) >= NEAR for statement in statements):
                left_out["rules that repeat another one"] += 1
            elif len(rules) == most:
                left_out[f"rules beyond {most}"] += 1
            else:
                rules[f"amended-{content_id(rule.statement).removeprefix(HASH_PREFIX)[:8]}"] = rule
        return rules, left_out

    def test(self, context: RunContext, rules: Mapping[str, ProposedRule]) -> dict[str, RuleTest]:
        """Ask the judge by each rule and by the neutral question about every held-out comparison, in both orders."""
        model = context.model(self.entry.model)
        judges = {}
        for name, rule in {**rules, "neutral": NEUTRAL}.items():
            principle = Principle(id=name, statement=rule.statement, compare=(rule.compare,))
            alone = Constitution(
                id="amend", version="1.0.0", title="A rule", license="CC0-1.0", principles=(principle,)
            )
            judge = Judge(folder=self.judge, model=model, constitutions=[alone], seed=self.config.seed)
            judges[name] = replace(judge, samples=self.entry.samples, settings=JudgeSettings(orders="both"), stops=True)
        tasks = [(name, judged) for name in judges for judged in self.held_out] if rules else []

        async def ask(task: tuple[str, _Judged]) -> float:
            name, judged = task
            verdicts = await judges[name].verdicts(judged.prompt, judged.a, judged.b)
            p = self.together([*judged.verdicts, *verdicts], judged.row.comparison)
            return judged.row.p if p is None else p

        columns: dict[str, list[float]] = {name: [] for name in judges}
        for (name, _), p in zip(tasks, context.map_bounded("testing rules", tasks, ask, models=[model]), strict=True):
            columns[name].append(p)
        neutral = columns.pop("neutral")
        return rule_tests([judged.row for judged in self.held_out], neutral, columns, seed=self.config.seed)

    def evidence(
        self, rules: Mapping[str, ProposedRule], tests: Mapping[str, RuleTest], left_out: Counter[str]
    ) -> tuple[dict[str, Any], Constitution | None]:
        """Return the evidence, and a new version of the constitution where a rule was accepted."""
        old = self.constitutions[0]
        major, minor, *_ = old.version.split(".")
        added = tuple(
            Principle(
                id=name,
                statement=rules[name].statement,
                rationale=(
                    f"Proposed by amend in run {plain(self.config.name)}. On {len(self.held_out)} held-out pairs "
                    f"agreement with people changes by {_percent(test.over_constitution.to_json())}, and by "
                    f"{_percent(test.over_neutral.to_json())} over a neutral question."
                ),
                critique=("Say where the answer follows or breaks this rule, and quote the words that you mean.",),
                revise=("Rewrite the answer so that it follows this rule, and leave the rest of it as it is.",),
                compare=(rules[name].compare,),
            )
            for name, test in tests.items()
            if not test.reason
        )
        changed = {"version": f"{major}.{int(minor) + 1}.0", "extends": (), "principles": (*old.principles, *added)}
        new = old.model_copy(update=changed) if added else None
        document = {
            "format": 2,
            "run": self.config.name,
            "simulated": simulated_banner(self.config),
            "seed": self.config.seed,
            "model": self.model,
            "judge": f"{self.entry.model}/{self.judge.id}@{self.judge.version}",
            "constitution": old.reference,
            "proposed": new.reference if new else None,
            "labels": {"comparisons": len(self.judged), "held out": len(self.held_out)},
            "neutral question": NEUTRAL.compare,
            "principles": self.records,
            "rules": [
                {
                    **{"id": name, **rules[name]._asdict(), "accepted": not test.reason, "reason": test.reason or None},
                    "gain over the constitution": test.over_constitution.to_json(),
                    "gain over the neutral question": test.over_neutral.to_json(),
                    "p": test.p,
                }
                for name, test in tests.items()
            ],
            "left out": dict(sorted(left_out.items())),
            "caution": CAUTION,
        }
        return document, new
