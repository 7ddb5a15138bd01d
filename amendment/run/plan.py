"""A plan: what a run will ask, take and cost, by stage and model, before anything is spent.

Nothing is sent, no key is needed, and the run's folder is only read. The figures come from a dry run of the stages that
ask models: over all prompts, or over the first 1,000 and scaled up. Not covered: what training takes, and faults and
the attempts that they cost.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from amendment.constitutions import load_constitution
from amendment.curation.coverage import PrincipleCoverage, coverage, coverage_rows, too_few
from amendment.data.source_rows import dataset_folder
from amendment.errors import AmendmentError
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, located, thinks
from amendment.records import Prompt, Record
from amendment.run.chain import list_stages
from amendment.run.changes import SettingChange, changes
from amendment.run.checks import LoadedRun, check_run_file
from amendment.run.context import RunContext
from amendment.run.dry_run import MOST_PROMPTS, TEXT_TOKENS, VERDICT_TOKENS, DryContext, DryFolder, DryRun
from amendment.run.engine import RunFolder, assemble, up_to
from amendment.run.money import asking_stages, find_prices, price_table, spent_before, stored_replies, unpriced
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.run.times import Speeds, by_tokens, find_speed, measured_speeds, seconds_for, time_lines
from amendment.stages.tables import Role
from amendment.text import plain
from amendment.yamlfile import texts

PATHS = ("base", "constitution", "dataset", "embeddings", "model", "path", "prices", "protocol")
"""Keys of a run file whose value can be the path of a file or a folder."""


class Total(Record):
    """The calls that are left; a sum is absent where a part of it is not known."""

    paid: int
    """Replies in the ledger: those that the stage would use, or, where it is up to date, all that it asked for."""
    calls: int
    """Calls to be made."""
    most_calls: int
    """The same where every cut answer and every unreadable verdict is asked for again."""
    input_tokens: int
    """Likely tokens of the calls to be made."""
    output_tokens: int
    usd: float | None
    """USD, likely; absent without a price."""
    most_usd: float | None
    """USD that calls without faults cost at most; absent without a price, and where nothing bounds an answer."""
    seconds: float | None
    """Likely time, one stage after another; absent for batches and for local models that were not measured."""


class Asks(Total):
    """The calls of one stage to one model."""

    stage: str
    model: str
    """Its short name in the run file, or the stage that trains it."""


class BudgetCheck(Record):
    """The plan and the run file's budget."""

    usd: float
    spent: float
    """USD, by the ledger."""
    verdict: Literal["fits", "likely fits", "would stop", "unknown", "nothing left"]
    stage: str | None = None
    """The stage in which the budget would likely be reached."""
    unpriced: tuple[str, ...] = ()
    """Models without a known price; what they cost is not compared with the budget."""


class Plan(Record):
    """The calls that are left of a run, with their tokens, cost and time."""

    name: str
    prompts: int
    counted: int
    """Prompts of the dry run; where these are fewer than all, what stages ask prompt by prompt is scaled up."""
    asks: tuple[Asks, ...]
    """In the order of the stages."""
    total: Total
    unasked: tuple[str, ...]
    """Stages that ask no model; what they take is not estimated."""
    times: tuple[str, ...] = ()
    """What the times rest on, a sentence for each model."""
    done: tuple[str, ...]
    """Stages that are up to date."""
    coverage: tuple[PrincipleCoverage, ...] = ()
    """Which principle applies to how many prompts, where models ask by principles."""
    stops: dict[str, str] = Field(default={})
    """Stages that would stop the run as things are, and why; nothing is known of what comes after them."""
    contacts: tuple[Contact, ...]
    outside: tuple[str, ...] = ()
    """Files and folders that are read outside the folder of the run file."""
    unpriced: tuple[str, ...]
    """Models without a price."""
    budget: BudgetCheck | None = None
    changes: tuple[SettingChange, ...] = ()
    """Settings that differ from those of the run in the folder."""
    warnings: tuple[str, ...] = ()
    """Warnings about the run file."""
    outlook: tuple[str, ...] = ()
    """What can be said of results before they are made."""

    def __str__(self) -> str:
        return "\n".join(plan_lines(self))


def plan_run(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> Plan:
    """Plan the calls that are left of the run in `folder`, up to the stage `until`.

    Raises ConfigError and DataError with all that is wrong with the run file and what it names, but for absent keys,
    and LedgerError for a ledger that cannot be read.
    """
    config, base, run = loaded.config, loaded.base, RunFolder(folder)
    stages = assemble(RunContext(config, base, run, QuietProgress()))
    wanted = up_to(stages, until)
    done = run.up_to_date(stages)
    warnings = check_run_file(loaded, dict.fromkeys(config.key_variables, "set"), up_to_date=done)
    prices = find_prices(config, base)
    with stored_replies(folder) as ledger, tempfile.TemporaryDirectory(prefix="amendment-plan-") as temporary:
        spent = spent_before(ledger, config.models, prices, price_table(config, base)) if ledger else 0.0
        likely = DryRun(ledger, prices)
        most = DryRun(ledger, prices, is_longest=True)
        places = [DryFolder(Path(temporary) / name, run, has_inputs="inputs" in done) for name in ("likely", "most")]
        stops, _ = (
            _perform(
                DryContext(config, base, place, dry_run, up_to_date=done),
                {stage.name for stage in wanted},
                done,
            )
            for dry_run, place in zip((likely, most), places, strict=True)
        )
        has_inputs = places[0].path("inputs/prompts").is_file()
        prompts = places[0].count("inputs/prompts") if has_inputs else 0
        covered = _covered(loaded, places[0]) if has_inputs else ()
        speeds = measured_speeds(folder, ledger)
        spending = ledger.spending() if ledger else []
    for stage in done:  # what a local model that is not loaded was asked is not known, but how often it was
        tallies = [tally for (name, _), tally in likely.tallies.items() if name == stage]
        replies = sum(row.replies for row in spending if row.stage == stage)
        counted = sum(tally.paid for tally in tallies)
        for tally in tallies:
            tally.paid *= replies / max(counted, 1)
    asks = tuple(
        _asks(loaded, place, likely, most, speeds)
        for place, tally in likely.tallies.items()
        if tally.calls or tally.paid
    )
    left = [row.model for row in asks if row.calls]
    specs = {name: located(config.models[name], base) for name in dict.fromkeys(left) if name in config.models}
    asking = asking_stages(config)
    return Plan(
        name=config.name,
        prompts=prompts,
        counted=min(prompts, MOST_PROMPTS),
        asks=asks,
        total=_total(asks),
        unasked=tuple(stage.name for stage in wanted if stage.name not in asking),
        times=(*time_lines(specs, speeds), *_held_by_tokens(specs, asks)),
        done=tuple(stage.name for stage in wanted if stage.name in done),
        coverage=covered,
        stops=stops,
        contacts=contacts(config, base, left, done),
        outside=outside_files(config, base),
        unpriced=tuple(name for name in unpriced(config, base) if name in {row.model for row in asks}),
        budget=_budget_check(config.budget.usd, spent, asks) if config.budget else None,
        changes=tuple(changes(config, folder)),
        warnings=(*warnings, *_unknown_lengths(loaded, asks)),
        outlook=tuple(line for stage in wanted if stage.name not in done for line in stage.stage.outlook()),
    )


def _perform(context: DryContext, wanted: Collection[str], done: Collection[str]) -> dict[str, str]:
    """Run the wanted stages that ask models, and what they read of the inputs; returns the stage that would stop."""
    dry_run, place = context.dry_run, context.dry_folder
    asking = asking_stages(context.config)
    try:
        for stage in assemble(context):
            if stage.name == "inputs" and stage.name not in done:
                stage.run()
            if stage.name not in asking or stage.name not in wanted:
                continue
            place.most_prompts = MOST_PROMPTS if stage.stage.is_streamed else None
            prompts = place.count("inputs/prompts") if stage.stage.is_streamed else 0
            dry_run.weight = max(1.0, prompts / MOST_PROMPTS)
            dry_run.stage, dry_run.is_done = stage.name, stage.name in done
            if dry_run.is_done and Role.POLICY in stage.stage.roles.values():
                continue  # the model is there
            try:
                stage.run(at_most=not dry_run.is_done)
            except AmendmentError as fault:
                if not dry_run.is_done:
                    return {stage.name: str(fault)}
            if dry_run.is_done:
                place.take(stage.stage.writes)
    finally:
        context.close()
    return {}


def _covered(loaded: LoadedRun, place: DryFolder) -> tuple[PrincipleCoverage, ...]:
    config, place.most_prompts = loaded.config, None
    if not any(ask.role in ("revise", "judge") for stage in list_stages(config) for ask in stage.asks()):
        return ()
    constitutions = [load_constitution(name, base=loaded.base) for name in config.constitution]
    return tuple(coverage(constitutions, place.rows("inputs/prompts", Prompt)))


def _unknown_lengths(loaded: LoadedRun, asks: Sequence[Asks]) -> Iterator[str]:
    """Yield the models whose answers have no known length."""
    for name in dict.fromkeys(row.model for row in asks if row.calls):
        if thinks(loaded.config.models.get(name)):
            yield f"{name}: the length of its thinking is unknown, and thinking is billed as output"
        if any(row.model == name and row.usd and row.most_usd is None for row in asks):
            yield f"{name}: nothing bounds its answers; set max_tokens"


def _held_by_tokens(specs: Mapping[str, ModelSpec], asks: Sequence[Asks]) -> Iterator[str]:
    """Yield the stages that a model's limit of tokens slows down."""
    for row in asks:
        spec = specs.get(row.model)
        counts = row.model_dump(include={"calls", "input_tokens", "output_tokens"})
        if row.calls and row.seconds and row.seconds <= by_tokens(spec, **counts):
            yield f"time of {plain(row.model)} in {row.stage}: limited by its tokens_per_minute"


def _asks(loaded: LoadedRun, place: tuple[str, str], likely_run: DryRun, most_run: DryRun, speeds: Speeds) -> Asks:
    likely = likely_run.tallies[place]
    most = most_run.tallies[place]
    stage, model = place
    spec = located(loaded.config.models[model], loaded.base) if model in loaded.config.models else None
    is_policy = spec is None
    price = likely_run.prices.get(model)
    is_free = is_policy or (price is not None and not (price.input or price.output))
    return Asks(
        stage=stage,
        model=model,
        paid=round(likely.paid),
        calls=round(likely.calls),
        most_calls=round(max(most.calls, likely.calls)),
        input_tokens=round(likely.input),
        output_tokens=round(likely.output),
        usd=likely.usd if price or is_policy else None,
        most_usd=0.0 if is_free else most.usd if price and most.is_bounded else None,
        seconds=seconds_for(
            spec,
            find_speed(model, spec, speeds),
            calls=likely.calls,
            input_tokens=likely.input,
            output_tokens=likely.output,
        ),
    )


def _total(asks: Sequence[Asks]) -> Total:
    sums = {}
    for name in Total.model_fields:
        values = [getattr(row, name) for row in asks]
        sums[name] = None if None in values else sum(values)
    return Total(**sums)


def _budget_check(usd: float, spent: float, asks: Sequence[Asks]) -> BudgetCheck:
    """Compare the budget with the cost of what is left. A model without a price leaves the verdict open, unless the
    others alone cost too much."""
    if not any(row.most_calls for row in asks):
        return BudgetCheck(usd=usd, spent=spent, verdict="nothing left")
    most = [row.most_usd for row in asks]
    if None not in most and spent + sum(amount for amount in most if amount is not None) <= usd:
        return BudgetCheck(usd=usd, spent=spent, verdict="fits")
    total = spent
    for row in asks:
        total += row.usd or 0.0
        if row.calls and total > usd:
            return BudgetCheck(usd=usd, spent=spent, verdict="would stop", stage=row.stage)
    without = tuple(dict.fromkeys(row.model for row in asks if row.usd is None and row.most_calls))
    return BudgetCheck(usd=usd, spent=spent, verdict="unknown" if without else "likely fits", unpriced=without)


HEAD = ("stage", "model", "paid", "calls", "at most", "tokens in", "out", "USD likely", "at most", "time")


def plan_lines(plan: Plan) -> list[str]:
    about = f"; calls per prompt are counted on the first {plan.counted:,} prompts and scaled up"
    rows = [HEAD, *((row.stage, row.model, *_cells(row)) for row in plan.asks), ("total", "", *_total_cells(plan))]
    matrix = coverage_rows(plan.coverage)
    return [
        f"{plain(plan.name)}: {plan.prompts:,} prompts{about if plan.counted < plan.prompts else ''}",
        "",
        *(_in_columns(rows, names=2) if plan.asks else ["no model is asked"]),
        "",
        *([*_in_columns(matrix, names=1), ""] if matrix else []),
        *map(partial(plain, longest=2000), too_few(plan.coverage, plan.prompts)),
        *_notes(plan),
    ]


def _in_columns(rows: Sequence[Sequence[str]], *, names: int) -> Iterator[str]:
    """Yield rows as lines with columns of one width; the first `names` columns are flush left, figures flush right."""
    shown = [[plain(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = enumerate(zip(row, widths, strict=True))
        columns = (text.ljust(width) if place < names else text.rjust(width) for place, (text, width) in cells)
        yield "  ".join(columns).rstrip()


def _cells(row: Total) -> list[str]:
    counts = [row.paid, row.calls, row.most_calls, row.input_tokens, row.output_tokens]
    return [*(f"{count:,}" for count in counts), shown_usd(row.usd), shown_usd(row.most_usd), _time(row.seconds)]


def _total_cells(plan: Plan) -> list[str]:
    """Return the sums; of one that is not known the part that is."""
    cells = _cells(plan.total)
    shown: list[tuple[str, Callable[[float], str]]] = [("usd", shown_usd), ("most_usd", shown_usd), ("seconds", _time)]
    for place, (name, show) in enumerate(shown, start=len(cells) - len(shown)):
        if getattr(plan.total, name) is None:
            cells[place] = f"{show(sum(getattr(row, name) or 0.0 for row in plan.asks))} + ?"
    return cells


def shown_usd(usd: float | None) -> str:
    """Dollars with as many digits as matter; a question mark where they are not known."""
    if usd is None:
        return "?"
    return f"{usd:,.2f}" if usd == 0 or usd >= 0.1 else f"{usd:.4f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def _notes(plan: Plan) -> Iterator[str]:
    yield from contact_lines(plan.contacts)
    yield from file_lines(plan.outside)
    yield from (f"warning: {plain(line, longest=2000)}" for line in plan.warnings)
    yield from plan.outlook
    for name in plan.unpriced:
        yield (
            f"{plain(name)} has no price: a run needs --allow-unpriced, or a price (price: in its entry, or a table of "
            "your own under prices:)"
        )
    if plan.budget:
        yield _budget_line(plan.budget)
    yield from (f"changed since the run in the folder: {change}" for change in plan.changes)
    if plan.done:
        yield f"done: {', '.join(map(plain, plan.done))}"
    if left := [name for name in plan.unasked if name not in plan.done]:
        yield f"calls no model, so not estimated: {', '.join(map(plain, left))}"
    for stage, reason in plan.stops.items():
        yield f"{plain(stage)} would stop the run, and nothing after it is counted: {plain(reason, longest=500)}"
    if plan.total.calls:
        yield (
            f"likely: {TEXT_TOKENS} tokens per answer and {VERDICT_TOKENS} per written verdict, or max_tokens where "
            "that is less; nothing comes from a vendor's cache"
        )
        yield from plan.times
        yield "at most: full token limits; unreadable verdicts are asked once more, cut ones with twice the limit"
        yield "an answer cut at max_tokens is kept and marked; a higher max_tokens lets it end"
        yield "where answers decide which calls follow, both columns count all calls that may follow"


def _budget_line(check: BudgetCheck) -> str:
    spent = f", of which {shown_usd(check.spent)} are spent" if check.spent else ""
    without = f"{', '.join(map(plain, check.unpriced))} {'has' if len(check.unpriced) == 1 else 'have'} no known price"
    verdict = {
        "fits": "the run fits, even in the worst case",
        "likely fits": "the run likely fits; in the worst case it would stop at the budget",
        "unknown": f"cannot be compared with the cost: {without}",
        "would stop": f"the run would likely stop in {check.stage}",
        "nothing left": "nothing is left to be asked",
    }[check.verdict]
    return f"budget: {shown_usd(check.usd)} USD{spent}: {verdict}"


class Contact(Record):
    """A host that the run will talk to."""

    host: str
    models: tuple[str, ...]
    """Those that are asked there; none where data is read."""
    key: str | None
    """The environment variable that the key is read from; absent where none is sent."""


def contacts(config: RunFile, base: Path, asked: Collection[str], up_to_date: Collection[str]) -> tuple[Contact, ...]:
    """Return the hosts of the models that are asked, and the Hub where stages that are not `up_to_date` read data from
    it."""
    hosts: dict[tuple[str, str | None], list[str]] = {}
    for name in asked:
        spec = config.models.get(name)
        if isinstance(spec, OpenAISpec | AnthropicSpec):
            names = hosts.setdefault((spec.host, spec.api_key_env), [])
            names += [name] if name not in names else []
    reached = [Contact(host=host, models=tuple(names), key=key) for (host, key), names in hosts.items()]
    read = [source for stage, sources in config.sources.items() if stage not in up_to_date for source in sources]
    if any(source.dataset and dataset_folder(source, base) is None for source in read):
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        reached.append(Contact(host=endpoint.split("://", 1)[-1].rstrip("/"), models=(), key="HF_TOKEN"))
    return tuple(reached)


def contact_lines(reached: Iterable[Contact]) -> Iterator[str]:
    for contact in reached:
        purpose = ", ".join(map(plain, contact.models)) or "data"
        if contact.key:
            yield f"sends {plain(contact.key)} to {plain(contact.host)} ({purpose})"
        else:
            yield f"talks to {plain(contact.host)} ({purpose}; without a key)"


def outside_files(config: RunFile, base: Path) -> tuple[str, ...]:
    """Files and folders that the run file names and that lie outside its own folder, links followed."""
    home = base.resolve()
    paths: dict[str, None] = {}
    for loc, name in texts(config.model_dump(mode="json")):
        if loc[0] == "models" and not isinstance(config.models.get(str(loc[1])), LocalSpec):
            continue  # the name of a model at its server
        if next((key for key in reversed(loc) if isinstance(key, str)), "") not in PATHS:
            continue
        try:
            path = (home / os.path.expanduser(name)).resolve()  # noqa: PTH111 - Path.expanduser raises without a home
            if path.exists() and not path.is_relative_to(home):
                paths[str(path)] = None
        except (OSError, RuntimeError, ValueError):  # no path, or a circle of links: reading it reports that
            continue
    return tuple(paths)


def file_lines(paths: Iterable[str]) -> Iterator[str]:
    yield from (f"reads {plain(path, longest=500)}, outside the folder of the run file" for path in paths)
