"""The evaluation counts what was not answered, scores nothing that was not said, and names a policy that is silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.llm.model import Ending
from amendment.records import Candidate, Message, Preference, text_of
from amendment.run import Patience, Run
from amendment.run.wording import evaluation_lines
from amendment.simulator import sample_prompts, truth
from amendment.stages import evaluation as evaluation_stage
from amendment.stages.candidates import Draw, Drawn
from amendment.stages.endings import ItemEnding
from amendment.stages.reward_model import PairScores

QUICK = Patience(attempts=2, longest_wait=0.01)
REFUSAL = {"role": "assistant", "content": None, "refusal": "no", "finish_reason": "content_filter"}
SILENCE = {"role": "assistant", "content": " ", "finish_reason": "length"}
ENDINGS: dict[int, tuple[int, dict[str, Any]]] = {1: (200, REFUSAL), 2: (200, SILENCE), 3: (422, {})}


@pytest.fixture
def compared(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two policies of a server answer twenty held-out prompts or so; a simulated judge compares them."""
    monkeypatch.setenv("OUR_KEY", "k")
    rows = [{"prompt": f"question {i:02}"} for i in range(40)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    far = f"provider: openai, base_url: '{server.url}', api_key_env: OUR_KEY"
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: compared\nconstitution: helpful-honest\nprompts: [{path: p.jsonl}]\n"
        f"models:\n  one: {{{far}, model: one}}\n  two: {{{far}, model: two}}\n  judge: {{provider: simulated}}\n"
        "dataset: {test_share: 0.5}\n"
        "evaluate: {policies: [one, two], judge: {model: judge, protocol: label-tokens}}\n"
    )
    return path


def test_unanswered_draws_are_counted_by_their_end_and_compared_with_nothing(
    compared: Path, server: Any, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = int(body["messages"][-1]["content"][-2:])
        if body["model"] == "two" and number % 4:
            status, said = ENDINGS[number % 4]
            return status, dict(said)
        return 200, {"role": "assistant", "content": f"{body['model']} about {number}"}

    server.answer = answer
    result = Run.from_file(compared, folder=tmp_path / "run", patience=QUICK)()
    counts = result.summary["stages"]["evaluate"]
    draws = counts["held-out prompts"]
    assert counts["answers"]["one"] == {"answered": draws, "refused": 0, "invalid": 0, "failed": 0}
    two = counts["answers"]["two"]
    assert sum(two.values()) == draws
    assert min(two.values()) > 0
    rate = counts["win rates"]["two against one"]
    assert (rate["draws"], rate["refused"]) == (draws, two["refused"])
    assert rate["other unanswered"] == two["invalid"] + two["failed"]
    assert rate["n"] + rate["unread"] == two["answered"]
    endings = read_records(tmp_path / "run/evaluate/endings.parquet", ItemEnding)
    assert len({one.item_id for one in endings}) == len(endings) == 2 * draws
    page = (tmp_path / "run/summary.md").read_text()
    assert f"- answers of two: answered {two['answered']}, refused {two['refused']}, invalid {two['invalid']}" in page


def test_a_policy_that_never_answers_stops_the_evaluation(compared: Path, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: (422, {}) if body["model"] == "two" else (200, {"role": "assistant", "content": "yes"})
    with pytest.raises(AmendmentError, match=r"evaluate: policy 'two' gave no answer \(\d+ failed\).*status 422"):
        Run.from_file(compared, folder=tmp_path / "run", patience=QUICK)()
    assert not (tmp_path / "run/evaluate/scores.parquet").exists()


def answered(draw: Draw, text: str) -> Drawn:
    said = (Message(role="assistant", content=text),)
    return Drawn(draw, Ending("done"), Candidate(prompt_id=draw.prompt.id, messages=said, kind="policy"))


def test_an_empty_answer_has_the_score_of_no_words_and_a_refused_draw_has_none() -> None:
    draws = [Draw(prompt.record, 0) for prompt in sample_prompts(3, 5)]
    asked = [text_of(draw.prompt.messages) for draw in draws]
    first = [answered(draw, "the answer is 3") for draw in draws]
    empty, refused = Drawn(draws[1], Ending("invalid", "empty")), Drawn(draws[2], Ending("refused", "no"))
    scores: list[Any] = []
    told = evaluation_stage._against_truth({"a": first, "b": [first[0], empty, refused]}, scores)
    assert (told["policies"]["a"]["utility"]["n"], told["policies"]["b"]["utility"]["n"]) == (3, 2)
    assert told["policies"]["b"]["readable"]["value"] == (truth(asked[0], "the answer is 3").readable + 0) / 2
    assert [(one.policy, one.prompt_id) for one in scores[3:]] == [("b", draw.prompt.id) for draw in draws[:2]]
    assert scores[4].value == truth(asked[1], "").utility
    difference = told["differences"]["b - a"]
    expected = (truth(asked[1], "").utility - truth(asked[1], "the answer is 3").utility) / 2
    assert difference["n"] == 2
    assert difference["value"] == pytest.approx(expected)


def test_pairs_too_long_for_the_reward_model_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_file: Callable[[str], Path], small_text: str
) -> None:
    run = Run.from_file(run_file(small_text + "reward_model: {base: ./x}\n"), folder=tmp_path / "run")
    rows = [row(prompt.record, number) for number, prompt in enumerate(sample_prompts(4, 5))]
    run._context.workspace.write("dataset/test", Preference, rows)

    def scored(folder: Path, pairs: list[dict[str, Any]]) -> PairScores:
        chosen = np.array([np.nan, *[1.0] * (len(pairs) - 1)])
        return PairScores(chosen, np.zeros(len(pairs)), np.full(len(pairs), 0.5))

    monkeypatch.setattr(evaluation_stage, "score_pairs", scored)
    told = evaluation_stage._reward_against_truth(run._context)
    share, labels = told["reward model against truth"], told["labels against truth"]
    assert (share["unscored"], share["n"], labels["n"]) == (1, labels["n"] - 1, len(rows))
    lines = evaluation_lines({"held-out prompts": 4, **told})
    assert any(line.endswith("; 1 pairs have no score, being too long") for line in lines)


def row(prompt: Any, number: int) -> Preference:
    """A pair whose answers differ in truth: one has words of the grammar, the other has none."""
    sides = {
        "chosen": (Message(role="assistant", content="the answer is 3"),),
        "rejected": (Message(role="assistant", content=""),),
    }
    names = {name: f"{name}-{number}" for name in ("comparison_id", "chosen_id", "rejected_id")}
    return Preference(
        prompt=prompt.messages,
        prompt_id=prompt.id,
        p_chosen=1.0,
        p_chosen_raw=1.0,
        decided_by="judge",
        **names,
        **sides,
    )
