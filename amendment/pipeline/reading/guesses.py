"""A file whose shape is not known: what its columns hold, and a piece of run file to paste, with best guesses.

What cannot be told is left open, so that no file passes before the user has said it: `...` for a column or word, and
"?" for the coordinates of a verdict, which are always asked.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from amendment.errors import Problem
from amendment.pipeline.reading.column_profiles import ROWS, Profile, profiles
from amendment.pipeline.reading.guessed_parts import Parts, parts_of
from amendment.pipeline.reading.guessed_texts import ANSWER, PROMPT, texts_in
from amendment.pipeline.reading.source_rows import SourceRows
from amendment.pipeline.reading.stub_lines import OPEN, flow, flow_list, scalar, stands_in_yaml
from amendment.tables import FORMATS
from amendment.terminal import plain

__all__ = ["no_prompt", "not_recognised"]

SHOWN_COLUMNS = 40
SHOWN_WORDS = 8
MOST_RATERS = 60
"""Of more of them the first are listed, and the rest is left open."""
UNREADABLE = 5
"""Words of one meaning, at most; more unreadable ones are not listed, but all taken as invalid."""
CHOSEN = (("chosen", "rejected"), ("better", "worse"), ("winner", "loser"))
SEVERAL = (
    "Several files of one study, such as people's labels and a judge's log, belong into one list under `verdicts:`, "
    "where rows are joined by `item`; docs/audit.md explains each key."
)


def not_recognised(
    found: SourceRows, wanted: Literal["candidates", "pairs", "verdicts"], *, file: str | None = None
) -> Problem:
    """What stands in the columns, and lines for the run file that say where the parts stand.

    Of a `file` that was named by itself the lines are a whole run file.
    """
    columns = profiles(found.rows, found.columns)
    shown = [f"  {one.line()}" for one in columns[:SHOWN_COLUMNS]]
    if len(columns) > SHOWN_COLUMNS:
        shown.append(f"  and {len(columns) - SHOWN_COLUMNS:,} more columns")
    if columns and (columns[0].total < len(found.rows) or columns[0].total == ROWS):
        shown.append(f"  (in the first {columns[0].total:,} rows)")
    stub = _stub(found, [one for one in columns if stands_in_yaml(one.name)], wanted)
    advice = ["say in the run file where the parts stand; a first guess to correct, to stand under the path:"]
    if file is not None:
        target = _free_name(Path(found.place))
        advice = _advice(target, stub)
        begin = [f"name: {_study(target)}", f"{wanted}:", f"  - path: {scalar(file)}"]
        stub = [*begin, *(f"    {line}" for line in stub)]
    told = [
        f"the columns are no shape that is known for {wanted}; they hold",
        *shown,
        *(f"  {line}" for line in advice),
    ]
    return Problem(found.place, "\n".join([*told, *(f"    {line}" for line in stub)]))


def no_prompt(found: SourceRows) -> Problem:
    """In one line: there is no column `prompt`, what there is, and which one it may be."""
    columns = profiles(found.rows, found.columns)
    shown = [f"{plain(one.name, longest=40)} ({_first(one)})" for one in columns[:12]]
    more = f" and {len(columns) - 12:,} more" if len(columns) > 12 else ""
    prompts = texts_in(columns).prompts or _called(columns, (*PROMPT, "text", "messages")) or _longest(columns)
    guess = [scalar(name) for name in prompts if stands_in_yaml(name)] or ["COLUMN"]
    named = f"[{', '.join(guess)}]" if len(guess) > 1 else guess[0]
    told = f"there are {', '.join(shown)}{more}. Name it in the run file, such as column: {named}"
    return Problem(f"{found.place}: prompt", f"no such column in any row; {told}")


def _first(one: Profile) -> str:
    return plain(one.samples[0], longest=50) if one.samples else "(empty)"


def _stub(found: SourceRows, columns: Sequence[Profile], wanted: str) -> list[str]:
    if wanted == "candidates":
        return _candidate_stub(columns)
    parts = parts_of(columns, found.rows[:ROWS])
    return _pair_stub(parts) if wanted == "pairs" else _verdict_stub(parts, Path(found.place))


# The file to save.


def _free_name(path: Path) -> Path:
    """A run file beside the data, called after it; no file that exists, and no name that another file's guess has."""
    data = path.with_name(path.name.removesuffix(".gz"))
    stem, ending = data.stem, path.name[len(data.stem) + 1 :].replace(".", "_")
    others = {path.with_name(f"{stem}{kind}{packed}") for kind in FORMATS for packed in ("", ".gz")} - {path}
    numbered = (f"{stem}_{ending}_{number}" for number in range(2, 100))
    names = [*([] if any(other.exists() for other in others) else [stem]), f"{stem}_{ending}", *numbered]
    return next(one for name in names if not (one := path.with_name(f"{name}.yaml")).exists() or name == names[-1])


def _study(path: Path) -> str:
    """A name for the run: small letters, digits and dashes."""
    name = re.sub(r"[^a-z0-9_.-]+", "-", path.stem.lower()).strip("-._")
    return scalar(name[:60]) if name and not name.isdecimal() else "audit"


def _advice(target: Path, stub: Iterable[str]) -> list[str]:
    named = f"./{target}" if str(target).startswith("-") else str(target)
    lines = [SEVERAL, f"Save these lines, a first guess to correct, beside it as {plain(target.name)}; then:"]
    if any(scalar(OPEN) in line or '"?"' in line for line in stub):
        lines.insert(1, 'Each "..." and "?" below is yours to say; the command asks for it as long as it stands there.')
    return [*lines, f"amendment audit {plain(shlex.quote(named))}"]


# Candidates and pairs.


def _candidate_stub(columns: Sequence[Profile]) -> list[str]:
    prompts = texts_in(columns).prompts
    left = [one for one in columns if one.name not in prompts]
    answer = [*_called(left, ("candidate", *ANSWER)), *_longest(left), OPEN][0]
    writer = _called(left, ("model", "generator", "writer", "model_name", "who", "modell", "modelo"))
    named = {"prompt": _one(prompts) or OPEN, "candidate": answer, "model": _one(writer[:1])}
    return flow("columns", named)


def _called(columns: Sequence[Profile], names: Collection[str]) -> list[str]:
    """The first column that is called so, as a whole before in part."""
    exact = [one.name for one in columns if one.name.lower() in names]
    return (exact or [one.name for one in columns if one.is_called(names) and one.is_text])[:1]


def _longest(columns: Sequence[Profile]) -> list[str]:
    texts = [one for one in columns if one.is_text]
    return [max(texts, key=lambda one: one.typical).name] if texts else []


def _one(names: Sequence[str]) -> Any:
    return list(names) if len(names) > 1 else names[0] if names else None


def _listed(raters: Sequence[str]) -> list[str]:
    return [*raters[:MOST_RATERS], *([OPEN] if len(raters) > MOST_RATERS else [])]


def _pair_stub(parts: Parts) -> list[str]:
    named: dict[str, Any] = {"prompt": _one(parts.prompts) or OPEN}
    if not parts.votes and ((parts.a or "").lower(), (parts.b or "").lower()) in CHOSEN:
        return flow("columns", {**named, "chosen": parts.a, "rejected": parts.b, "category": parts.category})
    named |= {"a": parts.a or OPEN, "b": parts.b or OPEN, "votes": _listed(parts.votes) or [OPEN]}
    named["category"] = parts.category
    words = {key: next(filter(stands_in_yaml, getattr(parts.meant, key)), None) for key in ("a", "b", "tie")}
    words |= {key: OPEN for key in ("a", "b") if words[key] is None}
    return [*flow("columns", named), *_found(parts.said), *flow("votes", words)]


# Verdicts.


def _verdict_stub(parts: Parts, path: Path) -> list[str]:
    single = len(parts.votes) < 2
    named: dict[str, Any] = {
        "item": parts.item,
        "prompt": _one(parts.prompts),
        "a": parts.a,
        "b": parts.b,
        "order": parts.order,
        "verdict": (parts.votes or [OPEN])[0] if single else None,
        "swapped": parts.swapped,
        "votes": None if single else _listed(parts.votes),
        "rater": parts.rater,
        "category": parts.category,
        "model_a": parts.model_a,
        "model_b": parts.model_b,
        "prompt_id": parts.prompt_id,
    }
    if parts.item is None and parts.a is None:
        named["item"] = OPEN
    is_alone = single and parts.rater is None and parts.is_model
    return [
        *flow("columns", named),
        *_found(parts.said),
        *_word_lines(parts),
        *_order_lines(parts),
        *_kind_lines(parts),
        *([f"rater: {_study(path)}   # the judge's name in the certificate"] if is_alone else []),
    ]


def _found(said: Counter[str]) -> list[str]:
    """The words of the verdicts with their counts, so that the user sees what has to be placed."""
    if not said:
        return []
    shown = ", ".join(f"{plain(word, longest=40)} ({count:,})" for word, count in said.most_common(SHOWN_WORDS))
    more = f", and {len(said) - SHOWN_WORDS:,} more" if len(said) > SHOWN_WORDS else ""
    return [f"# words found: {shown}{more}"]


def _word_lines(parts: Parts) -> list[str]:
    meant = parts.meant
    can = {key: [word for word in words if stands_in_yaml(word)] for key, words in meant._asdict().items()}
    has_more = len(can["invalid"]) > UNREADABLE or len(can["invalid"]) < len(meant.invalid)
    words: dict[str, Any] = {"a": _one(can["a"]) or OPEN, "b": _one(can["b"]) or OPEN, "tie": _one(can["tie"])}
    if meant.open and not meant.tie and len(parts.said) > 2:
        words["tie"] = OPEN
    words["both_bad"] = _one(can["both_bad"])
    words["invalid"] = None if has_more else _one(can["invalid"])
    lines = flow("words", words)
    placed = bool(can["a"] and can["b"])
    left = [word for word in meant.open if placed or len(parts.said) > 3]
    if left:
        lines.append(f"# not placed yet: {', '.join(plain(word, longest=40) for word in left[:SHOWN_WORDS])}")
    if has_more:
        lines.append("unreadable: invalid   # any other word is no verdict: counted, never a tie")
    return lines


def _order_lines(parts: Parts) -> list[str]:
    if parts.order is None and parts.swapped is None:
        return []
    words = {key: word if word and stands_in_yaml(word) else OPEN for key, word in parts.orders.items()}
    first = parts.meant.a[0] if parts.meant.a else "the word for a"
    return [
        *(flow("orders", words) if parts.order is not None else []),
        f'coordinates: "?"   # displayed or content: does "{plain(first, longest=20)}" speak of the place on screen',
        "                   # (displayed), or of the columns whatever was shown first (content)?",
    ]


def _kind_lines(parts: Parts) -> list[str]:
    if parts.people is not None:
        people = _listed([name for name in parts.people if stands_in_yaml(name)]) or [OPEN]
        return [*flow_list("people", people), "# patterns of those who are people; all other raters are models"]
    kind = "model" if parts.is_model else "person"
    return [f'kind: {kind}   # person, model or verifier; or people: ["PATTERN"], the others are models']
