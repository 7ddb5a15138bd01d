"""YAML at the door: YAML 1.2's scalars, what is refused, and files that cannot be read."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from amendment.errors import ConfigError
from amendment.yamlfile import MAX_BYTES, parse_yaml, read_yaml, validate


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


# Scalars.


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("1e-5", 1e-5),
        ("5.0e-7", 5e-7),
        (".5", 0.5),
        ("1.", 1.0),
        ("012", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_0", "1_0"),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("0b1", "0b1"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("''", ""),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    read = parse_yaml(f"key: {written}\n", "f.yaml").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_keys_may_be_text_or_whole_numbers() -> None:
    assert parse_yaml("{1: low, 10: high, ten: x}", "f").data == {1: "low", 10: "high", "ten": "x"}


# What is refused.


def test_everything_that_is_refused_is_found_at_once() -> None:
    text = 'a: 1\na: 2\nb: &x 1\nc: {d: *x}\ne: !!str 3\nf: 1e999\n<<: 3\ntrue: 4\nlist:\n  - g: "\\0"\n'
    assert [line.split(";")[0] for line in refusals(text)] == [
        "f.yaml:2:1: a: the key 'a' appears a second time, first on line 1",
        "f.yaml:3:4: b: anchors (&), aliases (*) and tags (!) are not read",
        "f.yaml:4:8: c.d: anchors (&), aliases (*) and tags (!) are not read",
        "f.yaml:5:4: e: anchors (&), aliases (*) and tags (!) are not read",
        "f.yaml:6:4: f: found 1e999, expected a finite number of at most 64 bits",
        "f.yaml:7:1: merge keys (<<) are not read",
        "f.yaml:8:1: found 'true' as a key, expected text",
        "f.yaml:10:8: list[0].g: found the control character U+0000, expected text",
    ]


@pytest.mark.parametrize("number", [".inf", "-.INF", ".nan", "1e400", "9223372036854775808", "9" * 5000])
def test_numbers_without_a_place_in_a_record_are_refused(number: str) -> None:
    assert "a text needs quotes" in refusals(f"a: {number}")[0]


def test_a_flood_of_problems_is_counted() -> None:
    lines = refusals("a: 1\n" * 1001)
    assert len(lines) == 101
    assert lines[-1] == "and 900 more problems"


def test_deep_nesting_ends_at_once_with_one_line() -> None:
    assert len(refusals("[" * 5000)) == 1
    assert "more than 50 levels" in refusals("[" * 5000)[0]
    assert parse_yaml("[" * 50 + "]" * 50, "f").data is not None


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        ("a: b: c", "f.yaml:1:5: this is not YAML", "quotes"),
        ("a:\n\t- b", "f.yaml:2:1: this is not YAML", "spaces, no tabs"),
        ("a: 'x", "f.yaml:1:6: this is not YAML", "close quotes"),
        ("a: {b: c", "f.yaml:", "close quotes"),
        ("---\na: 1\n---\nb: 2", "f.yaml:3:1: found a second document", "one per file"),
        ("? [1, 2]\n: 3\n", "f.yaml:1:3: found '[1, 2]' as a key", "quotes"),
        ("x\x00y", "f.yaml:1:2: found a control character", "remove"),
        ("ok: 1\nb: \ud800", "f.yaml:2:4: found a control character", "remove"),
        ("", "f.yaml: the file is empty", ""),
        ("# only a comment\n", "f.yaml: the file is empty", ""),
        ("x" * (MAX_BYTES + 1), "f.yaml: found more than 1,000,000 bytes", "1 MB"),
        ("ä" * (MAX_BYTES // 2 + 1), "f.yaml: found more than 1,000,000 bytes", "1 MB"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place_and_a_way_out(text: str, start: str, hint: str) -> None:
    (line,) = refusals(text)
    assert line.startswith(start)
    assert hint in line


# Files.


def test_a_byte_order_mark_is_tolerated_and_other_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(codecs.BOM_UTF8 + "a: ä".encode())
    assert read_yaml(path).data == {"a": "ä"}
    path.write_bytes("a: ä".encode("utf-16"))
    with pytest.raises(ConfigError, match="found UTF-16, expected UTF-8"):
        read_yaml(path)
    path.write_bytes("ok: 1\nb: ä".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"f\.yaml:2:4: found the byte 0xe4, expected UTF-8"):
        read_yaml(path)


def test_files_that_cannot_be_opened_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        read_yaml(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml("a\0b.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")  # which is never waited for
    with pytest.raises(ConfigError, match="cannot be read: found a pipe, expected a file"):
        read_yaml(tmp_path / "pipe.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 1 MB"):
        read_yaml(tmp_path / "big.yaml")


def test_places_name_keys_values_and_the_nearest_part_of_what_is_absent() -> None:
    document = parse_yaml("a:\n  b: [x, {c: 1}]\n  'd e': 2\n", "f.yaml")
    assert document.place(("a", "b", 1, "c")) == "f.yaml:2:14: a.b[1].c"
    assert document.place(("a", "b", 1, "c"), key=True) == "f.yaml:2:11: a.b[1].c"
    assert document.place(("a", "b"), key=True) == "f.yaml:2:3: a.b"
    assert document.place(("a", "d e")) == "f.yaml:3:10: a['d e']"
    assert document.place(("a", "zzz")) == "f.yaml:2:3: a.zzz"
    assert document.place(()) == "f.yaml:1:1"
    assert str(document.problem(("a",), "is odd")) == "f.yaml:2:3: a: is odd"


@given(
    st.text(alphabet=st.characters(codec=None)) | st.text("abc:-[]{}&*!|>'\"%@`#,? \n\t\r\\x0\ud800<=~.e1", max_size=60)
)
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        places = [parse_yaml(text, "f.yaml").place(())]
    except ConfigError as error:
        places = [problem.place for problem in error.problems]
    assert places
    assert all(place.startswith("f.yaml") for place in places)


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hosted(Part):
    provider: Literal["hosted"] = "hosted"
    model: str
    temperature: float = 1.0


class Simulated(Part):
    provider: Literal["simulated"]
    skill: float = Field(1.0, ge=0, le=1)


class FromFile(Part):
    path: str
    column: str = "prompt"


class FromHub(Part):
    dataset: str
    split: str
    take: int | None = None


class Reference(Part):
    ref: str
    weight: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"ref": value} if isinstance(value, str) else value


def _at_home(value: str) -> str:
    if value.startswith("/"):
        raise ValueError("expected a path inside the run's folder")
    return value


class Run(Part):
    name: str
    seed: int = 0
    constitution: tuple[Reference, ...] = ()
    models: dict[str, Annotated[Hosted | Simulated, Field(discriminator="provider")]] = {}
    prompts: list[str | FromFile | FromHub] = []
    orders: Literal["both", "random", "first"] = "both"
    jury: Literal["mean", "majority"] | int = "mean"
    version: str = "1"
    is_private: bool = Field(True, alias="private")
    share: float = Field(0.5, gt=0, lt=1)
    anchors: dict[int, str] = {}
    out: Annotated[str, BeforeValidator(_at_home)] = "out"
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _two_names(self) -> Run:
        if self.name == self.version:
            raise ValueError("name and version are the same")
        return self


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(parse_yaml(text, "run.yaml"), Run)
    return [str(problem) for problem in caught.value.problems]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff")
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc: #-", max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@given(JSON.filter(lambda value: value is not None))
def test_what_a_yaml_writer_writes_is_read_back(value: Any) -> None:
    assert parse_yaml(_json(value), "f.yaml").data == value


# Against a model.


def test_five_mistakes_are_five_lines_with_places_and_suggestions() -> None:
    text = (
        "name: house-rules\n"
        "sed: 7\n"
        "models:\n"
        "  writer: {provider: hosted, model: m, temprature: 0.5}\n"
        "  judge: {provider: simulted}\n"
        "orders: bth\n"
        "share: 1.5\n"
    )
    assert problems(text) == [
        "run.yaml:2:1: sed: unknown key 'sed' (did you mean 'seed'?)",
        "run.yaml:4:40: models.writer.temprature: unknown key 'temprature' (did you mean 'temperature'?)",
        "run.yaml:5:21: models.judge.provider: found 'simulted', expected one of hosted, simulated "
        "(did you mean 'simulated'?)",
        "run.yaml:6:9: orders: found the text 'bth', expected one of both, random, first (did you mean 'both'?)",
        "run.yaml:7:8: share: found 1.5, expected less than 1",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("seed: seven", "2:7: seed: found the text 'seven', expected a whole number"),
        ("seed: 1.5", "2:7: seed: found 1.5, expected a whole number"),
        ("seed: true", "2:7: seed: found true, expected a whole number"),
        ("share: false", "2:8: share: found false, expected a number"),
        ("seed:", "2:6: seed: found nothing, expected a whole number"),
        ("private: perhaps", "2:10: private: found the text 'perhaps', expected true or false"),
        ("is_private: true", "2:1: is_private: unknown key 'is_private' (did you mean 'private'?)"),
        ("tags: one", "2:7: tags: found the text 'one', expected a list; write it as a list: [...]"),
        ("models: [a]", "2:9: models: found a list, expected a mapping (key: value)"),
        ("models: {m: {}}", "2:13: models.m.provider: the key 'provider' is required and missing"),
        ("models: {m: {provider: hosted}}", "2:13: models.m.model: the key 'model' is required and missing"),
        ("models: {m: {provider: simulated, skill: 3}}", "2:42: models.m.skill: found 3, expected at most 1"),
        ("anchors: {low: x}", "2:11: anchors.low: found the text 'low', expected a whole number"),
        ("anchors: {1: [x]}", "2:14: anchors[1]: found a list, expected text"),
        ("out: /etc", "2:6: out: expected a path inside the run's folder"),
        (
            "constitution: [{ref: a, wieght: 1}]",
            "2:25: constitution[0].wieght: unknown key 'wieght' (did you mean 'weight'?)",
        ),
        ("constitution: [3]", "2:16: constitution[0]: found 3, expected a mapping (key: value)"),
        (
            "jury: maen",
            "2:7: jury: found the text 'maen', expected one of mean, majority or a whole number (did you mean 'mean'?)",
        ),
        (
            "prompts: [3]",
            '2:11: prompts[0]: found 3, expected text or a mapping (key: value); as text it needs quotes: "3"',
        ),
        (
            "prompts: [{dataset: x, splitt: y, split: z}]",
            "2:24: prompts[0].splitt: unknown key 'splitt' (did you mean 'split'?)",
        ),
        ("prompts: [{path: [x]}]", "2:18: prompts[0].path: found a list, expected text"),
        (
            "prompts: [{dataset: d, split: s, take: x}]",
            "2:40: prompts[0].take: found the text 'x', expected a whole number",
        ),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(line: str, problem: str) -> None:
    assert problems(f"name: x\n{line}\n") == [f"run.yaml:{problem}"]


def test_a_number_where_text_is_meant_is_shown_as_written_and_quoted_for_the_user() -> None:
    (line,) = problems("name: x\nversion: 1.10\n")
    assert line.startswith("run.yaml:2:10: version: found 1.10, expected text;")
    assert line.endswith('"1.10"')


def test_an_unknown_key_without_a_near_one_gets_the_list() -> None:
    (line,) = problems("name: x\nconstitution: [{ref: a, zzz: 1}]\n")
    assert line == "run.yaml:2:25: constitution[0].zzz: unknown key 'zzz'; known keys are ref, weight"


def test_a_rule_about_the_whole_file_speaks_for_itself() -> None:
    assert problems("name: same\nversion: same\n") == ["run.yaml:1:1: name and version are the same"]


@given(JSON.filter(lambda value: value is not None))
def test_any_json_is_a_model_or_a_config_error(value: Any) -> None:
    document = parse_yaml(_json({"name": "x", "prompts": value, "constitution": value, "models": value}), "f.yaml")
    places = [document.place(())]
    try:
        validate(document, Run)
    except ConfigError as error:
        places = [problem.place for problem in error.problems]
    assert places
    assert all(place.startswith("f.yaml:1:") for place in places)
