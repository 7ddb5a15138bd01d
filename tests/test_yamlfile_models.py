"""YAML against a model: every mistake of a file at once with its place; and any JSON is read back or refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from amendment.errors import ConfigError
from amendment.yamlfile import parse_yaml, validate


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
