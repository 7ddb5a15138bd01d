"""What a further round trains on, worked out by hand; and what `rounds` may say in a run file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.records import Message, Preference
from amendment.run import load_run_file
from amendment.run.wiring import wire
from amendment.stages.config_rounds import RoundsStage, in_round, policy_of, round_step, stage_of
from amendment.stages.rounds.deriving import round_config
from amendment.stages.rounds.pairs import pairs_of_round

PLAIN = """\
name: rounds
constitution: lilliput
models: {judge: {provider: simulated}}
prompts: [{lilliput: 12}]
critique: {model: judge}
base: {on: drafts}
candidates: [{model: base, per_prompt: 3}]
judging: {judges: [{model: judge}]}
dpo: {base: base}
"""


def pair(name: str, *, by: Any = "judge") -> Preference:
    said = {side: (Message(role="assistant", content=f"{side} {name}"),) for side in ("chosen", "rejected")}
    return Preference(
        prompt=(Message(role="user", content=name),),
        p_chosen=0.9,
        p_chosen_raw=0.9,
        decided_by=by,
        comparison_id=name,
        prompt_id=name,
        chosen_id=f"{name}+",
        rejected_id=f"{name}-",
        **said,
    )


def stage(data: str, keep_human: float | None = None) -> RoundsStage:
    return RoundsStage.model_validate({"n": 3, "data": data, "keep_human": keep_human})


FIRST = [pair("j1"), pair("j2"), pair("h1", by="person"), pair("h2", by="person"), pair("h3", by="person")]
SECOND = [pair("j3"), pair("j4")]
THIRD = [pair("j5"), pair("j1"), pair("j6"), pair("h4", by="person")]  # one comparison comes again


def used(rounds: RoundsStage, seed: int = 7, number: int = 3) -> list[str]:
    found = pairs_of_round(rounds, [*FIRST, *SECOND], THIRD, number=number, seed=seed)
    return [row.comparison_id for row in found.rows]


def test_replace_trains_on_the_pairs_of_its_round_and_accumulate_on_all_once() -> None:
    assert used(stage("replace")) == ["j5", "j1", "j6", "h4"]
    # 5 of the first, 2 of the second, and of the third's 4 the 3 that are new
    assert used(stage("accumulate")) == ["j1", "j2", "h1", "h2", "h3", "j3", "j4", "j5", "j6", "h4"]


def test_the_share_of_people_is_drawn_from_all_rounds_without_replacement() -> None:
    # replace: 3 pairs of the judge (j5, j1, j6); a share of 0.4 takes 3 * 0.4 / 0.6 = 2 of the 4 by people
    found = pairs_of_round(stage("replace", 0.4), [*FIRST, *SECOND], THIRD, number=3, seed=7)
    names = [row.comparison_id for row in found.rows]
    assert names[:3] == ["j5", "j1", "j6"]
    assert len(set(names[3:])) == 2
    assert set(names[3:]) < {"h1", "h2", "h3", "h4"}
    told = {"new pairs": 4, "pairs used": 5, "of them by people": 2, "share of people wanted": 0.4}
    assert found.counts == {**told, "share of people": 0.4}
    # accumulate: 6 of the judge (j1 to j6); 0.25 takes 6 * 0.25 / 0.75 = 2, and the other two are left out
    assert [name[0] for name in used(stage("accumulate", 0.25))] == ["j"] * 6 + ["h"] * 2
    assert used(stage("replace", 0.0)) == ["j5", "j1", "j6"]


def test_what_people_have_decided_the_judge_does_not_decide_again() -> None:
    # h1 of the first round is judged anew in the second: one pair of the judge is left, and 0.5 takes one by people
    found = pairs_of_round(stage("replace", 0.5), [pair("h1", by="person")], [pair("j3"), pair("h1")], number=2, seed=7)
    assert [(row.comparison_id, row.decided_by) for row in found.rows] == [("j3", "judge"), ("h1", "person")]


def test_where_people_decided_too_few_all_of_them_are_taken_and_the_share_reached_is_told() -> None:
    # 3 * 0.8 / 0.2 = 12 wanted, 4 there: 4 of 7 is 0.5714
    found = pairs_of_round(stage("replace", 0.8), [*FIRST, *SECOND], THIRD, number=3, seed=7)
    assert (found.counts["of them by people"], found.counts["share of people"]) == (4, 0.5714)


def test_the_draw_depends_on_seed_and_round_and_on_nothing_else() -> None:
    rounds = stage("replace", 0.25)  # 3 * 0.25 / 0.75 = 1 of 4
    assert used(rounds) == used(rounds)
    drawn = {used(rounds, seed, number)[-1] for seed in range(8) for number in (2, 3)}
    assert drawn == {"h1", "h2", "h3", "h4"}
    assert any(used(rounds, seed, 2) != used(rounds, seed, 3) for seed in range(8))


def test_each_round_has_its_own_names() -> None:
    assert [policy_of(number) for number in (1, 2, 3)] == ["dpo", "round-2", "round-3"]
    for step in ("candidates", "judging", "dataset", "dpo"):
        assert round_step(stage_of(12, step)) == (12, step)
    assert [round_step(name) for name in ("rounds", "dpo", "round-x", "round-2-audit")] == [None] * 4
    assert in_round(2, "judging/verdicts") == "rounds/2/judging/verdicts"
    assert in_round(2, "dataset/test") == "dataset/test", "what is held out is the first round's in all of them"
    assert in_round(2, "inputs/prompts") == "rounds/2/inputs/prompts"
    assert in_round(2, "inputs/prompts", "dpo") == "inputs/prompts", "a training may be watched on held-out prompts"
    assert in_round(2, "dataset/train", "dpo") == "rounds/2/dataset/train"


def test_a_number_alone_says_how_many_rounds(run_file: Callable[[str], Path]) -> None:
    short = load_run_file(run_file(PLAIN + "rounds: 3\n")).config
    assert short.rounds == RoundsStage(n=3)
    assert short.policies == ("base", "sft", "dpo", "round-2", "round-3")
    with pytest.raises(ConfigError, match="rounds"):
        load_run_file(run_file(PLAIN + "rounds: true\n"))


@pytest.mark.parametrize(("start", "bases"), [("last", ["dpo", "round-2"]), ("start", ["base", "base"])])
def test_a_round_starts_from_the_last_policy_or_from_the_first_base(
    run_file: Callable[[str], Path], start: str, bases: list[str]
) -> None:
    config = load_run_file(run_file(PLAIN + f"rounds: {{n: 3, from: {start}}}\n")).config
    assert [round_config(config, number).dpo.base for number in (2, 3)] == bases
    needs = {one.name: one.needs for one in wire(config)}
    assert [f"models/{base}" in needs[f"round-{number}"] for base, number in zip(bases, (2, 3), strict=True)] == [
        True
    ] * 2
    assert "models/round-2" in needs["round-3-candidates"], "whatever it starts from, the last policy answers"


WRONG = {
    "rounds: 2": "no policy of the run is among candidates",
    "rounds: {n: 2, keep_human: 0.2, candidates: {}}": "has no pairs that people decided",
    "rounds: {n: 2, candidates: {per_prompt: 1}}": "rounds.candidates.per_prompt: found 1, expected at least 2",
    "rounds: {n: 2, keep_human: 1, candidates: {}}": "less than 1",
    "rounds: {n: 0}": "rounds.n: found 0, expected at least 1",
}


@pytest.mark.parametrize("rounds", WRONG)
def test_rounds_that_could_not_be_made_are_told_of_before_anything_is_asked(
    rounds: str, run_file: Callable[[str], Path]
) -> None:
    text = PLAIN.replace("model: base,", "model: judge,") + rounds + "\n"
    with pytest.raises(ConfigError, match=WRONG[rounds]):
        load_run_file(run_file(text))


def test_rounds_need_what_every_round_does(run_file: Callable[[str], Path]) -> None:
    path = run_file(
        "name: x\nconstitution: lilliput\nprompts: [{lilliput: 12}]\nrounds: 2\n"
        "models:\n  round-2: {provider: simulated}\n"
    )
    with pytest.raises(ConfigError) as found:
        load_run_file(path)
    for told in ("no stage judging; add it", "no stage dpo; add it", "'round-2' is the name of a stage"):
        assert told in str(found.value)


def test_a_round_that_the_run_does_not_have_cannot_be_evaluated(run_file: Callable[[str], Path]) -> None:
    text = PLAIN + "rounds: 2\nevaluate: {policies: [dpo, round-3]}\n"
    with pytest.raises(ConfigError, match="no model 'round-3' under models"):
        load_run_file(run_file(text))
