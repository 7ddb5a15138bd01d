"""Files of one's own: every shape that is taken, and every bad row named with its place and the fix."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment.errors import ConfigError, DataError
from amendment.pipeline import Run, load_run_file
from amendment.pipeline.reading.inputs import Inputs, read_inputs
from amendment.records import Preference, text_of

Rows = Sequence[dict[str, Any]]
FORMATS = ("jsonl", "json", "csv", "parquet")


def save(path: Path, rows: Rows) -> None:
    """Rows as a file of the kind that its ending says."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(list(rows)), path)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Inputs]:
    """Reads the inputs of a run file of these lines."""

    def reading(text: str) -> Inputs:
        path = tmp_path / "run.yaml"
        path.write_text("name: t\n" + text, encoding="utf-8")
        return read_inputs(load_run_file(path).config, tmp_path)

    return reading


@pytest.fixture
def refused(read: Callable[[str], Inputs], tmp_path: Path) -> Callable[[str], list[str]]:
    """The lines that name what is wrong with the inputs, without the folder."""

    def reading(text: str) -> list[str]:
        with pytest.raises(DataError) as told:
            read(text)
        return [str(problem).replace(str(tmp_path) + "/", "") for problem in told.value.problems]

    return reading


Read = Callable[[str], Inputs]
Refused = Callable[[str], list[str]]


@pytest.mark.parametrize("kind", FORMATS)
def test_prompts_come_from_any_kind_of_file(kind: str, read: Read, tmp_path: Path) -> None:
    save(
        tmp_path / f"p.{kind}", [{"question": "Is it wet?", "topic": "water"}, {"question": "Ünïcode 😀?", "topic": ""}]
    )
    found = read(
        f"prompts: [{{path: p.{kind}, column: question, category_column: topic, category: rest, license: mit}}]\n"
    )
    first, second = found.prompts.values()
    assert text_of(first.messages) == "Is it wet?"
    assert text_of(second.messages) == "Ünïcode 😀?"
    assert (first.category, second.category) == ("water", "rest")
    assert (first.source, first.license) == (f"p.{kind}", "mit")


@pytest.mark.parametrize("kind", FORMATS)
def test_conversations_come_as_lists_or_as_json_texts(kind: str, read: Read, tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", "thinking": "greet"},
        {"role": "user", "content": "and now?"},
    ]
    save(tmp_path / f"p.{kind}", [{"prompt": json.dumps(turns) if kind == "csv" else turns, "rules": "Be kind."}])
    (prompt,) = read(f"prompts: [{{path: p.{kind}, system: rules}}]\n").prompts.values()
    assert [message.to_json() for message in prompt.messages] == [{"role": "system", "content": "Be kind."}, *turns]


@pytest.mark.parametrize("kind", FORMATS)
def test_tools_come_along(kind: str, read: Read, tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    cell = json.dumps(tools) if kind in ("csv", "parquet") else tools
    save(tmp_path / f"p.{kind}", [{"prompt": "a", "tools": cell}, {"prompt": "b", "tools": None}])
    first, second = read(f"prompts: [{{path: p.{kind}, tools: tools}}]\n").prompts.values()
    assert first.tools == tuple(tools)
    assert second.tools is None


def test_keys_that_some_rows_leave_out_are_empty_there(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a", "rules": "Be kind.", "tools": [{"n": 1}]}, {"prompt": "b"}])
    first, second = read("prompts: [{path: p.jsonl, system: rules, tools: tools}]\n").prompts.values()
    assert first.tools == ({"n": 1},)
    assert len(second.messages) == 1


def test_arguments_of_tool_calls_become_objects(read: Read, tmp_path: Path) -> None:
    call = {"type": "function", "id": "c", "function": {"name": "look", "arguments": '{"n": 1}'}}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    save(tmp_path / "p.jsonl", [{"prompt": turns}])
    (prompt,) = read("prompts: [{path: p.jsonl}]\n").prompts.values()
    assert prompt.messages[1].tool_calls is not None
    assert prompt.messages[1].tool_calls[0].function["arguments"] == {"n": 1}


def test_duplicate_prompts_are_made_one_and_counted(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}])
    found = read("prompts: [{path: p.jsonl}]\n")
    assert len(found.prompts) == 2
    assert found.counts["duplicate prompts"] == 1
    assert found.counts["prompt rows"] == 3


def test_every_bad_row_of_every_file_is_named_at_once(refused: Refused, tmp_path: Path) -> None:
    rows: Rows = [
        {"prompt": "fine"},
        {"prompt": ""},
        {"prompt": 7},
        {"prompt": None},
        {"prompt": []},
        {"prompt": [{"role": "king", "content": "x"}]},
        {"prompt": ["x"]},
        {"prompt": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        {"prompt": "a\0b"},
        {"prompt": "\ud800"},
        {"prompt": [{"role": "user", "content": "\ud800"}]},
        {"prompt": "x", "tools": "none"},
        {"prompt": "x", "tools": [{"n": "\ud800"}]},
        {},
    ]
    save(tmp_path / "p.jsonl", rows)
    lines = refused("prompts: [{path: p.jsonl, tools: tools}, {path: gone.csv}]\n")
    expected = [
        "p.jsonl: line 2: prompt: is empty; fill it in or take the row out",
        "p.jsonl: line 3: prompt: expected text, found int",
        "p.jsonl: line 4: prompt: expected text, found nothing",
        "p.jsonl: line 5: prompt: is an empty list; expected at least one message",
        "p.jsonl: line 6: prompt: not a list of messages with role and content (Input should be",
        "p.jsonl: line 7: prompt: not a list of messages with role and content (expected objects)",
        "p.jsonl: line 8: prompt: ends with an assistant turn; a prompt ends before the answer",
        "p.jsonl: line 9: prompt: holds a NUL or half a surrogate pair",
        "p.jsonl: line 10: prompt: holds a NUL or half a surrogate pair",
        "p.jsonl: line 11: ",
        "p.jsonl: line 12: tools: expected a list of tool schemas, found str",
        "p.jsonl: line 13: ",
        "p.jsonl: line 14: prompt: expected text, found nothing",
        "gone.csv: no such file",
    ]
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)


def test_a_column_that_no_row_has_is_named_once_with_what_there_is(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"qestion": "a", "id": i} for i in range(50)])
    (line,) = refused("prompts: [{path: p.csv, column: question}]\n")
    assert line == (
        "p.csv: question: no such column in any row; did you mean 'qestion'?; there are qestion, id. "
        "Name it in the run file"
    )
    assert len(refused("prompts: [{path: p.csv, column: qestion, system: rules, category_column: topic}]\n")) == 2


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("p.jsonl", b"", "p.jsonl: the file has no rows"),
        ("p.csv", b"prompt\n", "p.csv: the file has no rows"),
        ("p.json", b"[]", "p.json: the file has no rows"),
        ("p.json", b"{}", "p.json: expected a list of objects"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "p.jsonl: line 2: not JSON"),
        ("p.csv", b"prompt,b\na\n", "p.csv: row 1: expected 2 cells as in the header, found 1"),
        ("p.parquet", b"PAR1", "p.parquet: not a Parquet file"),
        ("p.jsonl", b'{"prompt": "\xfc"}', "p.jsonl: not UTF-8"),
        ("p.txt", b"a", "p.txt: unknown kind of file '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, raw: bytes, words: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(raw)
    (line,) = refused(f"prompts: [{{path: {name}}}]\n")
    assert line.startswith(words)


def test_a_thousand_bad_rows_do_not_flood_the_screen(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": 1}] * 1000)
    lines = refused("prompts: [{path: p.jsonl}]\n")
    assert lines[-1] == "and 900 more problems"
    assert len(lines) == 101


def preferences(tmp_path: Path, text: str) -> tuple[list[Preference], dict[str, Any]]:
    """All rows of the dataset that pairs of one's own come to, and the counts of the stages."""
    (tmp_path / "run.yaml").write_text("name: t\n" + text, encoding="utf-8")
    run = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")
    result = run()
    rows = [row for side in ("train", "test") for row in run_rows(tmp_path / "run", side)]
    return rows, dict(result.summary["stages"])


def run_rows(folder: Path, side: str) -> list[Preference]:
    from amendment.pipeline.store import read_records

    return read_records(folder / "dataset" / f"{side}.parquet", Preference)


@pytest.mark.parametrize("kind", FORMATS)
def test_pairs_with_a_better_and_a_worse_answer(kind: str, tmp_path: Path) -> None:
    save(tmp_path / f"p.{kind}", [{"prompt": f"q{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(6)])
    rows, counts = preferences(tmp_path, f"pairs: [{{path: p.{kind}}}]\n")
    assert counts["dataset"]["train pairs"] + counts["dataset"]["test pairs"] == 6
    for row in rows:
        assert text_of(row.chosen).startswith("good")
        assert text_of(row.rejected).startswith("bad")
        assert (row.p_chosen, row.decided_by, row.raters) == (1.0, "person", (f"p.{kind}",))


def test_answers_that_repeat_the_prompt_are_taken_without_it(tmp_path: Path) -> None:
    ask = [{"role": "user", "content": "q"}]
    rows = [
        {
            "prompt": f"q{i}",
            "chosen": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
        for i in range(3)
    ]
    save(tmp_path / "p.jsonl", rows)
    found, _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")
    assert [[message.role for message in row.chosen] for row in found] == [["assistant"]] * 3
    save(tmp_path / "p.jsonl", [{**rows[0], "rejected": ask}])
    with pytest.raises(
        ConfigError, match="rejected: expected the assistant's answer to the prompt, found turns of user"
    ):
        preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")


VOTES: list[tuple[str, list[Any], float | None, str | None]] = [
    ("majority of two to one", [1, 1, 2], 2 / 3, "one"),
    ("all of one mind", [2, 2, 2], 1.0, "two"),
    ("a rater who did not vote", [2, None, 2], 1.0, "two"),
    ("most say tie", [1, 0, 0], 0.5, None),
    ("a tie counts half in the share", [1, 0, 1], 5 / 6, "one"),
    ("an even split", [1, 2, None], 0.5, None),
    ("nobody voted", [None, None, None], None, None),
]


@pytest.mark.parametrize("kind", FORMATS)
def test_votes_become_shares(kind: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for name, votes, _, _ in VOTES:
        # data frames write columns with gaps as floats
        u, v, w = (float(vote) if kind == "parquet" and vote is not None else vote for vote in votes)
        rows.append({"q": name, "x": "", "one": "answer one", "two": "answer two", "u": u, "v": v, "w": w})
    if kind == "csv":
        rows = [{**row, "u": "" if row["u"] is None else f"{row['u']}.0"} for row in rows]
    save(tmp_path / f"p.{kind}", rows)
    found, counts = preferences(
        tmp_path,
        f"pairs: [{{path: p.{kind}, votes: {{a: 1, b: 2, tie: 0}}, "
        "columns: {prompt: [q, x], a: one, b: two, votes: [u, v, w]}}]\ndataset: {test_share: 0, ties: keep}\n",
    )
    by_name = {text_of(row.prompt): row for row in found}
    expected = {name: (p, better) for name, _, p, better in VOTES if p is not None}
    assert set(by_name) == set(expected)
    for name, (p, better) in expected.items():
        assert by_name[name].p_chosen == pytest.approx(p)
        if better:
            assert text_of(by_name[name].chosen) == f"answer {better}"
    assert counts["inputs"]["verdicts"] == 16
    dropped = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run", overrides=["dataset.ties=drop"])()
    assert dropped.summary["stages"]["dataset"]["left out"] == {"tie": 2}
    assert dropped.ran == ("dataset",)


def test_an_unknown_vote_is_named_with_the_known_ones(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"prompt": "q", "a": "x", "b": "y", "v": vote} for vote in ("a", "tie", "left", " ")])
    columns = "columns: {a: a, b: b, votes: v}"
    (line,) = refused(f"pairs: [{{path: p.csv, {columns}}}]\n")
    assert line == "p.csv: row 3: v: found 'left', expected one of a, b, tie; see `votes`"
    lines = refused(f"pairs: [{{path: p.csv, {columns}, votes: {{tie: null, b: left}}}}]\n")
    assert lines == ["p.csv: row 2: v: found 'tie', expected one of a, left; see `votes`"]


def test_bad_rows_that_are_skipped_leave_nothing_behind(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "one": "x", "two": "y", "u": "a", "v": "b" if i else "left"} for i in range(4)]
    save(tmp_path / "p.jsonl", [*rows, {**rows[1], "one": [{"role": "user", "content": "x"}]}])
    columns = "columns: {a: one, b: two, votes: [u, v]}"
    found, counts = preferences(
        tmp_path, f"pairs: [{{path: p.jsonl, {columns}, bad_rows: skip}}]\ndataset: {{test_share: 0, ties: keep}}\n"
    )
    assert counts["inputs"]["bad rows left out"] == 2
    assert (counts["inputs"]["prompts"], counts["inputs"]["pair rows"], counts["inputs"]["verdicts"]) == (3, 3, 6)
    assert len(found) == 3


def test_pairs_with_an_empty_answer_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "good", "rejected": " " if i == 1 else "bad"} for i in range(4)]
    save(tmp_path / "p.csv", rows)
    found, counts = preferences(tmp_path, "pairs: [{path: p.csv}]\n")
    assert counts["inputs"]["pairs with an empty answer"] == 1
    assert len(found) == 3


def test_pairs_of_equal_answers_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "same" if i < 2 else "good", "rejected": "same"} for i in range(5)]
    save(tmp_path / "p.jsonl", rows)
    found, counts = preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")
    assert counts["inputs"]["pairs of identical answers"] == 2
    assert counts["inputs"]["pair rows"] == 5
    assert len(found) == 3


def test_the_same_comparison_in_several_rows_is_one_pair(tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "chosen": "x", "rejected": "y"},
        {"prompt": "q", "chosen": "y", "rejected": "x"},
        {"prompt": "q", "chosen": "x", "rejected": "y"},
    ]
    save(tmp_path / "p.jsonl", rows)
    (row,), _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0}\n")
    assert text_of(row.chosen) == "x"
    assert row.p_chosen == pytest.approx(2 / 3)


def test_many_rows_of_one_prompt_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i % 4}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(40)]
    save(tmp_path / "p.jsonl", rows)
    preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0.5}\n")
    sides = [{row.prompt_id for row in run_rows(tmp_path / "run", side)} for side in ("train", "test")]
    assert [len(side) for side in sides] == [2, 2]
    assert not sides[0] & sides[1]


def test_candidates_of_ones_own_are_judged(tmp_path: Path) -> None:
    rows = [
        {"q": f"please add {i} 3", "answer": answer, "who": who}
        for i in range(4)
        for answer, who in ((f"sum is {i + 3}", "ours"), ("no idea", "theirs"), ("no idea", "others"))
    ]
    save(tmp_path / "c.csv", rows)
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\n"
        "candidates: [{path: c.csv, columns: {prompt: q, candidate: answer, model: who}, license: mit}]\n"
        "judging: {judges: [{model: j, protocol: label-tokens}]}\n",
    )
    assert counts["inputs"]["candidate rows"] == 12
    assert counts["judging"]["comparisons"] == 4
    assert found
    for row in found:
        assert {row.chosen_model, row.rejected_model} == {"ours", "theirs"}
        assert (row.decided_by, row.source, row.license) == ("judge", "c.csv", "mit")


def test_what_people_decided_is_not_decided_again_by_a_judge(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"please add {i} 3", "chosen": "no", "rejected": "yes"} for i in range(4)])
    save(tmp_path / "c.jsonl", [{"prompt": f"please add {i} 3", "candidate": "a third"} for i in range(4)])
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\npairs: [{path: p.jsonl}]\n"
        "candidates: [{path: c.jsonl}]\njudging: {judges: [{model: j, protocol: label-tokens}], ties: keep}\n",
    )
    assert counts["judging"]["comparisons"] == 8
    assert len({row.comparison_id for row in found}) == len(found) == 12
    assert sum(row.decided_by == "person" for row in found) == 4


def test_white_space_around_a_prompt_makes_no_other_prompt(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "hi there"}, {"prompt": "hi there \n"}])
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    found = read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path)
    assert (len(found.prompts), found.counts["duplicate prompts"]) == (1, 1)


@pytest.mark.parametrize("cell", ["\ud800", ["a"], {"a": 1}])
def test_a_category_that_is_no_word_is_named_before_the_run(cell: Any, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "hello", "c": cell}) + "\n", encoding="utf-8")
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl, category_column: c}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError, match="line 1: c: "):
        read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path)


def test_nesting_without_end_in_a_cell_is_text_or_a_named_problem(tmp_path: Path) -> None:
    deep = '[{"role":' + "[" * 3000
    save(tmp_path / "p.jsonl", [{"prompt": deep}])
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    (prompt,) = read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path).prompts.values()
    assert text_of(prompt.messages) == deep


LABELS = [
    {"id": f"i{i}", "q": f"question {i}", "one": f"good {i}", "two": f"bad {i}", "u": "x", "v": "x", "w": ""}
    for i in range(8)
]
LABELLED = (
    "  - path: labels.csv\n    kind: person\n    license: mit\n    words: {a: x, b: y, tie: z, both_bad: n}\n"
    "    columns: {item: id, prompt: q, a: one, b: two, votes: [u, v, w]}\n"
)


def test_labels_alone_become_a_dataset(tmp_path: Path) -> None:
    rows = [dict(row) for row in LABELS]
    rows[5] |= {"u": "x", "v": "y"}  # an even split
    rows[6] |= {"u": "n", "v": "n", "w": "x"}  # most say that both are bad
    rows[7] |= {"u": "", "v": ""}  # nobody voted
    save(tmp_path / "labels.csv", rows)
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}dataset: {{test_share: 0.2}}\n")
    assert counts["inputs"]["comparisons"] == 7
    assert counts["dataset"]["left out"] == {"tie": 2}
    assert len(found) == 5
    for row in found:
        assert text_of(row.chosen).replace("good", "bad") == text_of(row.rejected)
        assert (row.p_chosen, row.decided_by, row.raters) == (1.0, "person", ("u", "v"))
        assert (row.source, row.license) == ("labels.csv", "mit")
    train = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().dataset["train"]
    assert {"prompt", "chosen", "rejected"} <= set(train.column_names)


def test_a_judges_log_in_both_orders_becomes_a_dataset_and_people_decide_where_they_spoke(tmp_path: Path) -> None:
    save(tmp_path / "labels.csv", [{**row, "u": "y" if i < 2 else "", "v": ""} for i, row in enumerate(LABELS)])
    # displayed coordinates: "first" in both orders is no preference; the judge is consistent on even items only
    log = [
        {"id": f"i{i}", "shown": shown, "said": "first" if i % 2 or shown == "ab" else "second"}
        for i in range(8)
        for shown in ("ab", "ba")
    ]
    save(tmp_path / "log.jsonl", log)
    judge = (
        "  - {path: log.jsonl, rater: our-judge, kind: model, coordinates: displayed, words: {a: first, b: second},\n"
        "     columns: {item: id, order: shown, verdict: said}}\n"
    )
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}{judge}dataset: {{test_share: 0, ties: keep}}\n")
    assert counts["inputs"]["verdicts"] == 18
    told = {text_of(row.prompt): (row.p_chosen, row.decided_by, text_of(row.chosen)[:4]) for row in found}
    assert told["question 0"] == (1.0, "person", "bad ")
    assert told["question 1"] == (1.0, "person", "bad ")
    for i in (2, 4, 6):
        assert told[f"question {i}"] == (1.0, "judge", "good")
    for i in (3, 5, 7):
        assert told[f"question {i}"][:2] == (0.5, "judge")


def test_verdicts_without_texts_are_left_to_the_audit(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "log.csv", [{"id": i, "v": "a"} for i in range(5)])
    found = read("verdicts: [{path: log.csv, kind: model, columns: {item: id, verdict: v}}]\n")
    assert (len(found.prompts), len(found.verdicts)) == (0, 0)
    assert found.counts["verdicts without texts"] == 5


def test_texts_are_strict_for_a_run_and_skipped_rows_leave_nothing_behind(
    read: Read, refused: Refused, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [{"q": f"q{i}", "x": "x", "y": "y", "v": "a"} for i in range(4)]
    rows[1]["x"], rows[2]["q"], rows[3]["y"] = True, "", " "
    save(tmp_path / "v.jsonl", rows)
    text = "verdicts: [{path: v.jsonl, kind: person, columns: {prompt: q, a: x, b: y, verdict: v}%s}]\n"
    assert refused(text % "") == [
        "v.jsonl: line 2: x: expected text, found bool",
        "v.jsonl: line 3: q: is empty; fill it in or take the row out",
    ]
    found = read(text % ", bad_rows: skip")
    assert found.counts["bad rows left out"] == 2
    assert found.counts["verdicts with an empty answer"] == 1
    assert (len(found.prompts), len(found.candidates), len(found.verdicts)) == (1, 2, 1)


def test_what_a_log_could_not_read_is_judged_again(tmp_path: Path) -> None:
    rows = [{"q": f"please add {i} 3", "x": f"sum is {i + 3}", "y": "no idea", "v": "a" if i else ""} for i in range(3)]
    save(tmp_path / "v.jsonl", rows)
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\n"
        "verdicts: [{path: v.jsonl, kind: model, columns: {prompt: q, a: x, b: y, verdict: v, principle: v}}]\n"
        "candidates: [{path: v.jsonl, columns: {prompt: q, candidate: x}}]\n"
        "judging: {judges: [{model: j, protocol: label-tokens}]}\ndataset: {test_share: 0}\n",
    )
    assert counts["inputs"]["comparisons"] == 3
    assert counts["judging"]["comparisons"] == 1
    assert {row.raters for row in found if text_of(row.prompt) != "please add 0 3"} == {("v.jsonl",)}


def test_a_run_file_whose_verdicts_have_no_texts_makes_no_dataset(tmp_path: Path) -> None:
    save(tmp_path / "log.csv", [{"id": i, "v": "a"} for i in range(5)])
    path = tmp_path / "run.yaml"
    path.write_text("name: t\nverdicts: [{path: log.csv, kind: model, columns: {item: id, verdict: v}}]\n")
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert "dataset" not in result.summary["stages"]
    assert result.summary["stages"]["inputs"]["verdicts without texts"] == 5


def test_a_second_license_of_a_prompt_or_an_answer_is_told_and_the_answers_keep_their_own(tmp_path: Path) -> None:
    save(tmp_path / "asked.jsonl", [{"prompt": f"question {i}"} for i in range(6)])
    save(tmp_path / "labels.csv", LABELS)
    again = [{"prompt": row["q"], "candidate": row["one"]} for row in LABELS[:3]]
    save(tmp_path / "again.jsonl", again)
    labelled = LABELLED.replace("license: mit", "license: cc-by-nc-4.0")
    found, counts = preferences(
        tmp_path,
        "prompts: [{path: asked.jsonl, license: apache-2.0}]\n"
        f"candidates: [{{path: again.jsonl, license: mit}}]\nverdicts:\n{labelled}dataset: {{test_share: 0}}\n",
    )
    # of eight prompts six came under apache-2.0 first, three of these under mit second, all under cc-by-nc-4.0
    assert counts["inputs"]["prompts under a further license"] == {"again.jsonl: mit": 3, "labels.csv: cc-by-nc-4.0": 6}
    assert counts["inputs"]["answers under a further license"] == {"labels.csv: cc-by-nc-4.0": 3}
    licenses = {text_of(row.prompt): row.license for row in found}
    assert licenses == {f"question {i}": "apache-2.0" if i < 6 else "cc-by-nc-4.0" for i in range(8)}
    from amendment.pipeline.store import read_records
    from amendment.records import Candidate

    answers = read_records(tmp_path / "run" / "inputs/candidates.parquet", Candidate)
    own = {text_of(one.messages): (one.origin.license, one.origin.source) for one in answers}
    assert {name: own[name] for name in ("good 0", "bad 0", "good 5")} == {
        "good 0": ("mit", "again.jsonl"),
        "bad 0": ("cc-by-nc-4.0", "labels.csv"),
        "good 5": ("cc-by-nc-4.0", "labels.csv"),
    }


def test_two_files_of_verdicts_on_the_same_texts_both_tell_their_license(read: Read, tmp_path: Path) -> None:
    rows = [{"q": "why?", "x": "so", "y": "no", "v": "a"}]
    for name in ("one", "two"):
        save(tmp_path / f"{name}.jsonl", rows)
    columns = "kind: person, columns: {prompt: q, a: x, b: y, verdict: v}"
    found = read(
        f"verdicts: [{{path: one.jsonl, license: mit, {columns}}}, {{path: two.jsonl, license: gpl-3.0, {columns}}}]\n"
    )
    assert found.other_licenses() == {
        "prompts under a further license": {"two.jsonl: gpl-3.0": 1},
        "answers under a further license": {"two.jsonl: gpl-3.0": 2},
    }


def test_prompts_under_one_license_are_not_told(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a"}, {"prompt": "a"}])
    found = read("prompts: [{path: p.jsonl, license: mit}, {path: p.jsonl}, {path: p.jsonl, license: mit}]\n")
    assert found.other_licenses() == {}


def test_the_inputs_name_every_source_with_its_hash_and_its_license(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i}"} for i in range(3)])
    save(tmp_path / "labels.csv", LABELS)
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "p.jsonl", [{"prompt": "another"}])
    _, counts = preferences(
        tmp_path,
        "prompts: [{path: p.jsonl, take: 2}, {path: more/p.jsonl, license: mit}, {path: more/p.jsonl, license: mit}]\n"
        f"verdicts:\n{LABELLED}",
    )
    told = {name: one for name, one in counts["inputs"].items() if name.startswith("source ")}

    def sha256(name: str) -> str:
        return hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()

    assert told == {
        "source p.jsonl": {"rows": 2, "sha256": sha256("p.jsonl")},
        "source p.jsonl (2)": {"rows": 1, "sha256": sha256("more/p.jsonl"), "license": "mit"},
        "source labels.csv": {"rows": 8, "sha256": sha256("labels.csv"), "license": "mit"},
    }
    certificate = json.loads((tmp_path / "run" / "certificate.json").read_text(encoding="utf-8"))
    (file,) = certificate["files"]
    assert {key: file[key] for key in ("rows", "sha256")} == {"rows": 8, "sha256": sha256("labels.csv")}
    page = (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")
    assert f"- source labels.csv: rows 8, sha256 {sha256('labels.csv')}, license mit" in page
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["stages"]["inputs"]["counts"]["source p.jsonl"]["rows"] == 2
