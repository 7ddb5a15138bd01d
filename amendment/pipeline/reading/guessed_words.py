"""What the words of a verdict seem to mean, and which displayed order a word names, in some languages.

A guess to be corrected: what could mean two things is left open.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.pipeline.reading.column_profiles import tokens, vocabulary

__all__ = ["SWAP", "Meant", "Side", "meanings", "orders"]

Side = Literal["a", "b"]
FIRST = vocabulary(
    """
    a 1 l left first one links linke linker linkes erste erster erstes eins gauche premier première premiere
    izquierda izquierdo primero primera sinistra sinistro primo prima esquerda esquerdo primeiro primeira eerste
    vänster första venstre første lewa lewy pierwszy pierwsza левый левая первый первая sol birinci ilk chosen
    better α 左 一 甲
    """
)
SECOND = vocabulary(
    """
    b 2 r right second two rechts rechte rechter rechtes zweite zweiter zweites zwei droite deuxième deuxieme second
    seconde derecha derecho segundo segunda destra destro secondo seconda direita direito tweede höger andra høyre
    højre anden prawa prawy drugi druga правый правая второй вторая sağ ikinci rejected worse β 右 二 乙
    """
)
TIE = vocabulary(
    """
    tie tied ties draw same equal equals equally even both = == ≈ 0 c a=b gleich gleichstand gleichwertig
    unentschieden beide egal égal egal égalité egalite nul pareil empate igual iguales pareggio uguale pari parità
    gelijk gelijkspel remis lika likt uavgjort równo ничья одинаково beraberlik eşit 平 平局 同 同等 引き分け
    """
)
BAD = vocabulary("bad poor schlecht schlechte mauvais malo malas malos mal cattivi ruim slecht")
BOTH_BAD = frozenset({"both_bad", "bothbad", "tie (bothbad)", "neither", "keiner", "keine von beiden", "weder"})
INVALID = vocabulary(
    """
    ? error err none n/a na nan null nil invalid unreadable garbage unparsable unparseable parse_error failed
    failure fehler ungültig ungueltig unlesbar refused refusal timeout unknown erreur invalide inválido abstain
    """
)
OVER = {"a": ("a>b", "a>>b", "b<a", "b<<a", ">", ">>"), "b": ("b>a", "b>>a", "a<b", "a<<b", "<", "<<")}
NOISE = vocabulary(
    """
    are good gut sind answer model response reply output option assistant text completion candidate is was the
    side better best wins winner won prefer preferred choice system
    antwort ausgabe modell ist besser die der das seite variante version
    réponse reponse modèle la le est meilleure respuesta modelo es mejor lado risposta modello è migliore it's
    """
)
SWAP = vocabulary("swap swapped swaps flip flipped reversed reverse inverted vertauscht getauscht umgekehrt")
STRAIGHT = vocabulary("original normal straight forward unswapped orig same gerade")
YES, NO = (
    frozenset({"true", "1", "yes", "ja", "oui", "y", "t"}),
    frozenset({"false", "0", "no", "nein", "non", "n", "f"}),
)
PROSE = 24
"""Characters; what is longer, or has more than three words, is prose and no word of a verdict."""


class Meant(NamedTuple):
    """Words by meaning; those of `open` could mean anything."""

    a: list[str]
    b: list[str]
    tie: list[str]
    both_bad: list[str]
    invalid: list[str]
    open: list[str]

    @property
    def is_plain(self) -> bool:
        """Whether nothing is open, and an answer is named."""
        return bool(self.a or self.b) and not self.open


def meanings(said: Collection[str], a: str | None = None, b: str | None = None) -> Meant:
    """The words of a column or several; `a` and `b` are the names of the columns with the answers."""
    found = Meant([], [], [], [], [], [])
    numbers = _numbers(said, a, b)
    for word in sorted(said):
        meaning = numbers.get(word) or _meaning(word, a, b)
        getattr(found, meaning).append(word)
    return found


def _numbers(said: Collection[str], a: str | None, b: str | None) -> Mapping[str, str]:
    """1 and 2 are sides, and 0 beside them neither; 0 and 1 only where the columns are called so."""
    bare = {word for word in said if re.fullmatch(r"[-+]?\d+", word)}
    if "0" in bare and (tokens(a or "")[-1:], tokens(b or "")[-1:]) == (["0"], ["1"]):
        return {"0": "a", "1": "b"} | dict.fromkeys(bare - {"0", "1"}, "open")
    if ("2" not in bare and "0" in bare) or any(word[0] in "-+" for word in bare) or bare - {"0", "1", "2", "3"}:
        return dict.fromkeys(bare, "open")
    return {}


def _meaning(word: str, a: str | None, b: str | None) -> str:
    folded = _folded(word)
    named = {name.casefold(): side for name, side in ((a, "a"), (b, "b")) if name is not None}
    if folded in named:
        return named[folded]
    for side, signs in OVER.items():
        if folded.replace(" ", "") in signs:
            return side
    for meaning, words in (("invalid", INVALID), ("both_bad", BOTH_BAD), ("tie", TIE)):
        if folded in words:
            return meaning
    if not re.search(r"\w", folded):
        return "invalid"
    return _of_tokens(word, tokens(folded))


def _folded(word: str) -> str:
    return word.strip().strip("[](){}\"'*.:!, ").casefold() or word.strip().casefold()


def _of_tokens(word: str, parts: Sequence[str]) -> str:
    rest = {part for part in parts if part not in NOISE}
    if rest & BAD and rest & (TIE | {"both"}):
        return "both_bad"
    if rest & TIE and rest <= TIE | {"a"}:
        return "tie"
    sides = {side for part in rest if (side := _side_of(part))}
    if len(sides) == 1 and all(_side_of(part) for part in rest):
        return sides.pop()
    return "invalid" if len(word) > PROSE or len(word.split()) > 3 else "open"


def _side_of(word: str) -> Side | None:
    """Which of two answers a single word names."""
    folded = _folded(word)
    return "a" if folded in FIRST else "b" if folded in SECOND else None


def orders(said: Collection[str], name: Sequence[str], *, is_called: bool) -> dict[str, str | None] | None:
    """Which of two words says that the answer in column a was displayed first; None where they are no orders.

    `name` are the parts of the column's name; `is_called` says that it is called like an order, so that words need
    not be the reverse of each other. What cannot be told is None.
    """
    words = sorted(said)
    if len(words) == 2 and (parts := _reversals(*words)):
        sides = [_side_of(part) for part in parts]
        if "0" in parts and "1" in parts:
            sides = ["a" if part == "0" else "b" for part in parts]
        if sides == ["a", "b"]:
            return {"ab": words[0], "ba": words[1]}
        return {"ab": words[1], "ba": words[0]} if sides == ["b", "a"] else {"ab": None, "ba": None}
    if not is_called or not 1 <= len(words) <= 2:
        return None
    found: dict[str, str | None] = {"ab": None, "ba": None}
    for word in words:
        order = _order_of(word, is_swap=bool(SWAP & set(name)))
        if order:
            found[order] = word
    return found if len(words) == 2 or any(found.values()) else None


def _reversals(one: str, other: str) -> list[str] | None:
    """The two sides that the first word names in order, where the other names them the other way round."""
    parts = [re.findall(r"[^\W_]+", word.casefold()) for word in (one, other)]
    if all(len(each) == 1 for each in parts):
        parts = [list(each[0]) for each in parts]
    if len(parts[0]) != 2 or parts[0] != parts[1][::-1] or parts[0][0] == parts[0][1]:
        return None
    return parts[0]


def _order_of(word: str, *, is_swap: bool) -> Literal["ab", "ba"] | None:
    folded = _folded(word)
    if is_swap:
        return "ba" if folded in YES | SWAP else "ab" if folded in NO | STRAIGHT else None
    parts = [part for part in tokens(folded) if part not in NOISE and part != "first"] or tokens(folded)
    if set(parts) & SWAP:
        return "ba"
    if set(parts) & STRAIGHT or folded == "ab":
        return "ab"
    if folded == "ba":
        return "ba"
    side = _side_of(parts[0]) if len(parts) == 1 else None
    return {"a": "ab", "b": "ba"}[side] if side else None  # type: ignore[return-value]
