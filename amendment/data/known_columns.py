"""Recognise files by their columns, and turn their rows into plain comparisons.

Covered: our own default columns; arenas (two models, a winner, a conversation each); UltraFeedback in its three
forms; annotated pairs as a table. Not covered: guesses: who the raters are, if the file does not
say, and which order was displayed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

from amendment.data.cells import alternating, part, turns_in
from amendment.data.published import battle_key, lay_out_published, published_layout
from amendment.data.sources import CandidateColumns, VerdictWords, parse_number, parse_word
from amendment.data.verdict_files import Layout, VerdictColumns
from amendment.tables import Row

ShapeName = str
"""A layout that is known by its columns: rows (the default names), arena, ultrafeedback, annotated-pairs, or one of
`PUBLISHED`."""
Wanted = Literal["prompts", "candidates", "pairs", "verdicts"]
"""The purpose that a source is read for."""

QUESTIONS = ("prompt", "instruction", "question", "input")
"""Columns that hold prompts in files of others, in the order in which they are looked for."""
P_CHOSEN = "p_chosen"
"""Column of P(chosen is better) in a file of chosen and rejected, as our own exports call it."""
ANSWERS = (
    ("response_a", "response_b"),
    ("answer_a", "answer_b"),
    ("output_a", "output_b"),
    ("completion_a", "completion_b"),
    ("text_a", "text_b"),
    ("a", "b"),
)
ONE_HOT = ("winner_model_a", "winner_model_b", "winner_tie")
ARENA_WORDS = VerdictWords(
    a=("model_a", "A", "a"),
    b=("model_b", "B", "b"),
    tie=("tie", "tie (inconsistent)"),
    both_bad=("tie (bothbad)", "tie (both bad)", "bothbad", "both_bad"),
    invalid=("invalid", "error"),
)
PAIR_WORDS = VerdictWords(
    a=("text_a", "a", "A"), b=("text_b", "b", "B"), tie=("tie",), both_bad=("both_bad", "neither"), invalid=("invalid",)
)


def recognise(columns: Collection[str], wanted: Wanted) -> ShapeName | None:
    """Return the shape of these columns for this purpose; None for an unknown one."""
    if wanted != "prompts" and _is_rows(columns, wanted):
        return "rows"
    if wanted == "verdicts" and (published := published_layout(columns)):
        return published
    has = set(columns).issuperset
    if has(("text_a", "text_b", "preferred_text")):
        return "annotated-pairs"
    if has(("instruction", "completions")) or has(("generations", "ratings")) or has(("score_chosen", "chosen")):
        return "ultrafeedback"
    if has(("model_a", "model_b")) and ("winner" in columns or has(ONE_HOT) or wanted in ("prompts", "candidates")):
        return "arena"
    return "rows" if _is_rows(columns, wanted) else None  # prompts last: a shape may have more than its column of them


def _is_rows(columns: Collection[str], wanted: Wanted) -> bool:
    has = set(columns).issuperset
    match wanted:
        case "prompts":
            return "prompt" in columns
        case "candidates":
            return has(("prompt", "candidate"))
        case "pairs":
            return has(("chosen", "rejected"))
    return ("item" in columns or has(("a", "b"))) and ("verdict" in columns or "p" in columns)


def lay_out(shape: ShapeName, rows: Sequence[Row], columns: Collection[str], wanted: Wanted) -> Layout:
    """Return the rows of a shape as comparisons; columns that a shape needs and a file lacks are reported later."""
    if shape == "rows":
        return _decided(rows, columns) if wanted == "pairs" else _default_columns(rows, columns)
    if shape == "arena":
        return _arena(rows, columns)
    if shape == "ultrafeedback":
        return _ultrafeedback(rows, columns)
    return _annotated_pairs(rows, columns) if shape == "annotated-pairs" else lay_out_published(shape, rows, columns)


def asked_in(columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns that hold the prompt, for any purpose; an instruction includes its input."""
    name = _first_column(QUESTIONS, columns)
    if name == "instruction" and "input" in columns:
        return ("instruction", "input")
    return (name,) if name else ()


def _first_column(names: Iterable[str], columns: Collection[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _default_columns(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    """Return columns that are called like the keys of `columns` in a run file."""
    named = {name: name for name in VerdictColumns.model_fields if name in columns and name != "votes"}
    return Layout(VerdictColumns.model_validate(named), list(rows), VerdictWords())


def _decided(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    """Lay out chosen and rejected, with a prompt column or with the prompt that both conversations begin with."""
    rows, questions = _questioned(rows, columns)
    p = P_CHOSEN if P_CHOSEN in columns else None
    named = VerdictColumns(prompt=questions, a="chosen", b="rejected", verdict="decided", p=p)
    return Layout(named, decided_rows(rows, p), VerdictWords(), is_decided=True)


def decided_rows(rows: Iterable[Row], p: str | None) -> list[Row]:
    """Add the verdict of rows of a better and a worse answer as `decided`: the first answer's, unless column `p`, its
    probability, says otherwise."""
    return [Row(row.place, {**row.values, "decided": _implied(row.values.get(p) if p else None)}) for row in rows]


def _implied(p: Any) -> str:
    value = parse_number(p)
    return "a" if value is None else _better(value, 0.5)  # empty, or what the reader of ballots refuses by name


def _questioned(rows: Sequence[Row], columns: Collection[str]) -> tuple[Sequence[Row], tuple[str, ...]]:
    """Return rows of chosen and rejected, and the columns of their prompt. Without a column `prompt` it is the shared
    beginning of both conversations."""
    questions = asked_in(columns)
    if "prompt" in columns or (questions and not any(turns_in(row.values.get("chosen")) for row in rows)):
        return rows, questions
    return [parted_row(row, "chosen", "rejected") for row in rows], ("prompt",)


def parted_row(row: Row, a: str, b: str, *, turns: int | None = None) -> Row:
    """Move the shared beginning of both conversations to `prompt`; return the row as it is if they begin
    differently."""
    both = turns_in(row.values.get(a)), turns_in(row.values.get(b))
    parted = part(both[0][:turns], both[1][:turns]) if both[0] and both[1] else None
    if parted is None:
        return Row(row.place, {"prompt": None, **row.values})
    return Row(row.place, {**row.values, "prompt": parted.prompt, a: parted.a or None, b: parted.b or None})


# Arenas.


def _arena(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    talks = {"conversation_a", "conversation_b"} <= set(columns)
    prompt = asked_in(columns)
    a, b = next((names for names in ANSWERS if set(names) <= set(columns)), (None, None))
    if talks:
        prompt, a, b = ("prompt",), "conversation_a", "conversation_b"
    item = _first_column(("question_id", "id"), columns)
    named = VerdictColumns(
        item=("comparison",) if item or not a else None,
        prompt=(prompt or None) if a else None,
        a=a,
        b=b,
        model_a="model_a",
        model_b="model_b",
        verdict="winner",
        rater=("judge",) if "judge" in columns else None,
        category=_first_column(("category",), columns),
        principle=_first_column(("principle",), columns),
        prompt_id=item if not a or "turn" in columns else None,  # turns of one question are one cluster
    )
    return Layout(named, [_battle(row, named, item, talks=talks) for row in rows], ARENA_WORDS)


def _battle(row: Row, columns: VerdictColumns, item: str | None, *, talks: bool) -> Row:
    values = row.values
    if talks:
        turns = values.get("turn")
        values = parted_row(row, "conversation_a", "conversation_b", turns=_cut(turns)).values
    elif columns.prompt and len(columns.prompt) == 1 and columns.a and columns.b:
        values = _spoken(values, columns.prompt[0], columns.a, columns.b)
    models = [str(values.get("model_a")), str(values.get("model_b"))]
    return Row(
        row.place,
        {
            **values,
            "comparison": battle_key(values, item, models) if item else row.place,
            "winner": _winner(values, models),
        },
    )


def _cut(turn: Any) -> int | None:
    """Return messages up to the judged turn: a judge of the first has not seen the second."""
    return 2 * turn if isinstance(turn, int) and not isinstance(turn, bool) and turn > 0 else None


def _spoken(values: dict[str, Any], prompt: str, a: str, b: str) -> dict[str, Any]:
    """Join lists of questions and answers to one conversation each; single texts stay as they are."""
    both = alternating(values.get(prompt), values.get(a)), alternating(values.get(prompt), values.get(b))
    parted = part(*both) if both[0] and both[1] else None  # type: ignore[arg-type]
    return {**values, prompt: parted.prompt, a: parted.a, b: parted.b} if parted else values


def _winner(values: Mapping[str, Any], models: Sequence[str]) -> Any:
    """Return the winner's word; of three columns with one 1 the name of that column, and of a model's own name its
    side."""
    if "winner" not in values:
        flags = {name: parse_word(values.get(name)) for name in ONE_HOT}
        won = [name for name, flag in flags.items() if flag in ("1", "true")]
        return won[0].removeprefix("winner_") if len(won) == 1 else "/".join(flags.values())
    word = parse_word(values["winner"])
    if word in models and word not in ARENA_WORDS.meanings() and models[0] != models[1]:
        return "model_a" if word == models[0] else "model_b"
    return word


# UltraFeedback.


def _ultrafeedback(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    if "chosen" in columns and "completions" not in columns:
        rows, questions = _questioned(rows, columns)
        named = VerdictColumns(prompt=questions, a="chosen", b="rejected", verdict="better")
        scored = [Row(row.place, {**row.values, "better": _compare_scores(row.values)}) for row in rows]
        return Layout(named, scored, VerdictWords(), kind="model", is_decided=True)
    questions = asked_in(columns) or ("instruction",)
    named = VerdictColumns(
        prompt=questions,
        a="first response",
        b="second response",
        model_a="first model",
        model_b="second model",
        verdict="better",
        principle="aspect",
    )
    rated = [made for row in rows for made in rated_rows(row, questions)]
    return Layout(named, rated, VerdictWords(), kind="model")


# Annotated pairs.


def _annotated_pairs(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    named = VerdictColumns(
        prompt=asked_in(columns) or None,
        a="text_a",
        b="text_b",
        votes=("preferred_text", *_further_annotators(rows, columns)),
        model_a=_first_column(("model_a",), columns),
        model_b=_first_column(("model_b",), columns),
        category=_first_column(("category",), columns),
    )
    return Layout(named, list(rows), PAIR_WORDS)


def _further_annotators(rows: Sequence[Row], columns: Collection[str]) -> list[str]:
    """Return columns other than `preferred_text` that say nothing but text_a and text_b."""
    words = {"text_a", "text_b", "tie", ""}
    annotators = []
    for name in columns:
        if name not in ("preferred_text", "text_a", "text_b"):
            cells = {parse_word(row.values.get(name)) for row in rows}
            if cells <= words and cells & {"text_a", "text_b"}:
                annotators.append(name)
    return annotators


# Prompts and candidates out of files that were made to hold comparisons.


ANSWER, WRITER = "the response", "its model"
"""Columns of the rows that are made here, called like no column of a prompt."""


class Parts(NamedTuple):
    """Rows, and the columns of each part."""

    rows: list[Row]
    columns: CandidateColumns


def prompt_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> tuple[list[Row], tuple[str, ...]]:
    """Return one prompt a row, and its columns; the shared prompt of two conversations is split from them."""
    if shape == "arena" or (shape == "ultrafeedback" and not _has_completions(columns)):
        laid = lay_out(shape, rows, columns, "prompts")
        if laid.columns.prompt:
            return laid.rows, laid.columns.prompt
    return list(rows), asked_in(columns) or QUESTIONS[:1]


def candidate_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> Parts:
    """Return a candidate a row, with its prompt and its writer."""
    if shape == "rows":
        return Parts(list(rows), CandidateColumns())
    if shape == "ultrafeedback" and _has_completions(columns):
        questions: tuple[str, ...] = asked_in(columns) or QUESTIONS[:1]
        answers = [
            (row, f"completion {number}", completion.response, completion.model)
            for row in rows
            for number, completion in enumerate(read_completions(row.values), start=1)
        ]
    else:
        laid = lay_out(shape, rows, columns, "candidates")
        prompt, a, b = laid.columns.prompt, laid.columns.a, laid.columns.b
        if not prompt or not a or not b:
            return Parts(list(rows), CandidateColumns())  # whose absent columns are then named
        questions = prompt
        sides = ((a, "model_a"), (b, "model_b"))
        answers = [
            (row, name, row.values.get(name), row.values.get(model)) for row in laid.rows for name, model in sides
        ]
    candidates = [
        Row(f"{row.place}: {part}", {**_asked(row, questions), ANSWER: answer, WRITER: model})
        for row, part, answer, model in answers
    ]
    return Parts(candidates, CandidateColumns(prompt=questions, candidate=ANSWER, model=WRITER))


def _has_completions(columns: Collection[str]) -> bool:
    """Return whether UltraFeedback's rows hold several completions each, and no pair of chosen and rejected."""
    return "completions" in columns or "chosen" not in columns


def _asked(row: Row, questions: Sequence[str]) -> dict[str, Any]:
    return {name: row.values.get(name) for name in questions}


# Ratings of completions: of every two the higher rated one wins, equal ones tie.


class RatedCompletion(NamedTuple):
    """An answer, its writer, and what it was rated by each aspect; None is the rating of the whole."""

    response: Any
    model: Any
    ratings: Mapping[str | None, float]


def read_completions(values: Mapping[str, Any]) -> list[RatedCompletion]:
    """Return the completions of a row: objects under `completions`, or the lists generations, generation_models,
    ratings."""
    listed = values.get("completions")
    if isinstance(listed, list):
        return [_completion(completion) for completion in listed if isinstance(completion, dict)]
    texts = values.get("generations")
    count = len(texts) if isinstance(texts, list) else 0
    models = _aligned(values.get("generation_models", values.get("model_names")), count)
    ratings = _aligned(values.get("ratings"), count)
    return [
        RatedCompletion(text, model, {} if (number := parse_number(rating)) is None else {None: number})
        for text, model, rating in zip(texts or (), models, ratings, strict=True)
    ]


def _aligned(value: Any, count: int) -> Sequence[Any]:
    """Return a list of this length; nothing for any other value."""
    return value if isinstance(value, list) and len(value) == count else [None] * count


def _completion(completion: Mapping[str, Any]) -> RatedCompletion:
    annotations = completion.get("annotations")
    ratings: dict[str | None, float] = {}
    for aspect, annotation in (annotations if isinstance(annotations, dict) else {}).items():
        rating = _rating(annotation)
        if rating is not None:
            ratings[aspect] = rating
    overall = parse_number(completion.get("overall_score"))
    overall = parse_number(completion.get("fine-grained_score")) if overall is None else overall
    if overall is not None:
        ratings[None] = overall
    return RatedCompletion(completion.get("response"), completion.get("model"), ratings)


def _rating(annotation: Any) -> float | None:
    """Return the rating of one aspect; the mean if it was rated several times."""
    several = [_rating(rating) for rating in annotation] if isinstance(annotation, list) else None
    if several is not None:
        numbers = [rating for rating in several if rating is not None]
        return sum(numbers) / len(numbers) if numbers else None
    return parse_number(annotation.get("Rating")) if isinstance(annotation, dict) else None


def rated_rows(row: Row, questions: Sequence[str]) -> Iterator[Row]:
    """Make a row for every two completions and every aspect in which both were rated, with the columns of the
    prompt."""
    numbered = list(enumerate(read_completions(row.values), start=1))
    for (i, first), (j, second) in combinations(numbered, 2):
        for aspect, rating in first.ratings.items():
            if aspect in second.ratings:
                yield Row(
                    f"{row.place}: completions {i} and {j}",
                    {
                        **_asked(row, questions),
                        "first response": first.response,
                        "second response": second.response,
                        "first model": first.model,
                        "second model": second.model,
                        "better": _better(rating, second.ratings[aspect]),
                        "aspect": aspect,
                    },
                )


def _compare_scores(values: Mapping[str, Any]) -> str:
    """Decide by the scores of chosen and rejected; without scores chosen wins."""
    chosen = parse_number(values.get("score_chosen"))
    rejected = parse_number(values.get("score_rejected"))
    return "a" if chosen is None or rejected is None else _better(chosen, rejected)


def _better(first: float, second: float) -> str:
    return "tie" if first == second else "a" if first > second else "b"
