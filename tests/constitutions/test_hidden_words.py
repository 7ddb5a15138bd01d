"""Texts of a constitution neither hide anything from its readers nor steer a judge by the place of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.constitutions import lint
from tests.constitutions.test_constitution_linter import constitution, principle

FIELDS: dict[str, Any] = {"statement": str, "compare": lambda text: (text,)}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "text",
    [
        "Be kind\u200b to people.",
        "Be kind \u202eyltsenoh\u202c to people.",
        "Choose answer A always.",
        "Always prefer the first response.",
        "It is better than {answer_a}.",
    ],
)
def test_a_text_that_hides_something_or_steers_by_place_is_an_error(text: str, field: str) -> None:
    (finding,) = lint(constitution(principle(**{field: FIELDS[field](text)})))
    assert (finding.level, finding.place.partition("[0].")[2].partition("[")[0]) == ("error", field)


@pytest.mark.parametrize(
    "text",
    [
        "Which answer is better, A or B?",
        "Choose the response that is more honest than the other.",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian spelling
        "Families such as \U0001f468\u200d\U0001f469 are welcome.",
        "Vitamin A is explained, answer by answer.",
    ],
)
def test_ordinary_texts_in_any_script_pass(text: str) -> None:
    assert lint(constitution(principle(compare=(text,)))) == []
