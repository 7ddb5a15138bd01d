"""What a judge may learn from its own verdicts: with reasons, in one form, and with nobody against them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.workspace import Workspace
from amendment.errors import ConfigError, DataError
from amendment.publishing.contents import rows_of
from amendment.publishing.exporting import Exported, export_lines, export_run
from amendment.publishing.judge_sft import lesson_messages, lessons_of
from amendment.publishing.publication import prepare
from amendment.publishing.tables import Tables
from amendment.records import Messages, Verdict
from amendment.run import Run
from amendment.simulator import sample_prompts

ANNA = "anna.berg"
RUN = f"""\
name: taught
seed: 3
constitution: lilliput
models:
  writer: {{provider: simulated, writer: helpful-only}}
  second: {{provider: simulated, position_bias: 0.7}}
prompts: [{{lilliput: 12}}]
critique: {{model: writer, rounds: 2}}
candidates:
  - {{from: critique, take: draft_and_last}}
  - {{model: writer, per_prompt: 2}}
verdicts: [{{path: labels.csv, kind: person, columns: {{prompt: q, a: x, b: y, votes: [{ANNA}]}}}}]
judging:
  judges: [{{model: second, protocol: reasoned}}, {{model: second, protocol: structured}}]
  judge_labelled: true
dataset: {{test_share: 0.25}}
"""
Verdicts = list[Verdict]


@pytest.fixture(scope="module")
def taught_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two judges that write their reasons, and one person who says of two comparisons the better answer, of two the
    worse one."""
    folder = tmp_path_factory.mktemp("taught")
    labelled = [
        (prompt.text, "i am not certain", f"blub {i}", "ab"[i // 2]) for i, prompt in enumerate(sample_prompts(4, 3))
    ]
    lines = [f"q,x,y,{ANNA}", *(",".join(row) for row in labelled)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "run.yaml").write_text(RUN)
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


@pytest.fixture
def taught(taught_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught_folder, tmp_path / "taught"))


@pytest.fixture
def exported(taught: Path, tmp_path: Path) -> Callable[[], tuple[Exported, list[dict[str, Any]]]]:
    """The export, and its rows."""

    def export() -> tuple[Exported, list[dict[str, Any]]]:
        result = export_run(taught, "judge_sft", tmp_path / "out")
        return result, [row for path in result.files for row in rows_of(path)]

    return export


def judged(folder: Path) -> Verdicts:
    return Workspace(folder).read("judging/verdicts", Verdict)


def test_every_verdict_is_a_row_or_left_out_with_a_reason(exported: Any, taught: Path) -> None:
    result, rows = exported()
    assert len(rows) > 20
    assert len(rows) + sum(result.left_out.values()) == len(judged(taught))
    assert result.left_out["orders disagree"] > 0  # the judge has a position bias
    assert result.left_out["orders disagree"] % 2 == 0
    assert any("verdicts: orders disagree" in line for line in export_lines(result))


def test_a_row_is_the_question_as_it_was_put_and_the_reasons_before_the_verdict(exported: Any, taught: Path) -> None:
    _, rows = exported()
    by_id = {verdict.id: verdict for verdict in judged(taught)}
    for row in rows:
        verdict, (asked, said) = by_id[row["verdict_id"]], row["messages"]
        assert (asked["role"], said["role"]) == ("user", "assistant")
        assert asked["content"].startswith("You compare two answers")
        assert row["rater"] == verdict.rater
        assert row["principle_id"] == verdict.principle_id
        if "structured" in row["rater"]:
            assert json.loads(said["content"]) == {"reasoning": verdict.reasoning, "verdict": verdict.value}
        else:
            assert said["content"] == f"{verdict.reasoning}\n\nVerdict: {verdict.value}"
    assert {row["rater"].split("/")[1].split("@")[0] for row in rows} == {"reasoned", "structured"}


def test_both_orders_stand_only_where_they_prefer_the_same(exported: Any, taught: Path) -> None:
    _, rows = exported()
    by_id = {verdict.id: verdict for verdict in judged(taught)}
    sides: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        verdict = by_id[row["verdict_id"]]
        side = {"A": verdict.shown[0], "B": verdict.shown[1]}.get(str(verdict.value), "tie")
        sides.setdefault((row["rater"], row["comparison_id"]), set()).add(side)
        assert row["consistent"] is True
    assert all(len(found) == 1 for found in sides.values())


def test_what_contradicts_people_is_left_out_and_people_are_not_named(exported: Any, taught: Path) -> None:
    result, rows = exported()
    # "blub" is outside of the world's grammar: a judge that agrees with itself prefers the other answer, as the person
    # does in two of four comparisons; each is asked about by two judges in two orders
    assert [row["agrees_with_people"] for row in rows].count(False) == 0
    agreeing, against = [row for row in rows if row["agrees_with_people"]], result.left_out["contradicts people"]
    assert 0 < len(agreeing) <= 8
    assert 0 < against <= 8
    assert {row["agrees_with_verifiers"] for row in rows} == {None}
    assert ANNA not in json.dumps(rows)


def test_it_is_published_beside_the_other_configs_and_split_like_them(exported: Any, taught: Path) -> None:
    _, rows = exported()
    ready = prepare(taught, repo="org/taught", license="mit")
    config = ready.configs["judge_sft"]
    assert sum(len(split) for split in config.values()) == len(rows)
    prompts = [set(split["prompt_id"]) for split in config.values()]
    assert set.intersection(*prompts) == set()
    assert "Verdicts that are not in `judge_sft`" in ready.body
    assert '"judge_sft")' in ready.body


def test_without_the_ledger_there_is_nothing_to_learn_from(taught: Path, tmp_path: Path) -> None:
    kept = len(lessons_of(Tables.of_run(taught)).kept)
    for path in taught.glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(DataError, match=f"{kept} its question is not in the ledger"):
        export_run(taught, "judge_sft", tmp_path / "out")
    assert "judge_sft" not in prepare(taught, repo="org/taught", license="mit").configs


def test_a_run_without_written_reasons_says_which_judges_write_them(chain: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"read from token probabilities.*protocol reasoned or structured"):
        export_run(chain, "judge_sft", tmp_path / "out")
    with pytest.raises(ConfigError, match="did you mean 'judge_sft'"):
        export_run(chain, "judge-sft", tmp_path / "out")


BLOCK = {"answer_a": [{"role": "assistant", "content": "x"}], "answer_b": [{"role": "assistant", "content": "y"}]}


def test_a_question_that_was_put_again_is_shown_as_it_was_put_first() -> None:
    from amendment.fence import fence

    asked = {"role": "user", "content": "Compare.\n" + "\n".join(fence(BLOCK).values())}
    again = [asked, {"role": "assistant", "content": "Hm."}, {"role": "user", "content": "No verdict line."}]
    verdict = Verdict(
        scale="pair", prompt_id="p", shown=("a", "b"), value="tie", reasoning="Equal.", rater="j",
        origin={"request": "r"},
    )  # fmt: skip

    def shown(body: str | None) -> Messages | None:
        return lesson_messages(verdict, lambda name: body if name == "r" else None)

    messages = shown(json.dumps({"messages": again}))
    assert messages is not None
    assert [message.content for message in messages] == [asked["content"], "Equal.\n\nVerdict: tie"]
    assert shown(json.dumps({"messages": again[1:]})) is None
    assert shown("no JSON") is None
    assert shown(None) is None


@pytest.mark.parametrize("sealed", [0, 1])
def test_a_judge_learns_nothing_from_sealed_labels(sealed: int, tmp_path: Path) -> None:
    brought = next(line for line in RUN.splitlines() if line.startswith("verdicts:"))
    people = f"spot_check: {{items: 40, people: simulated, sealed: {sealed}, gate: {{on_fail: go_on}}}}"
    (tmp_path / "run.yaml").write_text(RUN.replace(brought, people))
    tables = Tables.of_run(Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().folder)
    lessons = lessons_of(tables)
    assert any(verdict.rater_kind == "person" for verdict in tables.verdicts) == (not sealed)
    heeds_people = any(lesson.agrees_with_people is not None for lesson in lessons.kept)
    assert (heeds_people, lessons.left_out["contradicts people"] > 0) == (not sealed, not sealed)
