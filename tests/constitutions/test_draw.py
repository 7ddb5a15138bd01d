"""Drawing principles: the same draw for the same key, and the shares that each scheme promises."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from amendment.constitutions import (
    AppliesWhen,
    Constitution,
    DrawnPrinciple,
    Principle,
    draw_principles,
    eligible_principles,
)
from amendment.constitutions.draw import DrawScheme


def principle(
    id: str, *, weight: float = 1.0, tags: tuple[str, ...] = (), scope: AppliesWhen | None = None
) -> Principle:
    return Principle(
        id=id,
        statement=f"About {id}.",
        weight=weight,
        tags=tags,
        applies_when=scope,
        critique=("c",),
        revise=("r",),
        compare=("q",),
    )


def constitution(*principles: Principle, id: str = "test") -> Constitution:
    return Constitution(id=id, version="1.0.0", title="A test", license="CC0-1.0", principles=principles)


POOL = eligible_principles(
    [
        constitution(
            principle("heavy", weight=3, tags=("truth",)),
            principle("light", tags=("truth",)),
            principle("other", tags=("tone",)),
        )
    ],
    "compare",
)


def shares(scheme: DrawScheme, draws: int = 4000) -> dict[str, float]:
    drawn = (draw_principles(POOL, 1, scheme=scheme, key=[7, index])[0].principle.id for index in range(draws))
    return {id: count / draws for id, count in Counter(drawn).items()}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("uniform", {"heavy": 1 / 3, "light": 1 / 3, "other": 1 / 3}),
        ("weighted", {"heavy": 3 / 5, "light": 1 / 5, "other": 1 / 5}),
        # half of the draws go to each tag; within truth three to one
        ("stratified", {"heavy": 3 / 8, "light": 1 / 8, "other": 1 / 2}),
    ],
)
def test_each_scheme_keeps_its_shares(scheme: DrawScheme, expected: dict[str, float]) -> None:
    # 4000 draws: the standard error of a share is at most 0.008
    assert shares(scheme) == pytest.approx(expected, abs=0.03)


def ids(drawn: list[DrawnPrinciple]) -> list[str]:
    return [one.principle.id for one in drawn]


def test_with_vetoes_every_hard_principle_is_asked_beside_those_that_are_drawn() -> None:
    hard = [principle(name).model_copy(update={"hard": True}) for name in ("safe", "legal")]
    pool = eligible_principles([constitution(hard[0], principle("kind"), principle("brief"), hard[1])], "compare")
    found = {tuple(ids(draw_principles(pool, 1, scheme="weighted", key=index, vetoes=True))) for index in range(20)}
    assert found == {("safe", "legal", "kind"), ("safe", "legal", "brief")}
    assert len(draw_principles(pool, 1, scheme="weighted", key=1)) == 1
    whole = draw_principles(pool, 9, scheme="weighted", key="k", vetoes=True)
    assert sorted(ids(whole)) == ["brief", "kind", "legal", "safe"]


def test_only_principles_that_apply_and_have_texts_are_eligible() -> None:
    silent = principle("silent").model_copy(update={"compare": ()})
    scoped = principle("scoped", scope=AppliesWhen(categories=("people",)))
    tagged = principle("tagged", scope=AppliesWhen(tags=("minors",)))
    both = [constitution(scoped, silent, tagged), constitution(principle("always"), id="second")]

    def eligible(stage: Any = "compare", **of: Any) -> str:
        return " ".join(drawn.id for drawn in eligible_principles(both, stage, **of))

    assert eligible() == "second/always"
    assert eligible(category="people") == "test/scoped second/always"
    assert eligible(tags=("minors",)) == "test/tagged second/always"
    assert eligible("revise") == "test/silent second/always"


def test_a_draw_follows_from_its_key_in_every_process() -> None:
    drawn = [draw_principles(POOL, 2, scheme="uniform", key=["p", index]) for index in range(4)]
    assert [ids(row) for row in drawn] == [["light", "heavy"]] * 2 + [["light", "other"]] * 2
