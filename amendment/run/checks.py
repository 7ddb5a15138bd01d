"""Everything wrong with a run file, at once, before anything is called or spent.

Covered: the shape of the file, its references to itself, constitutions, judge folders, data files, model
folders, price tables, answers that no budget can hold, and keys in the environment. Not covered: whether a server is
up or a key is accepted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from amendment.constitutions import Constitution, load_constitution
from amendment.data.inputs import StreamedInputs, read_into
from amendment.data.row_votes import UNKNOWN
from amendment.data.source_rows import is_cut
from amendment.data.sources import LilliputPrompts, Source, TaskPrompts
from amendment.errors import ConfigError, DataError, Problem
from amendment.llm.functions import ModelFunction, function_name
from amendment.llm.opening import check_model
from amendment.llm.specs import FUNCTION, able, located, thinks
from amendment.plugins import import_plugins
from amendment.preference import load_judge_folder
from amendment.run.chain import list_stages
from amendment.run.money import asking_stages, price_table, unbounded, unpriced
from amendment.run.references import (
    PromptsSeen,
    category_problems,
    pair_warnings,
    reference_problems,
    scope_problems,
    scope_warnings,
    unused_warnings,
)
from amendment.run.runfile.config import RunFile, run_file_model
from amendment.run.runfile.overrides import override
from amendment.run.runfile.retired import retired_settings
from amendment.stages.contract import Ask, ConfigProblem, ConfigWarning, unknown_raters
from amendment.text import plain
from amendment.yamlfile import (
    Document,
    Loc,
    as_document,
    capped,
    did_you_mean,
    format_path,
    parts,
    read_yaml,
    texts,
    validate,
)

_ROW = re.compile(r":? ?row \d|:\d")
"""The place of a row, after the name of its file."""

ROOM_TO_THINK = 4096
"""Tokens of a verdict by a model that thinks; below them a check warns."""
_BLANK = "nothing comes after the colon; write a value, {} for a part with its defaults, or remove the line"


class LoadedRun(NamedTuple):
    """A run file that has the right shape and whose references hold."""

    config: RunFile
    document: Document
    base: Path
    """The folder of the file, from which its paths are meant."""
    kept: tuple[str, ...] = ()
    """A sentence for each default that the run keeps from the version that made its folder."""


def load_run_file(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    limit: int | None = None,
    models: Mapping[str, ModelFunction] | None = None,
) -> LoadedRun:
    """Read a run file, with `a.b=value` overrides and at most `limit` rows of each source. `models` are the functions
    that answer for the entries of the provider `function`.

    Raises ConfigError for a file that is wrong in itself, with every problem inside it and outside. Where a whole part
    cannot be read, references are not looked at: they could be to that part.
    """
    document = read_yaml(path)
    # a blank part would be no part, though `probes:` reads like `probes: {}`
    blank = [document.problem(loc, _BLANK) for loc, mark in document.marks.items() if mark.text == ""]
    for text in overrides:
        document = override(document, text)
    return _loaded(document, Path(path).resolve().parent, blank, limit=limit, models=models or {})


def load_run_settings(
    settings: Mapping[str, Any],
    *,
    base: str | Path = ".",
    limit: int | None = None,
    models: Mapping[str, ModelFunction] | None = None,
) -> LoadedRun:
    """`load_run_file` for the content of a run file as a dictionary; `base` is the folder from which its paths are
    meant. Raises ConfigError as that does, with places such as `models.writer.model`."""
    return _loaded(
        as_document(settings, "the run's dictionary"), Path(base).resolve(), [], limit=limit, models=models or {}
    )


def _loaded(
    document: Document,
    folder: Path,
    blank: list[Problem],
    *,
    limit: int | None,
    models: Mapping[str, ModelFunction],
) -> LoadedRun:
    if isinstance(document.data, dict) and "principles" in document.data:
        raise ConfigError(f"{document.path} is a constitution; name it under constitution: in a run file")
    try:
        if wrong := [*blank, *_placed(document, retired_settings(document.data))]:
            raise ConfigError(capped(wrong))
        if wrong := _placed(document, import_plugins(document.data, folder)):
            raise ConfigError(wrong)
        config = validate(document, run_file_model())
    except ConfigError as fault:
        raise ConfigError(capped([*fault.problems, *_check_rest(document, folder, fault.problems)])) from None
    if wrong := _placed(document, _function_problems(config, models)):
        raise ConfigError(wrong)
    specs: dict[str, Any] = dict(config.models)
    config = config.model_copy(
        update={"models": {**specs, **{name: specs[name].answered_by(models[name]) for name in models}}}
    )
    config = _limited(config, limit) if limit else config
    loaded = LoadedRun(config, document, folder)
    if references := [*reference_problems(config)]:
        raise ConfigError(capped(_placed(document, references) + _outside(loaded, os.environ)))
    return loaded


def _function_problems(config: RunFile, models: Mapping[str, ModelFunction]) -> Iterator[ConfigProblem]:
    """Yield what keeps these functions from answering for the entries with their names."""
    named: dict[str, Any] = {}
    functions: dict[str, Any] = dict(models)
    for name, function in functions.items():
        spec = config.models.get(name)
        shown = function_name(function)
        entry = f"{name}: {{provider: function, model: NAME}}"
        if spec is None:
            near = did_you_mean(name, config.models)
            yield (
                ("models",),
                f"no entry {name!r}{near} for function {shown}; add {entry}. Replies are stored under NAME: change it "
                "when the function's answers change",
            )
        elif spec.provider != FUNCTION:
            yield ("models", name, "provider"), f"found {spec.provider}, and function {shown} to answer; write {entry}"
        elif not callable(function):
            yield ("models", name), f"found {function!r:.80}, expected a function from messages to text"
        elif named.setdefault(spec.model, function) is not function:
            yield (
                ("models", name, "model"),
                f"found {spec.model!r}, under which the replies of function "
                f"{function_name(named[spec.model])} are stored; give each function a name of its own",
            )


def _check_rest(document: Document, base: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of what is right in the shape of the file: of all but its wrong values, or where it is no run file
    without these, of the top-level keys without any.

    Prompts of the simulated world are left out: they come from no file, and drawing many of them takes time.
    """
    wrong = {problem.place.rpartition(": ")[2] for problem in problems}
    tops = {place.partition(".")[0].partition("[")[0] for place in wrong}
    data = document.data if isinstance(document.data, dict) else {}
    try:
        config = run_file_model().model_validate(_without(data, wrong))
        references = [] if wrong & data.keys() else [*reference_problems(config)]
    except ValidationError:
        try:
            good = {key: value for key, value in data.items() if key not in tops}
            config = run_file_model().model_validate({"name": "x", **good})
            references = []
        except ValidationError:
            return []
    own = tuple(source for source in config.prompts if not isinstance(source, LilliputPrompts))
    loaded = LoadedRun(config.model_copy(update={"prompts": own}), document, base)
    return _placed(document, references) + _outside(loaded, os.environ)


def _without(part: Any, places: Collection[str], loc: Loc = ()) -> Any:
    """Return a part of a document without the keys at these places. Entries of lists stay, so that others keep their
    place."""
    if isinstance(part, list):
        return [_without(value, places, (*loc, index)) for index, value in enumerate(part)]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if format_path((*loc, key)) not in places}
    return {key: _without(value, places, (*loc, key)) for key, value in kept.items()}


def _placed(document: Document, findings: Iterable[ConfigProblem | ConfigWarning]) -> list[Problem]:
    return [Problem(document.place(place), message) for place, message in findings]


def _limited(part: Any, limit: int) -> Any:
    """Return a run file, or a part of one, with at most `limit` rows of each source."""
    if isinstance(part, tuple):
        return tuple(_limited(entry, limit) for entry in part)
    if isinstance(part, LilliputPrompts):
        return part.model_copy(update={"lilliput": min(part.lilliput, limit)})
    if isinstance(part, TaskPrompts):
        return part.model_copy(update={"take": min(part.take, limit)})
    if isinstance(part, Source):
        return part.model_copy(update={"take": min(part.take or limit, limit)})
    if not isinstance(part, BaseModel):
        return part
    return part.model_copy(update={name: _limited(getattr(part, name), limit) for name in part.model_fields_set})


def check_run_file(
    loaded: LoadedRun,
    environ: Mapping[str, str] = os.environ,
    *,
    up_to_date: Collection[str] = (),
    allow_unpriced: bool = True,
) -> list[str]:
    """Check everything on this machine that the file names; returns warnings. Raises ConfigError with every problem.

    What the stages `up_to_date` have read is not read again. A model without a price is a problem unless it is allowed.
    """
    warnings: list[Problem] = []
    problems = _outside(loaded, environ, up_to_date, warnings)
    if not allow_unpriced:
        problems += unpriced_problems(loaded)
    if problems:
        raise ConfigError(capped(problems))
    return [*loaded.kept, *map(str, capped(warnings, most=20))]


def unpriced_problems(loaded: LoadedRun, stages: Collection[str] | None = None) -> list[Problem]:
    """Return the models of these stages that have no price, each with its place and the nearest name."""
    config, document = loaded.config, loaded.document
    try:
        names = unpriced(config, loaded.base, stages)
        table = price_table(config, loaded.base)
    except ConfigError:  # a wrong table is reported elsewhere
        return []
    problems = []
    for name in names:
        spec: Any = config.models[name]
        near = did_you_mean(spec.model, table.models(spec.host))
        missing = f"no known price for {name} ({plain(spec.model)} at {plain(spec.host)}){near}."
        remedy = "set a price in USD per million tokens, such as price: {input: 2.5, output: 10}, or pass "
        message = f"{missing} Correct the name, {remedy}--allow-unpriced"
        problems.append(document.problem(("models", name, "model"), message))
    return problems


def _outside(
    loaded: LoadedRun,
    environ: Mapping[str, str],
    up_to_date: Collection[str] = (),
    warnings: list[Problem] | None = None,
) -> list[Problem]:
    """Everything on this machine that keeps the run from being made; those of data files come last."""
    config, document = loaded.config, loaded.document
    findings: list[ConfigProblem | ConfigWarning] = [*_constitution_problems(loaded)]
    for ask in dict.fromkeys(ask for stage in list_stages(config) for ask in stage.asks() if ask.judge):
        findings += _judge_problem(loaded, ask)
    for name, spec in config.models.items():
        findings += [(("models", name), message) for message in check_model(located(spec, loaded.base), environ)]
    rows: list[Problem] = []
    for stage in list_stages(config):
        try:
            findings += stage.check(loaded.base) if stage.name not in up_to_date else ()
        except DataError as fault:
            rows += _with_lines(loaded, fault.problems)
    config_warnings = [finding for finding in findings if isinstance(finding, ConfigWarning)]
    problems = _placed(
        document, dict.fromkeys(finding for finding in findings if not isinstance(finding, ConfigWarning))
    )
    problems += [*_price_problems(loaded, up_to_date), *rows]
    if "inputs" in up_to_date:
        return problems
    seen = PromptsSeen(config)
    try:
        inputs = StreamedInputs(seen.look)
        read_into(inputs, config, loaded.base, glimpse=True)
    except DataError as fault:
        return [*problems, *_with_lines(loaded, fault.problems)]
    seen_findings = [*seen.unreadable_answers(), *seen.foreign_prompts(config)]
    config_warnings += [finding for finding in seen_findings if isinstance(finding, ConfigWarning)]
    problems += _placed(document, [finding for finding in seen_findings if not isinstance(finding, ConfigWarning)])
    if any(place[:1] == ("constitution",) for place, _ in findings):
        return problems
    rules = [load_constitution(name, base=loaded.base) for name in config.constitution]
    cut = [(source, facts) for source, facts in inputs.files if is_cut(source, loaded.base, facts.rows)]
    every_scope = [] if cut else seen.scopes  # in the rows that are left there may be what none of the first has
    if warnings is not None:
        unknown = unknown_raters(("pairs",), config.pairs) if inputs.counts[UNKNOWN] else ()
        doubtful = [*unused_warnings(config), *scope_warnings(config, rules, every_scope)]
        doubtful += pair_warnings(config, len(inputs.places))
        warnings += _placed(document, [*doubtful, *config_warnings, *unknown])
        rest = "rows; the run reads the rest before it calls a model, and reports what is wrong in it"
        warnings += [Problem(source.label, f"check read only the first {facts.rows:,} {rest}") for source, facts in cut]
    unfit = scope_problems(config, rules, seen.scopes)
    return problems + _placed(document, [*unfit, *category_problems(config, every_scope)])


def _with_lines(loaded: LoadedRun, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of whole files and columns with the line of the run file that names them; those of rows as they are."""
    return [_with_line(loaded, problem) for problem in problems]


def _with_line(loaded: LoadedRun, problem: Problem) -> Problem:
    document, message = loaded.document, str(problem)
    for loc, source in parts(document.data):
        if not isinstance(source, dict) or source.keys().isdisjoint(("path", "dataset")):
            continue
        path = source.get("path")
        dataset = source.get("dataset")
        file = str(loaded.base / str(path)) if path is not None else f"dataset {dataset}"
        rest = message.removeprefix(file)
        if rest == message or not rest.startswith(":") or _ROW.match(rest):
            continue
        columns = [inner for inner, text in texts(source, loc) if text and rest.startswith(f": {text}: ")]
        place = document.place(columns[0] if columns else (*loc, "dataset" if path is None else "path"))
        near = ""
        if rest == ": no such file":
            with suppress(OSError):
                near = did_you_mean(Path(file).name, (sibling.name for sibling in Path(file).parent.iterdir()))
        return Problem(place, f"{message}{near}")
    return problem


def _price_problems(loaded: LoadedRun, up_to_date: Collection[str]) -> list[Problem]:
    """Problems of the price table; without any, the models that the budget cannot bound."""
    left = [stage for stage in asking_stages(loaded.config) if stage not in up_to_date]
    try:
        names = unbounded(loaded.config, loaded.base, left)
    except ConfigError as fault:
        table = str(loaded.base / str(loaded.config.prices))
        place = loaded.document.place(("prices",))
        return [Problem(place, str(problem)) if problem.place == table else problem for problem in fault.problems]
    message = "the budget needs a bound: set max_tokens for {}, or max_output in its price"
    return _placed(loaded.document, [(("models", name), message.replace("{}", name)) for name in names])


def _constitution_problems(loaded: LoadedRun) -> Iterator[ConfigProblem]:
    for index, name in enumerate(loaded.config.constitution):
        try:
            load_constitution(name, base=loaded.base)
        except ConfigError as fault:
            yield from ((("constitution", index), str(problem)) for problem in fault.problems)


def _judge_problem(loaded: LoadedRun, ask: Ask) -> Iterator[ConfigProblem | ConfigWarning]:
    entry, place = ask.judge, ask.place[:-1]
    assert entry is not None
    try:
        folder = load_judge_folder(entry.protocol, base=loaded.base)
    except ConfigError as fault:
        yield from (((*place, "protocol"), str(problem)) for problem in fault.problems)
        return
    spec = loaded.config.models.get(entry.model)
    constitutions: list[Constitution] = []
    with suppress(ConfigError):  # a constitution that cannot be read is reported where it is named
        constitutions = loaded.config.constitutions_in(loaded.base)
    while_thinking = ", while it thinks (effort)," if getattr(spec, "thinks", False) else ""
    for key, message in folder.protocol.misfits(
        f"{entry.model}{while_thinking}",
        shows_choices=able(spec, "shows_choices"),
        scores_texts=able(spec, "scores_texts"),
        constitutions=constitutions,
        samples=entry.samples,
    ):
        yield (*place, key), f"{entry.protocol} {message}"
    limit = getattr(spec, "max_tokens", None) or ROOM_TO_THINK
    if limit < ROOM_TO_THINK and thinks(spec) and folder.protocol.writes:
        yield ConfigWarning(
            ("models", entry.model, "max_tokens"),
            f"{entry.model} thinks before each verdict, within the same limit: found {limit:,}, expected "
            f"{ROOM_TO_THINK:,} or more. A cut verdict is asked for once more, with twice the limit; if it "
            "is cut again, it is invalid",
        )
    if ask.role == "judge" and not folder.compares:
        yield (
            (*place, "protocol"),
            f"{folder.id} says yes or no to one answer and compares nothing; it is for evaluate.violations and "
            "evaluate.over_refusal. Use a judge of two answers, such as protocol: verdict",
        )
