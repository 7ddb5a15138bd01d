"""What a format has no place for, of one constitution: counted, so that nothing goes missing unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from amendment.constitutions._models import CompareExample, Constitution, Principle, ReviseExample
from amendment.constitutions._naming import slug
from amendment.constitutions._statements import TABLES
from amendment.constitutions._worked import STANDARD, examples_of, spelled_out, talk_of, with_critique

__all__ = ["ExportFormat", "left_out"]

ExportFormat = Literal["cai-paper", "huggingface", "statements", "json"]

_HEADER = "id, version, title, license and source of the constitution"
_EXTRAS = ("text", "rationale", "weight", "tier", "hard", "tags", "applies_when", "score", "cases")
_ROLES = ("critique", "revise", "compare")


def left_out(constitution: Constitution, format: ExportFormat, *, ending: str = "") -> tuple[str, ...]:
    """What an export to the format leaves out; `ending` is that of a file of statements, such as `.csv`."""
    match format:
        case "cai-paper":
            return (_HEADER, *_of_paper(constitution))
        case "huggingface":
            return (_HEADER, *_of_huggingface(constitution))
        case "statements":
            return (_HEADER, *_of_statements(constitution, ending))
        case "json":
            return ()


def _of_paper(constitution: Constitution) -> Iterator[str]:
    principles = constitution.principles
    held = [one for one in principles if _is_chain(one) or one.compare]
    yield from _without_texts(principles, held)
    yield from _count(held, "a critique or a revision alone", lambda one: bool(one.critique) != bool(one.revise))
    yield from _count(held, "statement", lambda one: not _holds_statement(one, (*one.revise, *one.compare)))
    yield from _count(held, "id", lambda one: not _is_chain(one) and not _is_named_after(one, one.compare))
    yield from _count(held, "grouping of the texts", lambda one: _is_chain(one) + len(one.compare) > 1)
    yield from _extras(held, _EXTRAS)
    yield from _talks(constitution)
    yield from _comparisons(constitution.few_shot.compare)


def _of_huggingface(constitution: Constitution) -> Iterator[str]:
    principles = constitution.principles
    held = [one for one in principles if _is_chain(one)]
    yield from _without_texts(principles, held)
    yield from _count(held, "compare", lambda one: bool(one.compare))
    yield from _count(held, "statement", lambda one: not _holds_statement(one, one.revise))
    yield from _count(held, "id", lambda one: not _is_named_after(one, one.revise))
    yield from _count(held, "grouping of the texts", lambda one: len(one.critique) + len(one.revise) > 2)
    yield from _extras(held, _EXTRAS)
    yield from _talks(constitution)
    yield from _some(len(constitution.few_shot.compare), "worked comparison")


def _of_statements(constitution: Constitution, ending: str) -> Iterator[str]:
    principles, shots = constitution.principles, constitution.few_shot
    is_table = ending in TABLES
    if not is_table:
        yield from _count(principles, "id", lambda one: not _is_named_after(one, [one.statement]))
    if ending not in (*TABLES, ".json"):
        yield from _count(principles, "line breaks", lambda one: one.statement != " ".join(one.statement.split()))
    for role in _ROLES:
        yield from _count(principles, role, _differs(role, (getattr(STANDARD, role),)))
    yield from _extras(principles, [name for name in _EXTRAS if not (is_table and name == "weight")])
    yield from _some(len(shots.critique) + len(shots.revise) + len(shots.compare), "worked example")


def _is_chain(principle: Principle) -> bool:
    """Whether the principle has both texts of a critique and a revision."""
    return bool(principle.critique and principle.revise)


def _holds_statement(principle: Principle, texts: Sequence[str]) -> bool:
    """Whether one of the texts is the statement, or is spelled out with it."""
    return any(text == principle.statement or text in STANDARD for text in texts)


def _is_named_after(principle: Principle, texts: Sequence[str]) -> bool:
    """Whether an import would make the id of the text again."""
    names = [slug(spelled_out(principle, text)) for text in texts[:1]]
    return any(principle.id == name or principle.id.startswith(f"{name}-") for name in names)


def _without_texts(principles: Sequence[Principle], held: Sequence[Principle]) -> Iterator[str]:
    others = [one.id for one in principles if one not in held]
    if others:
        yield f"{_some_of(len(others), 'principle')} without the texts that the format needs: {', '.join(others)}"


def _count(principles: Iterable[Principle], what: str, is_lost: Callable[[Principle], object]) -> Iterator[str]:
    count = sum(bool(is_lost(one)) for one in principles)
    if count:
        yield f"{what} of {_some_of(count, 'principle')}"


def _extras(principles: Sequence[Principle], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from _count(principles, name, _differs(name, Principle.model_fields[name].default))


def _differs(name: str, usual: object) -> Callable[[Principle], bool]:
    return lambda one: getattr(one, name) != usual


def _talks(constitution: Constitution) -> Iterator[str]:
    shots, revised = constitution.few_shot, with_critique(constitution)
    critiques = {(each.prompt, each.response, each.critique) for each in revised}
    alone = [each for each in shots.critique if (each.prompt, each.response, each.critique) not in critiques]
    yield from _some(len(alone), "worked critique", " without a revision")
    yield from _some(len(shots.revise) - len(revised), "worked revision", " without a critique")
    unnamed = sum(not _tells_its_principle(each, constitution.principles) for each in revised)
    yield from _some(unnamed, "worked revision", before="principle of ")


def _tells_its_principle(example: ReviseExample, principles: Sequence[Principle]) -> bool:
    talk = talk_of(example, principles)
    return example.principle is None or examples_of(talk, principles)[1].principle == example.principle


def _comparisons(examples: Sequence[CompareExample]) -> Iterator[str]:
    named = sum(each.principle is not None for each in examples)
    yield from _some(named, "worked comparison", before="principle of ")
    if any(each.answer != "AB"[index % 2] for index, each in enumerate(examples)):
        yield from _some(len(examples), "worked comparison", before="order of the answers in ")


def _some(count: int, what: str, more: str = "", *, before: str = "") -> Iterator[str]:
    if count:
        yield f"{before}{_some_of(count, what)}{more}"


def _some_of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
