"""The prompt files of the Constitutional AI paper's repository (Bai et al. 2022), told apart by what they hold.

The paper's principles are of two sorts, and stay apart here: requests for critique and revision, and questions that
compare. Worked examples are told by their critique request which principle they speak about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from amendment.constitutions._cai_entries import (
    Plain,
    Reasoned,
    Requests,
    plain_comparison,
    plain_comparison_entry,
    question,
    question_entry,
    reasoned_comparison,
    requests,
    requests_entry,
    transcript,
    transcript_entry,
)
from amendment.constitutions._foreign import Problems, check_count, list_at, mapping_at
from amendment.constitutions._models import CompareExample, Constitution, Principle
from amendment.constitutions._naming import Names, is_slug, slug
from amendment.constitutions._originals import Gathered, only_originals, originals_of, restored
from amendment.constitutions._worked import examples_of, spelled_out, talk_of, with_critique

__all__ = ["FILES", "Kind", "gather_cai_paper", "kind_of", "paper_values"]

Kind = Literal["critique-requests", "compare-questions", "critique-talks", "plain-comparisons", "reasoned-comparisons"]
FILES: dict[Kind, str] = {
    "critique-requests": "CritiqueRevisionInstructions.json",
    "compare-questions": "RLMadisonInstructions.json",
    "critique-talks": "CritiqueRevisionFewShotPrompts.json",
    "plain-comparisons": "RLMadisonFewShotPrompts.json",
    "reasoned-comparisons": "RLMadisonPrecogFewShotPrompts.json",
}
"""The names of the files, in the order in which a constitution is made of them."""


def kind_of(value: Any) -> Kind | None:
    """Which of the files a JSON value is, by its content."""
    entries = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, dict):
        return "critique-requests" if any(isinstance(one, dict) and "edit_request" in one for one in entries) else None
    if any(isinstance(one, dict) and {"corrects", "incorrects"} & one.keys() for one in entries):
        return "plain-comparisons"
    if any(isinstance(one, dict) and "prompt" in one for one in entries):
        return "reasoned-comparisons"
    texts = [one for one in entries if isinstance(one, str)]
    if any("\n\nCritiqueRequest:" in text for text in texts):
        return "critique-talks"
    return "compare-questions" if any(text.rstrip().endswith("Options:") for text in texts) else None


class File(NamedTuple):
    """A file's name, as it is shown, and its JSON value."""

    name: str
    value: Any


def gather_cai_paper(files: Mapping[Kind, File]) -> Gathered:
    """What the files hold together. Raises DataError with every problem of all of them."""
    gathered, problems, names = Gathered(), Problems(), Names()
    for kind in FILES:
        if kind in files:
            problems.attempt(partial(_GATHER[kind], files[kind], gathered, names))
    problems.check()
    return gathered


def _requests(file: File, gathered: Gathered, names: Names) -> None:
    entries, problems = mapping_at(file.value, file.name), Problems()
    check_count(len(entries), file.name)
    read = {key: problems.attempt(partial(requests, entry, f"{file.name}: {key}")) for key, entry in entries.items()}
    problems.check()
    ids = {key: names.keep(key) for key in entries if is_slug(key)}
    for key, asked in read.items():
        assert asked is not None
        id = ids.get(key) or names.take(key)
        made = Principle(id=id, statement=asked.revise, critique=asked.critique, revise=(asked.revise,))
        gathered.principles.append(made)
        gathered.note("critique-requests", asked, {key: entries[key]}, _request_value(_Item(id, made, asked)))


def _each(file: File, read: Callable[[Any, str], Any]) -> list[tuple[Any, Any]]:
    """The entries of a list and what was read of them."""
    entries, problems = list_at(file.value, file.name), Problems()
    made = problems.each(entries, f"{file.name}: ", read)
    problems.check()
    return list(zip(entries, made, strict=True))


def _questions(file: File, gathered: Gathered, names: Names) -> None:
    for entry, text in _each(file, question):
        made = Principle(id=names.take(text), statement=text, compare=(text,))
        gathered.principles.append(made)
        gathered.note("compare-questions", text, entry, _question_value((made, text)))


def _talks(file: File, gathered: Gathered, _: Names) -> None:
    for entry, talk in _each(file, transcript):
        critique, revise = examples_of(talk, gathered.principles)
        gathered.critique.append(critique)
        gathered.revise.append(revise)
        gathered.note("critique-talks", revise, entry, transcript_entry(talk_of(revise, gathered.principles)))


def _plain(file: File, gathered: Gathered, _: Names) -> None:
    for index, (entry, plain) in enumerate(_each(file, plain_comparison)):
        # The file does not say which answer is shown first: by turns, so that a judge learns no position.
        gathered.compare.append(_in_places(plain, "B" if index % 2 else "A"))
        gathered.note("plain-comparisons", plain, entry, plain_comparison_entry(plain))


def _in_places(plain: Plain, answer: Literal["A", "B"]) -> CompareExample:
    a, b = (plain.better, plain.worse) if answer == "A" else (plain.worse, plain.better)
    return CompareExample(prompt=plain.prompt, a=a, b=b, answer=answer)


def _out_of_places(example: CompareExample) -> Plain:
    better, worse = (example.a, example.b) if example.answer == "A" else (example.b, example.a)
    return Plain(example.prompt, better, worse)


def _reasoned(file: File, gathered: Gathered, _: Names) -> None:
    read = _each(file, reasoned_comparison)
    for entry, example in read:
        gathered.compare.append(CompareExample(**example._asdict()))
        gathered.note("reasoned-comparisons", example, entry, None)
    kept = f"the reasoning of {len(read)} worked comparisons is kept for an export alone: no judge is shown it"
    gathered.notes.append(f"{file.name}: {kept}")


_GATHER: dict[Kind, Callable[[File, Gathered, Names], None]] = {
    "critique-requests": _requests,
    "compare-questions": _questions,
    "critique-talks": _talks,
    "plain-comparisons": _plain,
    "reasoned-comparisons": _reasoned,
}


def paper_values(constitution: Constitution) -> dict[str, Any]:
    """The constitution as these files hold it, by file name; without those that would be empty."""
    reasoned, plain = _comparisons(constitution)
    values: dict[Kind, Any] = {
        "critique-requests": _requests_value(constitution),
        "compare-questions": restored(
            [(principle, text) for principle in constitution.principles for text in principle.compare],
            _question_value,
            originals=originals_of(constitution, "compare-questions"),
            key=lambda item: item[1],
            key_of=lambda entry: question(entry, ""),
        ),
        "critique-talks": restored(
            with_critique(constitution),
            lambda example: transcript_entry(talk_of(example, constitution.principles)),
            originals=originals_of(constitution, "critique-talks"),
            key=lambda example: example,
            key_of=lambda entry: examples_of(transcript(entry, ""), constitution.principles)[1],
        ),
        "plain-comparisons": plain,
        "reasoned-comparisons": reasoned,
    }
    return {FILES[kind]: value for kind, value in values.items() if value}


def _requests_value(constitution: Constitution) -> dict[str, Any]:
    """One entry for each request for a revision, by id; the requests for a critique are dealt out among them."""
    items = _numbered(constitution.principles)
    entries = restored(
        items,
        _request_value,
        originals=originals_of(constitution, "critique-requests"),
        key=lambda item: item.asked,
        key_of=_of_one_key,
    )
    ids, value = {item.id for item in items}, dict[str, Any]()
    for item, entry in zip(items, entries, strict=True):
        ((key, requested),) = entry.items()
        is_own = item.id.startswith(slug(key)) and key not in value and key not in ids - {item.id}
        value[key if is_own else item.id] = requested
    return value


class _Item(NamedTuple):
    """An entry of requests to write."""

    id: str
    principle: Principle
    asked: Requests


def _request_value(item: _Item) -> dict[str, Any]:
    critique = tuple(spelled_out(item.principle, text) for text in item.asked.critique)
    return {item.id: requests_entry(Requests(critique, spelled_out(item.principle, item.asked.revise)))}


def _question_value(item: tuple[Principle, str]) -> str:
    return question_entry(spelled_out(*item))


def _of_one_key(entry: Any) -> Requests:
    return requests(next(iter(mapping_at(entry, "").values()), None), "")


def _numbered(principles: Sequence[Principle]) -> list[_Item]:
    """The requests of each principle under its id, and where it has several for a revision under numbers behind it."""
    names, items = Names(), list[_Item]()
    usable = [one for one in principles if one.critique and one.revise]
    for principle in usable:
        names.keep(principle.id)
    for principle in usable:
        ids = (principle.id, *(names.keep(f"{principle.id}-{n}") for n in range(2, len(principle.revise) + 1)))
        items += [_Item(id, principle, asked) for id, asked in zip(ids, _dealt(principle), strict=True)]
    return items


def _dealt(principle: Principle) -> list[Requests]:
    """Each request for a revision with its share of the requests for a critique, in turn; at least one."""
    critique, revise = principle.critique, principle.revise
    shares = [critique[index :: len(revise)] or (critique[index % len(critique)],) for index in range(len(revise))]
    return [Requests(share, request) for share, request in zip(shares, revise, strict=True)]


def _comparisons(constitution: Constitution) -> tuple[list[Any], list[Any]]:
    """Entries of reasoned and of plain comparisons: reasoned are those whose reasoning was kept."""
    reasoned, others = only_originals(
        constitution.few_shot.compare,
        originals=originals_of(constitution, "reasoned-comparisons"),
        key=lambda example: Reasoned(example.prompt, example.a, example.b, example.answer),
        key_of=lambda entry: reasoned_comparison(entry, ""),
    )
    plain = restored(
        [_out_of_places(example) for example in others],
        plain_comparison_entry,
        originals=originals_of(constitution, "plain-comparisons"),
        key=lambda example: example,
        key_of=lambda entry: plain_comparison(entry, ""),
    )
    return reasoned, plain
