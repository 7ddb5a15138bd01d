"""Checks as a reward: what passes, what fails, and what is neither."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amendment.constitutions import Check, register_check
from amendment.errors import ConfigError
from amendment.preference import VerifierReward

SHORT = Check(kind="max_words", value=3)


def rewards(reward: VerifierReward, *completions: Any, **columns: Any) -> list[float | None]:
    """As a trainer calls it: by keywords, in a loop of its own."""
    prompts = ["Hi"] * len(completions)
    return asyncio.run(reward(prompts=prompts, completions=list(completions), completion_ids=None, **columns))


def test_all_checks_have_to_pass_and_words_are_needed() -> None:
    reward = VerifierReward([SHORT, Check(kind="no_list")])
    answer = [{"role": "assistant", "content": "just three words"}]
    assert rewards(reward, answer, "four words are many", "- a list", "", "<|im_end|>") == [1.0, -1.0, -1.0, -1.0, -1.0]
    assert reward.counts["rewarded"] == 3


def test_known_answers_come_from_a_column() -> None:
    reward = VerifierReward([Check(kind="number")])
    assert rewards(reward, "It is 12.", "It is 13.", answer=[12, "12"]) == [1.0, -1.0]
    with pytest.raises(ConfigError, match="column `answer`"):
        rewards(reward, "It is 12.")


def test_what_cannot_be_checked_has_the_fallback_and_its_reason() -> None:
    register_check("breaks", lambda text: bool(1 / len(text.split("\n")[1:])))
    checks = [Check(kind="function", value="breaks")]
    logged: dict[str, float] = {}
    assert rewards(VerifierReward(checks), "one line", "two\nlines", log_metric=logged.__setitem__) == [None, 1.0]
    assert logged == {"verifier/missing": 0.5}
    reward = VerifierReward(checks, fallback=-0.5)
    assert rewards(reward, "one line", [{"role": "nobody"}]) == [-0.5, -0.5]
    assert any("ZeroDivisionError" in name for name in reward.counts)


PROGRAM = "```python\ndef area(a, b):\n    return a {} b\n```"


@pytest.mark.sandbox
def test_programs_of_a_group_run_in_the_sandbox_against_the_prompts_own_tests() -> None:
    group = [PROGRAM.format(sign) for sign in "*+*/"]
    known = ['{"area(2, 3)": 6, "area(1, 4)": 4}'] * 4
    assert rewards(VerifierReward([Check(kind="tests")]), *group, answer=known) == [1.0, -1.0, 1.0, -1.0]


def test_no_check_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no check"):
        VerifierReward([])
    with pytest.raises(ConfigError, match="finite"):
        VerifierReward([SHORT], fallback=float("nan"))
