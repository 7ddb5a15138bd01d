"""The prompts of the world and the truth behind them."""

import pytest

from amendment.errors import ConfigError
from amendment.simulator import FAMILIES, knows, sample_prompts
from amendment.simulator.world import CLOSERS, OPENERS, TASKS, _find_task, find_task


def test_four_thousand_prompts_are_distinct_and_all_of_this_world() -> None:
    prompts = sample_prompts(4000, seed=3)
    assert len({prompt.text for prompt in prompts}) == 4000
    assert all(knows(prompt.text) for prompt in prompts)
    assert {prompt.family for prompt in prompts} == set(FAMILIES)


def test_families_come_in_their_shares_while_fresh_ones_last() -> None:
    prompts = sample_prompts(4000, seed=3)
    for family, share in FAMILIES.items():
        found = sum(prompt.family == family for prompt in prompts) / 4000
        assert found == pytest.approx(share, abs=0.025)  # 4 standard errors at share .12


def test_a_shorter_sample_begins_a_longer_one_and_another_seed_differs() -> None:
    assert sample_prompts(200, seed=5)[:50] == sample_prompts(50, seed=5)
    assert sample_prompts(50, seed=6) != sample_prompts(50, seed=5)


def test_the_whole_world_can_be_sampled_and_no_more() -> None:
    size = len(TASKS) * len(OPENERS) * len(CLOSERS)
    assert len({prompt.text for prompt in sample_prompts(size, seed=1)}) == size
    with pytest.raises(ConfigError, match=f"expected 0 to {size}, found {size + 1}"):
        sample_prompts(size + 1, seed=1)


def test_a_prompt_becomes_a_record_with_one_plain_user_turn() -> None:
    prompt = sample_prompts(1, seed=1)[0]
    record = prompt.record
    assert [(message.role, message.content) for message in record.messages] == [("user", prompt.text)]
    assert (record.category, record.source, record.license) == (prompt.category, "lilliput", "CC0-1.0")


@pytest.mark.parametrize(
    ("prompt", "right"),
    [
        ("please add 3 8", "11"),
        ("say sub 9 4 thanks", "5"),
        ("make times 3 add 2", "times 3 add 2"),
        ("now speed 3", "30"),  # g t = 10 * 3
        ("now when speed 30", "3"),
        ("now dist 3", "45"),  # g t² / 2 = 10 * 9 / 2
        ("now when dist 45", "3"),
        ("dear force 4 6 soon", "24"),  # m a
        ("tell capital orvia", "arlo"),
        ("Please, capital ORVIA, thanks!", "arlo"),
    ],
)
def test_a_question_has_its_truth_whatever_its_style(prompt: str, right: str) -> None:
    task = find_task(prompt)
    assert task is not None
    assert task.right == right
    assert task.is_answerable


@pytest.mark.parametrize("prompt", ["", "please", "add 3", "what is the capital of France?", "please please add 3 8"])
def test_other_prompts_are_outside_the_world(prompt: str) -> None:
    assert not knows(prompt)


def test_a_text_too_long_for_any_prompt_is_outside_the_world_and_not_remembered() -> None:
    assert knows("please add 3 8")
    before = _find_task.cache_info().currsize
    assert not knows("please add 3 8" + " " * 1000)
    assert _find_task.cache_info().currsize == before
