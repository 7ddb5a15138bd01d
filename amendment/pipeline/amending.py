"""Learning from disagreement: a proposed new version of a run's constitution, with evidence, and nothing applied.

A model of the run file is shown comparisons that people decided otherwise than the run's first judge, and proposes
rules; that judge is then asked by each rule alone about comparisons that took no part in proposing, in both orders. All
calls go through the run's ledger and under its budget, as a stage `amend` of their own, so that a second call of the
command asks nothing again. What they come to is rehearsed and told before the first is sent.

Not covered: the figures, which stand in `calibration`; a run of its own with the new version, which is for its user.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from amendment.calibration import (
    Added,
    Candidate,
    Difference,
    Evidence,
    Gathered,
    LabelledRow,
    Proposal,
    Rule,
    Tried,
    added,
    amended,
    batches,
    evidence_json,
    evidence_lines,
    gathered,
    halves_of,
    harmful,
    principle_records,
    propose,
    rule,
)
from amendment.calls import STAGE
from amendment.constitutions import Constitution, Principle, lint, load_constitution, write_constitution
from amendment.errors import ConfigError, DataError, Paused, Transient
from amendment.files import write_text
from amendment.lilliput import BANNER
from amendment.pipeline.amending_inputs import Inputs, Judged, read_inputs, read_run
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Workspace
from amendment.pipeline.funds import spent_before
from amendment.pipeline.planning.figures import asks_of, budget_check
from amendment.pipeline.planning.performing import Setting
from amendment.pipeline.planning.plan import Asks, BudgetCheck, Total
from amendment.pipeline.planning.rehearsal import Rehearsal
from amendment.pipeline.planning.staging import Rehearsing, Sketch
from amendment.pipeline.planning.stored import stored_replies
from amendment.pipeline.pricing import price_table, prices_of
from amendment.pipeline.progress import Progress, QuietProgress
from amendment.pipeline.runfile.config import RunFile
from amendment.pipeline.terms import keys_of
from amendment.preference import Judge, JudgeSettings
from amendment.records import Verdict
from amendment.redaction import redact_logs
from amendment.yamlfile import did_you_mean

__all__ = ["Amended", "amend_run"]

PROPOSALS = 8
FEWEST_DIFFERENCES, FEWEST_TESTED = 5, 30
"""Disagreements to propose from; comparisons to test on."""
FILES = ("constitution.yaml", "evidence.json", "evidence.md")
_STANDING = "An answer keeps to rule number {number} of those that are still to be proposed, whatever it is about."


class Amended(NamedTuple):
    """What was written."""

    folder: Path
    evidence: Evidence
    document: dict[str, Any]
    """The content of `evidence.json`."""
    lines: list[str]
    """The content of `evidence.md`."""
    sent: int
    """Calls that went out now."""


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is asked, by the models of a context: of the run, or of a rehearsal."""

    inputs: Inputs
    model: str
    most: int

    @property
    def rows(self) -> dict[str, list[Judged]]:
        """The labelled comparisons of either half."""
        halves: dict[str, list[Judged]] = {"propose": [], "test": []}
        sides = halves_of((one.prompt.id for one in self.inputs.judged), seed=self.inputs.config.seed)
        for one in self.inputs.judged:
            halves[sides[one.prompt.id]].append(one)
        return halves

    @property
    def rules(self) -> dict[str, str]:
        """The statements that stand already, by id."""
        return {one.id: one.statement for rules in self.inputs.constitutions for one in rules.principles}

    @property
    def differences(self) -> list[Difference]:
        """What the model is shown."""
        return [_difference(one) for one in self.rows["propose"] if one.row.is_against]

    def propose(self, context: Context) -> Gathered:
        """Ask for rules."""
        asked, model = batches(self.differences, seed=self.inputs.config.seed), context.model(self.model)
        reads = context.each("propose rules", asked, lambda one: propose(model, one, self.rules), models=[model])
        return gathered(reads, list(self.rules.items()), most=self.most)

    def test(self, context: Context, proposals: Sequence[Proposal]) -> dict[str, list[list[Verdict]]]:
        """Ask the judge by each rule alone about every comparison to test on; verdicts by the rule's id."""
        judges = {one.id: _judge(self.inputs, context, one) for one in proposals}
        asked = [(name, one) for name in judges for one in self.rows["test"]]

        async def ask(task: tuple[str, Judged]) -> list[Verdict]:
            name, one = task
            return await judges[name].verdicts(one.prompt, one.a, one.b)

        models = [context.model(self.inputs.entry.model)]
        said = context.each("test rules", asked, ask, models=models)
        found: dict[str, list[list[Verdict]]] = {name: [] for name in judges}
        for (name, _), verdicts in zip(asked, said, strict=True):
            found[name].append(verdicts)
        return found


def amend_run(
    folder: str | Path,
    *,
    model: str | None = None,
    proposals: int = PROPOSALS,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    allow_unpriced: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Amended:
    """Propose a new version of the constitution of a run whose spot check is labelled; see the module.

    `model` proposes, by default the first judge's; at most `proposals` rules are tested. Writes into `out`, amend/ in
    the run's folder by default. `tell` hears what the calls will come to before they are sent. Raises ConfigError and
    DataError before anything is sent, and Paused where a provider is away.
    """
    folder = Path(folder)
    config = read_run(folder, overrides)
    inputs = read_inputs(folder, config)
    work = _Work(inputs=inputs, model=_proposer(config, model, inputs.entry.model), most=proposals)
    _refuse_few(folder, work)
    _refuse_unpriced(work, allow_unpriced)
    redact_logs(*keys_of(config))
    for line in _planned(work, folder):
        tell(line)
    context = Context(config, inputs.base, inputs.workspace, progress or QuietProgress())
    token = STAGE.set("amend")
    try:
        found = work.propose(context)
        verdicts = work.test(context, found.proposals)
        sent = context.sent
    except Transient as fault:
        raise Paused(f"amend: {fault}; what was answered is kept, go on with: amendment amend {folder}") from fault
    finally:
        STAGE.reset(token)
        context.close()
    evidence = _evidence(work, found, verdicts)
    return _written(Path(out) if out else folder / "amend", evidence, sent)


def _proposer(config: RunFile, name: str | None, default: str) -> str:
    if name is None or name in config.models:
        return name or default
    known = ", ".join(config.models)
    raise ConfigError(f"--model: no model {name!r} under models{did_you_mean(name, config.models)}; there are {known}")


def _refuse_few(folder: Path, work: _Work) -> None:
    """Too few labels to say anything, and how many are needed."""
    labelled, tested, shown = len(work.inputs.judged), len(work.rows["test"]), len(work.differences)
    needed = 2 * FEWEST_TESTED if tested < FEWEST_TESTED else 0
    if shown < FEWEST_DIFFERENCES:
        share = max(shown, 1) / max(len(work.rows["propose"]), 1)
        needed = max(needed, 2 * round(FEWEST_DIFFERENCES / share))
    if needed:
        raise DataError(
            f"{folder}: {labelled} comparisons are labelled in the open; {shown} of them are disagreements to propose "
            f"from (expected {FEWEST_DIFFERENCES}) and {tested} are to test on (expected {FEWEST_TESTED}). About "
            f"{max(needed, labelled + 10)} are needed: raise spot_check.items or lower spot_check.sealed, run again, "
            f"and label with: amendment label {folder}"
        )


def _refuse_unpriced(work: _Work, allowed: bool) -> None:
    prices = prices_of(work.inputs.config, work.inputs.base)
    names = [name for name in dict.fromkeys((work.model, work.inputs.entry.model)) if prices[name] is None]
    if names and not allowed:
        raise ConfigError(
            f"no price is known of {', '.join(names)}: give each a price under models (USD per million tokens, such as "
            "price: {input: 2.5, output: 10}), or run with --allow-unpriced"
        )


def _planned(work: _Work, folder: Path) -> list[str]:
    """What the calls come to, rehearsed with the run's own ledger; nothing is sent."""
    config, base = work.inputs.config, work.inputs.base
    prices = prices_of(config, base)
    with stored_replies(folder) as ledger, tempfile.TemporaryDirectory(prefix="amendment-plan-") as place:
        find = ledger.find if ledger else (lambda _: None)
        setting = Setting(config, base, work.inputs.workspace, (), prices, find, ledger is not None)
        asked = {config.models[name].provider for name in (work.model, work.inputs.entry.model)}
        likely = Rehearsal(find)
        most = likely if asked == {"simulated"} else Rehearsal(find, is_longest=True)  # which answers here in earnest
        for rehearsal in dict.fromkeys((likely, most)):
            sketch = Sketch(Path(place), Workspace(folder))
            _rehearse(work, setting.rehearsing(config, sketch, rehearsal), rehearsal)
        asks = asks_of(likely, most, setting, ledger.times() if ledger else [])
        spent = spent_before(ledger, config.models, prices, price_table(config, base)) if ledger else 0.0
        budget = budget_check(config.budget.usd, spent, asks) if config.budget else None
        return _told(asks, budget)


def _rehearse(work: _Work, context: Rehearsing, rehearsal: Rehearsal) -> None:
    """With rules that stand for those nobody has proposed yet, as many as may be tested."""
    try:
        rehearsal.stage = "amend: propose"
        proposals = work.propose(context).proposals
        place = rehearsal.tallies[next(iter(rehearsal.tallies))]
        if place.calls and context.config.models[work.model].provider != "simulated":
            texts = [_STANDING.format(number=number + 1) for number in range(work.most)]
            proposals = tuple(Proposal(f"rule-{number}", Rule(text, text), 1) for number, text in enumerate(texts))
        rehearsal.stage = "amend: test"
        work.test(context, proposals)
    finally:
        context.close()


def _told(asks: Sequence[Asks], budget: BudgetCheck | None) -> list[str]:
    total = Total.of(asks)
    if not total.calls:
        return ["amend: every reply is in the ledger; nothing is asked"]
    parts = [f"{one.calls:,} to {one.model} ({one.stage.partition(': ')[2]})" for one in asks if one.calls]
    money = f"about ${total.usd:.2f}" if total.usd is not None else "unknown, since a price is missing"
    bound = f", ${total.most_usd:.2f} at most without faults" if total.most_usd is not None else ""
    lines = [f"amend: {total.calls:,} calls at most, {' and '.join(parts)}; cost {money}{bound}"]
    if budget and budget.verdict == "would stop":
        lines.append(f"amend: the budget of ${budget.usd:.2f}, of which ${budget.spent:.2f} is spent, would stop it")
    return lines


def _difference(one: Judged) -> Difference:
    preferred, other = (one.a, one.b) if one.row.side > 0 else (one.b, one.a)
    return Difference(one.row, one.prompt.messages, preferred.messages, other.messages)


def _judge(inputs: Inputs, context: Context, proposal: Proposal) -> Judge:
    """The run's first judge, by one rule alone and in both orders."""
    principle = Principle(id=proposal.id, statement=proposal.rule.statement, compare=(proposal.rule.compare,))
    alone = Constitution(id="amend", version="1.0.0", title="A rule", license="CC0-1.0", principles=(principle,))
    return Judge(
        folder=inputs.folder,
        model=context.model(inputs.entry.model),
        constitutions=[alone],
        settings=JudgeSettings(orders="both"),
        samples=inputs.entry.samples,
        seed=inputs.config.seed,
    )


def _evidence(work: _Work, found: Gathered, verdicts: Mapping[str, list[list[Verdict]]]) -> Evidence:
    inputs, halves = work.inputs, work.rows
    tested = {name: _tested(inputs, halves["test"], said) for name, said in verdicts.items()}
    adds = {name: added(one, [other for key, other in tested.items() if key != name]) for name, one in tested.items()}
    rulings = rule(tested, adds)
    candidates = [Candidate(one, adds[one.id], rulings[one.id]) for one in found.proposals]
    accepted = sorted(
        (one for one in candidates if one.ruling.accepted), key=lambda one: (one.added.p, one.proposal.id)
    )
    old, shown = inputs.constitutions[0], len(work.differences)
    own = _own(inputs)
    return Evidence(
        run=inputs.config.name,
        banner=BANNER if any(one.provider == "simulated" for one in inputs.config.models.values()) else "",
        seed=inputs.config.seed,
        model=work.model,
        judge=f"{inputs.entry.model}/{inputs.folder.id}@{inputs.folder.version}",
        old=old,
        new=amended(old, accepted, run=inputs.config.name, shown=shown) if accepted else None,
        labels={
            "comparisons": len(inputs.judged),
            "prompts": len({one.prompt.id for one in inputs.judged}),
            "to propose from": len(halves["propose"]),
            "to test on": len(halves["test"]),
        },
        shown=shown,
        records=principle_records([one.row for one in inputs.judged]),
        own=own,
        harmful=harmful(own),
        candidates=candidates,
        gathered=found,
    )


def _tested(inputs: Inputs, judged: Sequence[Judged], said: Sequence[Sequence[Verdict]]) -> Tried:
    """A candidate over the comparisons to test on, in their order."""
    own, together = [], []
    for one, verdicts in zip(judged, said, strict=True):
        between = one.row.comparison
        own.append(inputs.together(verdicts, between).p_a)
        both = inputs.together([*one.verdicts, *verdicts], between).p_a
        together.append(one.row.p if both is None else both)
    return Tried([one.row for one in judged], own, [one.row.p for one in judged], together)


def _own(inputs: Inputs) -> dict[str, Added]:
    """What each principle adds beside the others that the judge was asked by, from verdicts that exist."""
    parts: dict[str, list[tuple[LabelledRow, float]]] = {}
    for one in inputs.judged:
        for name in one.row.by_principle:
            rest = [verdict for verdict in one.verdicts if verdict.principle_id != name]
            without = inputs.together(rest, one.row.comparison).p_a if rest else None
            if without is not None:
                parts.setdefault(name, []).append((one.row, without))
    return {
        name: added(
            Tried(
                [row for row, _ in rows],
                [row.by_principle[name] for row, _ in rows],
                [without for _, without in rows],
                [row.p for row, _ in rows],
            )
        )
        for name, rows in sorted(parts.items())
    }


def _written(folder: Path, evidence: Evidence, sent: int) -> Amended:
    """The three files; without a new version no constitution is left there from before."""
    document, lines = evidence_json(evidence), evidence_lines(evidence)
    path = folder / FILES[0]
    if evidence.new is None:
        path.unlink(missing_ok=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_constitution(evidence.new, path, replace=True)
        read = load_constitution(f"./{path.name}", base=folder)
        if read.content_hash != evidence.new.content_hash or any(one.level == "error" for one in lint(read)):
            raise DataError(f"{path}: does not read back as it was written; nothing may be taken from it")
    write_text(folder / FILES[1], json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    write_text(folder / FILES[2], "\n".join(lines))
    return Amended(folder, evidence, document, lines, sent)
