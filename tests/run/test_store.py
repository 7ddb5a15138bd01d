"""Every record goes through a table unchanged, and a damaged table is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from amendment import records
from amendment.data.store import Split, count_records, iter_records, read_records, write_records, writing_records
from amendment.errors import LedgerError
from amendment.records import (
    ItemEnding,
    Message,
    Preference,
    Prompt,
    Record,
    ToolCall,
    Verdict,
)

KINDS = [
    *(kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Record)),
    Split,
    ItemEnding,
]
KINDS.remove(Record)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation as records use them."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(args)
    if origin is Union or type(annotation).__name__ == "UnionType":
        return st.one_of(*map(values_of, args))
    if origin is tuple:
        return st.lists(values_of(args[0]), min_size=1, max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(texts, values_of(args[1]), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return read_source(annotation)
    plain = {
        str: texts,
        bool: st.booleans(),
        int: st.integers(1, 2**31),
        float: st.floats(0.01, 1),
        type(None): st.none(),
        Any: json_values,
    }
    return plain[annotation]


def read_source(kind: type[Record]) -> st.SearchStrategy[Any]:
    """Records of a class; those that its own checks refuse are left out."""
    fields = {name: values_of(info.annotation) for name, info in kind.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda values: _made(kind, values)).filter(lambda row: row is not None)


def _made(kind: type[Record], values: Mapping[str, Any]) -> Record | None:
    if kind is Verdict:
        value = None if values["invalid"] is not None else (values["value"] if values["value"] is not None else "A")
        values = {**values, "value": value}
    try:
        return kind(**values)
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_records_of_every_class_come_back_unchanged(kind: type[Record], tmp_path: Path) -> None:
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.lists(read_source(kind), max_size=3))
    def goes_round(rows: list[Record]) -> None:
        path = tmp_path / "t.parquet"
        assert write_records(path, kind, rows) == len(rows)
        assert read_records(path, kind) == rows

    goes_round()


TALK = (
    Message(role="system", content="Be brief. \u202e 😀"),
    Message(role="user", content=({"type": "text", "text": "look"}, {"type": "image", "url": None})),
    Message(
        role="assistant",
        thinking="hm",
        tool_calls=(ToolCall(id="c1", function={"name": "look", "arguments": {"n": 1, "x": None, "y": 1.0}}),),
    ),
    Message(role="tool", name="look", tool_call_id="c1", content=""),
)
ROW = Preference(
    prompt=TALK,
    chosen=(Message(role="assistant", content="yes", thinking="because"),),
    rejected=(Message(role="assistant", content="no\0\r\n\u2028"),),
    tools=({"type": "function", "function": {"name": "look", "parameters": {"default": None}}},),
    chat_template_kwargs={"enable_thinking": False},
    p_chosen=0.1 + 0.2,
    p_chosen_raw=1 / 3,
    decided_by="person",
    comparison_id="c",
    prompt_id="p",
    chosen_id="a",
    rejected_id="b",
)


@pytest.mark.parametrize("value", ["A", True, False, 1.0, 0.25])
def test_the_value_of_a_verdict_keeps_its_type(value: Any, tmp_path: Path) -> None:
    verdict = Verdict(scale="score", prompt_id="p", shown=("a", "b"), value=value, rater="r")
    write_records(tmp_path / "t.parquet", Verdict, [verdict])
    (back,) = read_records(tmp_path / "t.parquet", Verdict)
    assert type(back.value) is type(value)
    assert back.id == verdict.id


def test_a_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_records(path, Preference, [ROW])
    before = path.read_bytes()
    unstorable = ROW.model_copy(update={"category": "\ud800"})
    with pytest.raises(ValueError, match="surrogate"):
        write_records(path, Preference, [unstorable])
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="surrogate"):
        write_records(tmp_path / "new.parquet", Preference, [unstorable])
    assert list(tmp_path.iterdir()) == [path]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut in half": lambda raw: raw[: len(raw) // 2],
    "something else": lambda raw: b"not a table",
    "without its end": lambda raw: raw[:-4],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_named_with_the_way_out(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_records(path, Preference, [ROW])
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(LedgerError, match=r"t\.parquet: not a readable table .*delete it and run again"):
        read_records(path, Preference)


def test_a_flipped_bit_is_told_or_harmless_and_never_changes_a_record(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows = [ROW.model_copy(update={"prompt_id": str(i)}) for i in range(3)]
    write_records(path, Preference, rows)
    whole = path.read_bytes()
    end_of_pages = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8
    for place in range(4, end_of_pages, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = read_records(path, Preference)
        except LedgerError:
            continue
        assert found == rows


def test_a_missing_table_and_one_of_another_class_are_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none\.parquet"):
        read_records(tmp_path / "none.parquet", Prompt)
    write_records(tmp_path / "t.parquet", Split, [Split(prompt_id="p", split="test")])
    with pytest.raises(LedgerError, match="not a readable table"):
        read_records(tmp_path / "t.parquet", Preference)


def test_a_table_of_an_older_version_lacks_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    prompt = Prompt(messages=TALK, tags=("new",))
    write_records(path, Prompt, [prompt])
    pq.write_table(pq.read_table(path).drop_columns(["tags"]), path)
    assert read_records(path, Prompt) == [prompt.model_copy(update={"tags": ()})]
    pq.write_table(pq.read_table(path).drop_columns(["messages"]), path)
    with pytest.raises(LedgerError, match="messages"):
        read_records(path, Prompt)


def test_a_table_is_written_in_groups_and_read_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows = [Split(prompt_id=str(number), split="train") for number in range(2500)]
    with writing_records(path, Split) as add:
        for row in rows:
            add(row)
        assert not path.exists(), "the file is there when it is whole"
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert groups == [1000, 1000, 500]
    assert count_records(path) == 2500
    found = iter_records(path, Split)
    assert next(found) == rows[0]
    assert list(found) == rows[1:]
