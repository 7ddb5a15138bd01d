"""Which columns of a file of verdicts seem to hold what: by structure, with names as a hint."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from glob import escape

from amendment.pipeline.reading.column_profiles import Profile, vocabulary
from amendment.pipeline.reading.guessed_texts import texts_in, twins_of
from amendment.pipeline.reading.guessed_words import SWAP, Meant, meanings, orders
from amendment.pipeline.runfile.verdict_files import word_of
from amendment.tables import Row

__all__ = ["Parts", "parts_of"]

ITEMS = (
    "item", "item_id", "comparison", "comparison_id", "question_id", "qid", "pair_id", "example_id", "id", "idx",
    "index", "uid",
)  # fmt: skip
ITEM = vocabulary(
    """
    id qid uid uuid key idx index nr no item ticket vorgang fall case nummer number aktenzeichen kennung comparison
    vergleich pair paar schlüssel schluessel clave clé numéro numero código codigo
    """
)
VERDICT = vocabulary(
    """
    verdict vote winner win prefer preferred preference label choice decision said better result judgment judgement
    annotator rater urteil bewertung wahl entscheidung sieger gewinner präferenz stimme besser ergebnis avis choix
    gagnant préférence voto ganador preferencia scelta vincitore giudizio vencedor oordeel keuze
    """
)
ORDER = vocabulary(
    """
    order shown first position presentation displayed reihenfolge anzeige gezeigt abfolge ordre position orden
    ordine ordem volgorde
    """
)
RATER = vocabulary(
    """
    judge rater annotator worker labeler labeller evaluator user person who wer model modell reviewer expert
    bewerter gutachter prüfer pruefer juror juge annotateur évaluateur qui juez evaluador anotador quién giudice chi
    avaliador beoordelaar
    """
)
CATEGORY = vocabulary(
    """
    category subset domain topic task type language lang genre area subject kategorie bereich thema themengebiet
    fach sprache art catégorie sujet domaine thème langue categoría tema idioma argomento categoria lingua onderwerp
    """
)
COUNTER = vocabulary("turn sample draw seed round epoch split version date time timestamp license status fold")
MODEL_NAME = re.compile(
    r"gpt|claude|llama|mistral|mixtral|gemini|gemma|qwen|deepseek|palm|vicuna|turbo|instruct|judge|llm|chatbot|grok|"
    r"command-r|\d+b\b|\bmodell?\b|\bai\b|\bki\b|\bbot\b|\bphi\b|\bopus\b|\bsonnet\b|\bhaiku\b|\bo\d\b",
    re.IGNORECASE,
)


@dataclass
class Parts:
    """Names of columns and what their words seem to mean."""

    prompts: list[str] = field(default_factory=list)
    a: str | None = None
    b: str | None = None
    item: str | None = None
    prompt_id: str | None = None
    votes: list[str] = field(default_factory=list)
    swapped: str | None = None
    order: str | None = None
    orders: dict[str, str | None] = field(default_factory=dict)
    rater: str | None = None
    category: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    said: Counter[str] = field(default_factory=Counter)
    """All words of the columns of votes."""
    meant: Meant = field(default_factory=lambda: meanings(()))
    people: list[str] | None = None
    """Patterns of the raters who seem to be people, where others seem to be models."""
    is_model: bool = False
    """Whether all raters seem to be models."""

    def names(self) -> set[str]:
        """Columns that have a part already."""
        single = (self.a, self.b, self.item, self.prompt_id, self.swapped, self.order, self.rater, self.category)
        several = (*self.prompts, *self.votes, self.model_a, self.model_b)
        return {name for name in (*single, *several) if name is not None}


def parts_of(columns: Sequence[Profile], rows: Sequence[Row]) -> Parts:
    """What each column of these rows seems to be."""
    texts = texts_in(columns)
    parts = Parts(prompts=texts.prompts, a=texts.a, b=texts.b)
    _writers(parts, columns)
    _order(parts, _free(parts, columns))
    parts.votes = _votes(parts, [one for one in _free(parts, columns) if not _is_key(one)])
    _words(parts, columns)
    _rater(parts, _free(parts, columns))
    _item(parts, _free(parts, columns), rows)
    _category(parts, _free(parts, columns))
    _kinds(parts, columns)
    return parts


def _free(parts: Parts, columns: Iterable[Profile]) -> list[Profile]:
    taken = parts.names()
    return [one for one in columns if one.name not in taken]


def _writers(parts: Parts, columns: Sequence[Profile]) -> None:
    for a, b, shared in twins_of(_free(parts, columns)):
        if shared and set(shared) <= {"model", "modell", "system", "writer", "generator", "name"}:
            parts.model_a, parts.model_b = a.name, b.name
            return


def _order(parts: Parts, columns: Sequence[Profile]) -> None:
    """The column whose two words are the reverse of each other, else one that is called like an order."""
    for by_name in (False, True):
        for one in columns:
            is_called = by_name and one.is_called(ORDER | SWAP) and not one.is_called(VERDICT)
            found = None if one.is_nested or one.longest > 24 else orders(one.words, one.tokens, is_called=is_called)
            if found is not None:
                parts.order, parts.orders = one.name, found
                return


# Votes.


def _votes(parts: Parts, columns: Sequence[Profile]) -> list[str]:
    """Columns of words that name answers, all of one vocabulary; else what is called a verdict, or shares its words."""
    could = [one for one in columns if not one.is_nested and one.filled and not one.is_called(COUNTER)]
    plain = [one for one in could if _reads_as_votes(one, parts)]
    if plain:
        return [one.name for one in _largest(plain, lambda one: _sides(one, parts))]
    few = [one for one in could if one.has_few and not (one.is_called(RATER) or one.is_called(CATEGORY))]
    called = [one for one in could if one.is_called(VERDICT) and 2 <= one.distinct <= 8 and one.longest <= 24]
    if called:
        return [one.name for one in _largest(called, lambda one: set(one.words))]
    shared = _largest(few, lambda one: set(one.words)) if few else []
    return [one.name for one in shared] if len(shared) > 1 or len(few) == 1 else []


def _reads_as_votes(one: Profile, parts: Parts) -> bool:
    """Whether most cells name an answer or a tie, and nothing but unreadable prose stands beside them."""
    if one.distinct > 60 and one.typical > 24:
        return False
    meant = meanings(one.words, parts.a, parts.b)
    read = sum(one.words[word] for word in (*meant.a, *meant.b, *meant.tie, *meant.both_bad))
    return meant.is_plain and 2 * read >= one.filled and len(meant.a) + len(meant.b) <= 6


def _sides(one: Profile, parts: Parts) -> set[str]:
    meant = meanings(one.words, parts.a, parts.b)
    return {*meant.a, *meant.b}


def _largest(columns: Sequence[Profile], words: Callable[[Profile], set[str]]) -> list[Profile]:
    """The columns that share words, of which most are; those called like a verdict, and words before numbers."""
    families: list[tuple[set[str], list[Profile]]] = []
    for one in columns:
        said = words(one)
        home = next((family for family in families if family[0] & said), None)
        if home is None:
            families.append((set(said), [one]))
        else:
            home[0].update(said)
            home[1].append(one)
    return max(families, key=lambda family: _weight(family[1]))[1]


def _weight(family: Sequence[Profile]) -> tuple[bool, bool, int, int]:
    is_called = any(one.is_called(VERDICT) for one in family)
    is_word = not all(one.is_number for one in family)
    return is_called, is_word, len(family), sum(one.filled for one in family)


def _words(parts: Parts, columns: Iterable[Profile]) -> None:
    names = set(parts.votes)
    voted = [one for one in columns if one.name in names]
    turned = [one for one in voted if one.is_called(SWAP)]
    others = [one for one in voted if one not in turned]
    if len(turned) == 1 and parts.order is None:
        verdicts = others if len(others) == 1 else [one for one in others if one.is_called(set(turned[0].tokens))]
        if len(verdicts) == 1:
            parts.swapped, parts.votes, voted = turned[0].name, [verdicts[0].name], [*turned, *verdicts]
    for one in voted:
        parts.said.update(one.words)
    parts.meant = meanings(parts.said, parts.a, parts.b)


# Who, what and of which kind.


def _rater(parts: Parts, columns: Sequence[Profile]) -> None:
    if len(parts.votes) > 1:
        return
    called = [
        one
        for one in columns
        if one.is_called(RATER) and not one.is_nested and one.filled and (one.distinct <= max(1, one.filled / 2))
    ]
    named = [one for one in called if not one.is_called({"model", "modell"})]
    parts.rater = next((one.name for one in [*named, *called] if one.longest <= 80), None)


def _is_key(one: Profile) -> bool:
    """Called like a key, and holding more than a handful of different ones."""
    return one.name.lower() in ITEMS or (one.is_called(ITEM) and not one.is_called(VERDICT) and one.distinct > 5)


def _item(parts: Parts, columns: Sequence[Profile], rows: Sequence[Row]) -> None:
    """The short key in every row that is called like one, or of which there are most."""
    scored = [(_keyness(one), one) for one in columns if one.filled == one.total and not one.is_nested]
    ranked = sorted((pair for pair in scored if pair[0] > (0, 0)), key=lambda pair: pair[0], reverse=True)
    parts.prompt_id = next((one.name for one in columns if one.tokens in (["prompt", "id"], ["promptid"])), None)
    for _, one in ranked:
        if one.name == parts.prompt_id:
            continue
        if _names_comparison(one.name, parts, rows):
            parts.item = one.name
            return
        parts.prompt_id = parts.prompt_id or one.name


def _keyness(one: Profile) -> tuple[int, float]:
    """How much a column looks like what names a comparison: by its name, by its cells."""
    share = one.distinct / max(1, one.filled)
    if one.longest > 80 or one.spaced > 0.1 or one.is_called(RATER | {"session", "run", "user"} - {"model"}):
        return (0, 0)
    if one.name.lower() in ITEMS:
        return (4 + (len(ITEMS) - ITEMS.index(one.name.lower())), share)
    if one.is_called(ITEM) and (one.distinct > 5 or share == 1):
        return (3, share)
    is_code = one.distinct > 5 and share >= 0.1 and not one.is_number
    has_digits = sum(any(c.isdigit() for c in word) for word in one.words) > len(one.words) / 2
    is_date = sum(bool(re.match(r"\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4}", word)) for word in one.words) > 0
    return (1 + has_digits, share) if is_code and not is_date and not one.is_called(COUNTER) else (0, 0)


def _names_comparison(name: str, parts: Parts, rows: Sequence[Row]) -> bool:
    """Whether the same key always stands beside the same two answers, so far as they are in the file."""
    if parts.a is None or parts.b is None:
        return True
    beside: dict[str, frozenset[int]] = {}
    for row in rows:
        pair = frozenset(hash(str(row.values.get(side))) for side in (parts.a, parts.b))
        if beside.setdefault(word_of(row.values.get(name)), pair) != pair:
            return False
    return True


def _category(parts: Parts, columns: Sequence[Profile]) -> None:
    could = [one for one in columns if _is_category(one)]
    called = [one for one in could if one.is_called(CATEGORY)]
    parts.category = next((one.name for one in [*called, *could]), None)


def _is_category(one: Profile) -> bool:
    if one.is_nested or one.is_number or one.longest > 60 or one.is_called(COUNTER | RATER | VERDICT | ORDER):
        return False
    is_named = one.name.lower() in CATEGORY
    return (1 if is_named else 2) <= one.distinct <= 30 and (is_named or 2 * one.distinct <= one.filled)


def _kinds(parts: Parts, columns: Iterable[Profile]) -> None:
    """Who are people and who are models, by their names; a log of one rater with orders on record is a model's."""
    raters = list(parts.votes) if len(parts.votes) > 1 else []
    if parts.rater is not None:
        raters = [word for one in columns if one.name == parts.rater for word in one.words]
    models = [name for name in raters if _is_model(name)]
    if raters:
        parts.is_model = len(models) == len(raters)
        people = [escape(name) for name in raters if not _is_model(name)]
        parts.people = people if models and people else None
    else:
        is_asked = parts.order is not None or parts.swapped is not None
        parts.is_model = is_asked or any(map(_is_model, parts.votes))


def _is_model(name: str) -> bool:
    return bool(MODEL_NAME.search(name.replace("_", " ")))
