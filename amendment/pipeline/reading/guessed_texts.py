"""Which columns seem to hold the prompt and the two answers: twins by name, texts by what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

from amendment.pipeline.reading.column_profiles import Profile, vocabulary
from amendment.pipeline.reading.shapes import asked_in

__all__ = ["PROMPT", "Texts", "texts_in", "twins_of"]

PROMPT = vocabulary(
    """
    prompt question instruction query input context task request aufgabe frage anfrage anweisung eingabe
    aufforderung consigne requête pregunta instrucción consigna tarea domanda richiesta istruzione pergunta tarefa
    vraag opdracht fråga spørgsmål pytanie zadanie вопрос задание soru 问题 指令 提示 質問
    """
)
ANSWER = vocabulary(
    """
    answer response reply output text completion candidate generation option antwort ausgabe réponse reponse texte
    respuesta texto salida risposta testo resposta antwoord svar odpowiedź ответ cevap 回答 答案 chosen rejected
    """
)
NOTE = vocabulary(
    """
    reason rationale explanation comment comments note notes remark feedback critique thought thoughts analysis raw
    justification begründung begruendung kommentar notiz bemerkung anmerkung raison commentaire motivo comentario
    """
)
NO_TEXT = vocabulary(
    """
    model modell score rating rank length len id tokens label verdict vote winner annotator rater judge prob p lang
    language votes count time hash cost
    """
)
OPPOSITES = dict(
    one.split(":")
    for one in vocabulary(
        """
        a:b 1:2 0:1 x:y l:r left:right links:rechts linke:rechte gauche:droite izquierda:derecha sinistra:destra
        esquerda:direita first:second one:two erste:zweite premier:deuxième première:deuxième primera:segunda
        primero:segundo prima:seconda eerste:tweede chosen:rejected better:worse winner:loser i:ii eins:zwei
        un:deux uno:dos een:twee 左:右
        """
    )
)
"""Parts of two names that are otherwise the same."""
ALIKE = 0.6
"""Names that share so much of their letters may name the two answers."""


class Texts(NamedTuple):
    """Names of the columns; none where nothing tells them."""

    prompts: list[str]
    a: str | None
    b: str | None


def twins_of(columns: Sequence[Profile]) -> Iterator[tuple[Profile, Profile, list[str]]]:
    """Columns whose names differ in one part alone, such as left and right, with the parts that they share."""
    by_tokens: dict[tuple[str, ...], Profile] = {}
    for column in columns:
        by_tokens.setdefault(tuple(column.tokens), column)
    for parts, column in by_tokens.items():
        for place, part in enumerate(parts):
            other = (*parts[:place], OPPOSITES.get(part, ""), *parts[place + 1 :])
            if other in by_tokens:
                yield column, by_tokens[other], [*parts[:place], *parts[place + 1 :]]


def texts_in(columns: Sequence[Profile]) -> Texts:
    """The prompt and the two answers, as far as names and contents tell them."""
    a, b = _twin_answers(columns) or (None, None)
    left = [one for one in columns if one not in (a, b) and not one.is_called(NOTE)]
    prompts = _called_prompt(left)
    texts = [one for one in left if one.is_text and one.name not in prompts and not one.is_called(NO_TEXT)]
    if a is None:
        if not prompts and len(texts) > 2:
            prompts = [_most_repeated(texts).name]
            texts = [one for one in texts if one.name not in prompts]
        a, b = _alike(texts) or (None, None)
    elif not prompts and texts:
        prompts = [_most_repeated(texts).name]
    return Texts(prompts, a.name if a else None, b.name if b else None)


def _twin_answers(columns: Sequence[Profile]) -> tuple[Profile, Profile] | None:
    """Of all twins the ones that hold texts, are called like answers, and are longest."""
    found = []
    for a, b, shared in twins_of(columns):
        is_called = not shared or any(part in ANSWER for part in shared)
        is_text = a.is_text and b.is_text
        could_be = is_text or (is_called and not (a.is_number and not shared) and not _could_be_votes(a, b))
        if could_be and not any(part in NO_TEXT or part in PROMPT or part in NOTE for part in shared):
            found.append((is_text, is_called, min(a.typical, b.typical), -columns.index(a), a, b))
    return max(found, key=lambda one: one[:4])[4:] if found else None


def _could_be_votes(a: Profile, b: Profile) -> bool:
    """Two columns of the same few short words, many times over."""
    return a.has_few and b.has_few and a.filled > 3 * a.distinct and set(a.words) == set(b.words)


def _called_prompt(columns: Sequence[Profile]) -> list[str]:
    by_lower = {one.name.lower(): one for one in columns if not one.is_number}
    exact = asked_in(by_lower)
    if exact:
        context = [name for name in ("context",) if name in by_lower and by_lower[name].is_text]
        return [by_lower[name].name for name in (*exact, *context)]
    called = [one for one in columns if one.is_called(PROMPT) and not one.is_called({"id", "category", "type", "hash"})]
    texts = [one.name for one in called if one.is_text]
    return texts[:1] or [one.name for one in called if not one.is_number and not one.has_few][:1]


def _most_repeated(texts: Sequence[Profile]) -> Profile:
    """A prompt stands in several rows where an answer does not; where none repeats, it stands first."""
    return min(texts, key=lambda one: round(one.distinct / max(1, one.filled), 1))


def _alike(texts: Sequence[Profile]) -> tuple[Profile, Profile] | None:
    if len(texts) == 2:
        return texts[0], texts[1]
    likeness = {(a.name, b.name): SequenceMatcher(None, a.name, b.name).ratio() for a, b in combinations(texts[:20], 2)}
    best = max(likeness, key=lambda names: likeness[names], default=None)
    if best is None or likeness[best] < ALIKE:
        return None
    a, b = (one for one in texts if one.name in best)
    return a, b
