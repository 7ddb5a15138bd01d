"""Keys stay out of what a run writes for others: found by shape, named by place, dropped where the run file says so."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from amendment.keys import find_keys
from amendment.yamlfile import read_yaml
from benchmarks.secret_shapes import expand
from tests.command_line import Ended, amendment
from tests.rows import save

SHAPES = {
    name: expand(template, Random(name))
    for name, template in read_yaml(Path(__file__).with_name("keys.yaml")).data.items()
}
SHAPES["github after a control character"] = f"on\x1b{SHAPES['github']}"
"""Characters of which the random part of a key is made here."""
ORDINARY = {
    "sha256": hashlib.sha256(b"ordinary").hexdigest(),
    "commit": f"commit {hashlib.sha1(b'ordinary').hexdigest()}",
    "timestamp and hash": f"1699999999:{hashlib.sha1(b'x').hexdigest()} and 1699999999:{hashlib.md5(b'x').hexdigest()}",
    "uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "class names": '<label class="sk-toggleable__label-arrow sk-estimator-doc-link fitted">x</label>',
    "slug": "see /posts/pa-department-of-health-and-human-services-office-of-food-stamps",
    "placeholder": "client = Client(api_key='sk-YOUR_API_KEY_GOES_HERE', token='hf_...')",
    "address": "postgres://user:password@localhost/db and https://example.org/a:b/c@d",
    "beginnings": "gsk_, xai-, nvapi-, fw_, pa-, r8_, dapi, AQ. and sk-ant- are how keys begin",
    "words after as": "as-internationalizationfriendly, sign_up_confirmationemailtemplate12, as-" + "0a1b2c3d4e" * 4,
    "header": "send Authorization: Bearer <token>, the bearer of bad news",
    "code": "def fw_attention(q, k, v):\n    return softmax(q @ k.T / sqrt(d)) @ v  # task-oriented-programming",
    "image": "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA" * 8,
}
RUN = """\
name: keys
seed: 5
pairs: [{{path: pairs.csv, kind: person, license: cc0-1.0}}]
dataset: {{test_share: 0{secrets}}}
"""


def made(
    folder: Path, answers: Mapping[str, str], *, secrets: str | None = None, overrides: Sequence[str] = ()
) -> Ended:
    """Run pairs whose better answers hold these texts, in the folder `folder/run`."""
    said = {name: f"it is {text} , I think" for name, text in answers.items()}
    save(folder / "pairs.csv", [{"prompt": p, "chosen": text, "rejected": "nobody knows"} for p, text in said.items()])
    chosen = f", secrets: {secrets}" if secrets else ""
    (folder / "run.yaml").write_text(RUN.format(secrets=chosen), encoding="utf-8")
    sets = [part for one in overrides for part in ("--set", one)]
    return amendment("run", str(folder / "run.yaml"), "--folder", str(folder / "run"), *sets)


def exported(folder: Path) -> set[str]:
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "run" / "export" / "train.parquet").to_pylist()
    return {row["prompt"][0]["content"] for row in rows}


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], dict[str, Any]]:
    """The prompts that a run with `secrets: drop` exports, and its summary, for one row of every shape."""
    folder = tmp_path_factory.mktemp("dropped")
    result = made(folder, {**SHAPES, **ORDINARY}, secrets="drop")
    assert result.code == 0, result.said
    return exported(folder), json.loads((folder / "run" / "summary.json").read_text())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_with_a_key_of_this_shape_is_not_exported(dropped: tuple[set[str], Any], shape: str) -> None:
    assert shape not in dropped[0]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_not_taken_for_a_key(dropped: tuple[set[str], Any], text: str) -> None:
    assert text in dropped[0]


def test_dropped_rows_are_counted_in_the_summary(dropped: tuple[set[str], Any]) -> None:
    left_out = dropped[1]["stages"]["dataset"]["left out"]
    assert list(left_out.values()) == [len(SHAPES)]


def test_a_key_stops_the_dataset_before_anything_is_exported_and_is_never_shown(tmp_path: Path) -> None:
    answers = {"clean": "blue", "with a key": SHAPES["groq"]}
    result = made(tmp_path, answers)
    assert result.code == 2, result.said
    assert not (tmp_path / "run" / "export").exists()
    assert "pairs.csv" in result.said
    assert "chosen" in result.said
    assert "dataset.secrets" in result.said
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*.json")]
    assert SHAPES["groq"] not in result.said
    assert not any(SHAPES["groq"].encode() in text for text in written)


def test_rows_that_are_kept_are_exported_and_stop_nothing_but_the_push(tmp_path: Path) -> None:
    result = made(tmp_path, {"clean": "blue", "with a key": SHAPES["groq"]}, secrets="keep")
    assert result.code == 0, result.said
    assert exported(tmp_path) == {"clean", "with a key"}
    plan = amendment("publish", str(tmp_path / "run"), "--repo", "org/x", "--license", "cc0-1.0", "--json")
    assert json.loads(plan.out)["secrets"]
    assert SHAPES["groq"] not in plan.said


def test_rows_that_are_dropped_are_in_no_config_that_is_published(tmp_path: Path) -> None:
    assert made(tmp_path, {"clean": "blue", "with a key": SHAPES["groq"]}, secrets="drop").code == 0
    plan = amendment("publish", str(tmp_path / "run"), "--repo", "org/x", "--license", "cc0-1.0", "--json")
    told = json.loads(plan.out)
    assert told["secrets"] == []
    assert told["configs"]["candidates"]["train"]["rows"] == 3, "the answer with the key is in no config"


@pytest.mark.parametrize(("secrets", "code"), [("stop", 2), ("drop", 0), ("keep", 0)])
def test_an_export_of_an_older_dataset_does_as_the_run_file_says(tmp_path: Path, secrets: str, code: int) -> None:
    assert made(tmp_path, {"clean": "blue", "with a key": SHAPES["xai"]}, secrets="keep").code == 0
    resolved = tmp_path / "run" / "run.yaml"
    resolved.write_text(resolved.read_text().replace("secrets: keep", f"secrets: {secrets}"))
    out = tmp_path / "out"
    result = amendment("export", str(tmp_path / "run"), "--format", "jsonl", "--out", str(out))
    assert result.code == code, result.said
    text = (out / "train.jsonl").read_text() if code == 0 else ""
    assert (SHAPES["xai"] in text) == (secrets == "keep")
    assert list(out.glob("*.jsonl")) == ([] if code else [out / "train.jsonl"])
    assert SHAPES["xai"] not in result.said


def test_the_key_that_a_run_uses_itself_is_never_exported_whatever_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "no-shape-of-any-vendor")
    model = "models={far: {provider: openai, base_url: 'http://127.0.0.1:9/v1', model: m, api_key_env: OUR_KEY}}"
    answers = {"clean": "blue", "with a key": "no-shape-of-any-vendor"}
    result = made(tmp_path, answers, secrets="keep", overrides=[model])
    assert result.code == 2, result.said
    assert "OUR_KEY" in result.said
    assert "no-shape-of-any-vendor" not in result.said
    assert made(tmp_path, answers, secrets="drop", overrides=[model]).code == 0
    assert exported(tmp_path) == {"clean"}


INVISIBLE = [
    char for char in map(chr, range(0x110000)) if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"
] + [*"\u034f\u115f\u1160\u17b4\u17b5\u180b\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0100\U000e0fff"]


@pytest.mark.parametrize("plain", ["", "\u00e4 "])
def test_no_invisible_character_hides_a_key_inside_it_or_before_it(plain: str) -> None:
    key = SHAPES["groq"]
    for char in INVISIBLE:
        for text in (char.join(key), f"word{char}{key}", f"{key}{char}"):
            assert [found.kind for found in find_keys(plain + text)] == ["Groq key"], repr(text)


@pytest.mark.parametrize("hyphen", [*"\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"])
def test_a_hyphen_that_looks_like_the_plain_one_does_not_hide_a_key(hyphen: str) -> None:
    assert [found.kind for found in find_keys(SHAPES["anthropic"].replace("-", hyphen))] == ["Anthropic key"]
