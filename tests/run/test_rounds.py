"""Runs of several rounds, tiny; what a further round trains on, worked out by hand; what `rounds` may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.curation import cleaning
from amendment.curation.cleaning import CleanConfig
from amendment.curation.funnel import Cleaning
from amendment.curation.rounds import RoundsConfig, choose_round_pairs
from amendment.data.store import Split, Workspace
from amendment.errors import ConfigError
from amendment.publishing.publication import prepare
from amendment.records import Candidate, Judgement, Preference, Record, last_text
from amendment.run import Run, load_run_file
from amendment.simulator import sample_prompts
from amendment.statistics.calibrators import Calibrator
from amendment.text import words
from tests.rows import plain_preference, save

ROUNDS = """\
name: rounds
seed: 7
constitution: lilliput
models: {judge: {provider: simulated}, writer: {provider: simulated}}
prompts: [{lilliput: 24}]
critique: {model: writer, rounds: 1}
base: {on: drafts, steps: 60, batch_size: 16, learning_rate: 1.0e-2, max_length: 64,
  hidden: 32, vocab: 400}
candidates: [{from: critique, take: draft_and_last}, {model: base, per_prompt: 3, max_tokens: 24}]
judging: {judges: [{model: judge, protocol: label-tokens}]}
dataset: {test_share: 0.25}
dpo: {base: base, despite: [order, people], steps: 3, batch_size: 8, max_length: 64, learning_rate: 1.0e-3,
  guards: null}
rounds: 3
"""
EVALUATED = "evaluate: {policies: [base, dpo, round-2, round-3], prompts: 4, max_tokens: 24}\n"
STEPS = ("candidates", "judging", "dataset")


def stages_of_round(number: int) -> tuple[str, ...]:
    return (*(f"round-{number}-{step}" for step in STEPS), f"round-{number}")


def table(folder: Path, name: str, kind: type[Record]) -> list[Any]:
    return Workspace(folder).read(name, kind)


def ids(rows: list[Preference]) -> list[str]:
    return [row.comparison_id for row in rows]


class Rounds:
    """A run of two rounds, and the same run with a third."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run.yaml"
        reference = "dataset: {test_share: 0.25, reference: {path: human.jsonl}}"
        self.path.write_text(ROUNDS.replace("dataset: {test_share: 0.25}", reference) + EVALUATED)
        asked = [last_text(prompt.record.messages) for prompt in sample_prompts(40, 99)]
        save(
            folder / "human.jsonl",
            [{"prompt": text, "candidate": f"the answer is {n}"} for n, text in enumerate(asked)],
        )
        self.folder = folder / "run"
        self.run("rounds=2", "evaluate.policies=[base, dpo, round-2]")()
        self.three = self.run()()

    def run(self, *overrides: str) -> Run:
        return Run.from_file(self.path, folder=self.folder, overrides=overrides)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    return Rounds(tmp_path_factory.mktemp("rounds"))


def test_one_more_round_makes_that_round_alone_and_then_nothing_is_left(made: Rounds) -> None:
    assert made.three.ran == (*stages_of_round(3), "rounds", "evaluate")
    again = made.run()()
    assert (again.sent, again.ran) == (0, ())
    assert made.run("evaluate.policies=[base, dpo]").plan().total.calls == 0
    judged = made.run("judging.principles_per_pair=2").plan()
    assert not {*stages_of_round(2), *stages_of_round(3), "dpo", "judging"} & set(judged.done)


def test_every_round_samples_the_policy_of_the_round_before_and_never_a_held_out_prompt(made: Rounds) -> None:
    split = table(made.folder, "inputs/split", Split)
    train = {row.prompt_id for row in split if row.split == "train"}
    assert 0 < len(train) < len(split)
    for number, name in ((2, "dpo"), (3, "round-2")):
        answers = table(made.folder, f"rounds/{number}/candidates/candidates", Candidate)
        digest = Workspace(made.folder).digest(f"models/{name}")
        assert {answer.origin.model for answer in answers} == {f"{name}@{digest}"}
        assert {answer.prompt_id for answer in answers} == train
        used = table(made.folder, f"rounds/{number}/dataset/train", Preference)
        assert {row.prompt_id for row in used} <= train


def test_pairs_accumulate_each_comparison_once(made: Rounds) -> None:
    first = ids(table(made.folder, "dataset/train", Preference))
    new = {number: ids(table(made.folder, f"rounds/{number}/dataset/pairs", Preference)) for number in (2, 3)}
    every = list(dict.fromkeys([*first, *new[2], *new[3]]))
    assert ids(table(made.folder, "rounds/3/dataset/train", Preference)) == every
    rounds = made.three.results["rounds"]
    assert (rounds.count("new_pairs", round="3"), rounds.count("pairs_used", round="3")) == (len(new[3]), len(every))


def test_the_summary_has_a_line_per_round_and_the_evaluation_knows_their_policies(made: Rounds) -> None:
    evaluated = {figure.of["policy"] for figure in made.three.results["evaluate"].where("true_utility")}
    assert evaluated == {"base", "dpo", "round-2", "round-3"}
    rounds, policies = made.three.results["rounds"], ["dpo", "round-2", "round-3"]
    for number, policy in enumerate(policies, start=1):
        accuracy = made.three.results[policy].estimate("held_out_accuracy")
        assert accuracy
        assert rounds.estimate("held_out_accuracy", round=str(number)) == accuracy
        nats = rounds.estimate("nats_per_token_of_people", policy=policy)
        assert nats
        assert 0 < nats.low < nats.value < nats.high
    changes = rounds.changes("nats_per_token_of_people")
    assert [(row.policy, row.less) for row in changes] == [("round-2", "dpo"), ("round-3", "dpo")]
    assert [figure.of["policy"] for figure in rounds.where("collapse")] == ["round-2", "round-3"]


def test_a_plan_counts_all_rounds(made: Rounds, tmp_path: Path) -> None:
    asks = {ask.stage: ask.calls for ask in Run.from_file(made.path, folder=tmp_path / "new").plan().asks}
    for number in (2, 3):
        # 18 prompts that are not held out, 3 answers each; 3 comparisons of these in 2 orders by 1 principle
        assert (asks[f"round-{number}-candidates"], asks[f"round-{number}-judging"]) == (18 * 3, 18 * 3 * 2)


def test_the_policies_of_rounds_are_published_and_say_what_the_dataset_has_not(made: Rounds) -> None:
    ready = {model.name: model for model in prepare(made.folder, repo="org/x", license="mit", models=True).models}
    assert {name: model.repo for name, model in ready.items()} == {
        name: f"org/x-{name}" for name in ("dpo", "round-2", "round-3")
    }
    assert {model.base for model in ready.values()} == {"base"}  # round-3 on round-2 on dpo on base
    assert "those of later ones are not part of it" in ready["round-3"].body
    assert "those of later ones" not in ready["dpo"].body


def test_pairs_of_people_go_into_further_rounds_and_what_they_taught_the_judge_holds_there(
    run_file: Callable[[str], Path], folder: Path
) -> None:
    checked = "spot_check: {items: 60, people: simulated, calibration: temperature}\n"
    rounds = "rounds: {n: 2, data: replace, replay_human: 0.5}\n"
    text = ROUNDS.replace("rounds: 3\n", rounds).replace("share: 0.25", "share: 0.25, probabilities: calibrated")
    Run.from_file(run_file(text.replace("lilliput: 24", "lilliput: 36") + checked), folder=folder)()
    people = {row.comparison_id for row in table(folder, "dataset/train", Preference) if row.decided_by == "person"}
    used = table(folder, "rounds/2/dataset/train", Preference)
    drawn = [row.comparison_id for row in used if row.decided_by == "person"]
    # as many as the judge's own, or all that the train side has
    assert len(drawn) == len(set(drawn)) == min(len(used) - len(drawn), len(people)) > 0
    assert set(drawn) <= people

    fitted = Calibrator.from_json(json.loads((folder / "calibration/calibrator.json").read_text()))
    judged = [row for row in table(folder, "rounds/2/dataset/pairs", Preference) if row.decided_by == "judge"]
    assert judged
    for row in judged:
        assert row.p_chosen == row.p_chosen_calibrated == pytest.approx(fitted.apply([row.p_chosen_raw])[0])


def test_verifiers_alone_decide_the_pairs_of_a_round_which_are_cleaned_like_the_first_ones(
    run_file: Callable[[str], Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "LONGEST", 7)
    judging = "judging: {judges: [{model: judge, protocol: label-tokens}]}\n"
    verified = "verify: [{kind: max_words, value: 5}]\nclean: {}\nrounds: 2\n"
    result = Run.from_file(run_file(ROUNDS.replace(judging, "").replace("rounds: 3\n", verified)), folder=folder)()
    decided = table(folder, "rounds/2/verify/judgements", Judgement)
    new = table(folder, "rounds/2/dataset/pairs", Preference)
    lengths = {
        answer.id: len(words(last_text(answer.messages)))
        for answer in table(folder, "rounds/2/candidates/candidates", Candidate)
    }
    assert ids(new) == [row.comparison_id for row in decided if max(lengths[row.a], lengths[row.b]) <= 7]
    assert {row.decided_by for row in new} == {"verifier"}
    [funnel] = result.results["round-2-dataset"].funnels
    assert (funnel.remained, funnel.left_out) == (len(new), {"length": len(decided) - len(new)})


def test_a_pair_of_a_round_that_copies_an_earlier_one_is_left_out(tmp_path: Path) -> None:
    cleaning = Cleaning(CleanConfig(), tmp_path)
    earlier, new = pair("a question about the tides"), pair("some other thing entirely")
    cleaning.compare_with([earlier])
    assert cleaning.pairs("run", [earlier.model_copy(update={"comparison_id": "again"}), new]) == [1]
    assert cleaning.left_out == {"copy": 1}


ROUNDS_OF = """\
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
    row = plain_preference(name, f"chosen {name}", f"rejected {name}", decided_by=by)
    return row.model_copy(update={"comparison_id": name})


def stage(data: str, replay_human: float | None = None) -> RoundsConfig:
    return RoundsConfig.model_validate({"n": 3, "data": data, "replay_human": replay_human})


FIRST = [pair("j1"), pair("j2"), pair("h1", by="person"), pair("h2", by="person"), pair("h3", by="person")]
SECOND = [pair("j3"), pair("j4")]
THIRD = [pair("j5"), pair("j1"), pair("j6"), pair("h4", by="person")]  # one comparison comes again


def used(rounds: RoundsConfig) -> list[str]:
    return [row.comparison_id for row in choose_round_pairs(rounds, [*FIRST, *SECOND], THIRD, number=3, seed=7).rows]


def test_replace_trains_on_the_pairs_of_its_round_and_accumulate_on_all_once() -> None:
    assert used(stage("replace")) == ["j5", "j1", "j6", "h4"]
    # 5 of the first, 2 of the second, and of the third's 4 the 3 that are new
    assert used(stage("accumulate")) == ["j1", "j2", "h1", "h2", "h3", "j3", "j4", "j5", "j6", "h4"]


def test_the_share_of_people_is_drawn_from_all_rounds_without_replacement() -> None:
    # replace: 3 pairs of the judge (j5, j1, j6); a share of 0.4 takes 3 * 0.4 / 0.6 = 2 of the 4 by people
    names = used(stage("replace", 0.4))
    assert names[:3] == ["j5", "j1", "j6"]
    assert len(set(names[3:])) == 2
    assert set(names[3:]) < {"h1", "h2", "h3", "h4"}
    # 3 * 0.8 / 0.2 = 12 wanted, 4 there: 4 of 7 is 0.5714
    pairs = choose_round_pairs(stage("replace", 0.8), [*FIRST, *SECOND], THIRD, number=3, seed=7)
    counts = {"new_pairs": 4, "pairs_used": 7, "of_them_by_people": 4, "share_of_people_wanted": 0.8}
    assert {figure.name: figure.value for figure in pairs.figures} == {**counts, "share_of_people": 0.5714}
    # accumulate: 6 of the judge (j1 to j6); 0.25 takes 6 * 0.25 / 0.75 = 2, and the other two are left out
    assert [name[0] for name in used(stage("accumulate", 0.25))] == ["j"] * 6 + ["h"] * 2
    assert used(stage("replace", 0.0)) == ["j5", "j1", "j6"]


def test_what_people_have_decided_the_judge_does_not_decide_again() -> None:
    # h1 of the first round is judged anew in the second: one pair of the judge is left, and 0.5 takes one by people
    pairs = choose_round_pairs(
        stage("replace", 0.5), [pair("h1", by="person")], [pair("j3"), pair("h1")], number=2, seed=7
    )
    assert [(row.comparison_id, row.decided_by) for row in pairs.rows] == [("j3", "judge"), ("h1", "person")]


WRONG = {
    "rounds: 2": "no policy of the run is among candidates",
    "rounds: {n: 2, replay_human: 0.2, per_prompt: 4}": "has no pairs that people decided",
    "rounds: {n: 2, per_prompt: 1}": "rounds.per_prompt: found 1, expected at least 2",
    "rounds: {n: 2, replay_human: 1, per_prompt: 4}": "less than 1",
}


@pytest.mark.parametrize("rounds", WRONG)
def test_rounds_that_could_not_be_made_are_told_of_before_anything_is_asked(
    rounds: str, run_file: Callable[[str], Path]
) -> None:
    text = ROUNDS_OF.replace("model: base,", "model: judge,") + rounds + "\n"
    with pytest.raises(ConfigError, match=WRONG[rounds]):
        load_run_file(run_file(text))


def test_rounds_need_what_every_round_does(run_file: Callable[[str], Path]) -> None:
    path = run_file(
        "name: x\nconstitution: lilliput\nprompts: [{lilliput: 12}]\nrounds: 2\n"
        "models:\n  round-2: {provider: simulated}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_run_file(path)
    for message in ("judging judges the policy", "each round trains with dpo", "'round-2' is the name of a stage"):
        assert message in str(caught.value)
    with pytest.raises(ConfigError, match="no model 'round-3' under models"):
        load_run_file(run_file(ROUNDS_OF + "rounds: 2\nevaluate: {policies: [dpo, round-3]}\n"))
