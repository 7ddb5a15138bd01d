"""Keys stay out of what a run writes for others: found by shape, named by place, dropped where the run file says so."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
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
KEY = SHAPES["groq"]
DIGEST = hashlib.sha1(b"ordinary").hexdigest()
ORDINARY = {
    "sha256": hashlib.sha256(b"ordinary").hexdigest(),
    "timestamp and hash": f"1699999999:{DIGEST} and 1699999999:{hashlib.md5(b'x').hexdigest()}",
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


@pytest.mark.parametrize("shape", SHAPES)
def test_a_key_of_this_shape_is_found(shape: str) -> None:
    assert [*find_keys(f"it is {SHAPES[shape]} , I think")]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_not_taken_for_a_key(text: str) -> None:
    assert [*find_keys(f"it is {ORDINARY[text]} , I think")] == []


INVISIBLE = [
    char for char in map(chr, range(0x110000)) if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"
] + [*"\u034f\u115f\u1160\u17b4\u17b5\u180b\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0100\U000e0fff"]


@pytest.mark.parametrize("plain", ["", "\u00e4 "])
def test_no_invisible_character_hides_a_key_inside_it_or_before_it(plain: str) -> None:
    for char in INVISIBLE:
        for text in (char.join(KEY), f"word{char}{KEY}", f"{KEY}{char}"):
            assert [found.kind for found in find_keys(plain + text)] == ["Groq key"], repr(text)


def test_a_hyphen_that_looks_like_the_plain_one_does_not_hide_a_key() -> None:
    for hyphen in "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d":
        assert [found.kind for found in find_keys(SHAPES["anthropic"].replace("-", hyphen))] == ["Anthropic key"]


RUN = """\
name: keys
seed: 5
pairs: [{{path: pairs.csv, kind: person, license: cc0-1.0}}]
dataset: {{test_share: 0, secrets: {}}}
"""


def made(folder: Path, secrets: str, *overrides: str, key: str = KEY) -> Ended:
    """Run a clean pair and one whose better answer holds a key, in the folder `folder/run`."""
    rows = [{"prompt": "clean", "chosen": "blue"}, {"prompt": "with a key", "chosen": f"it is {key} , I think"}]
    save(folder / "pairs.csv", [{**row, "rejected": "nobody knows"} for row in rows])
    (folder / "run.yaml").write_text(RUN.format(secrets), encoding="utf-8")
    sets = [part for one in overrides for part in ("--set", one)]
    return amendment("run", folder / "run.yaml", "--folder", folder / "run", *sets)


def exported(folder: Path) -> Sequence[str]:
    rows = pq.read_table(folder / "run/export/train.parquet").to_pylist()
    return sorted(row["prompt"][0]["content"] for row in rows)


def plan(folder: Path) -> Ended:
    return amendment("publish", folder / "run", "--repo", "org/x", "--license", "cc0-1.0", "--json")


def test_a_key_stops_the_dataset_before_anything_is_exported_and_is_never_shown(tmp_path: Path) -> None:
    result = made(tmp_path, "stop")
    assert result.code == 2, result.said
    assert not (tmp_path / "run/export").exists()
    assert all(word in result.said for word in ("pairs.csv", "chosen", "dataset.secrets"))
    assert KEY not in result.said
    assert not any(KEY.encode() in path.read_bytes() for path in (tmp_path / "run").rglob("*.json"))


def test_rows_that_are_dropped_are_counted_and_in_no_config_that_is_published(tmp_path: Path) -> None:
    assert made(tmp_path, "drop").code == 0
    assert exported(tmp_path) == ["clean"]
    (pairs,) = json.loads((tmp_path / "run/summary.json").read_text())["stages"]["dataset"]["funnels"]
    assert list(pairs["left_out"].values()) == [1]
    told = json.loads(plan(tmp_path).out)
    assert told["secrets"] == []
    assert told["configs"]["candidates"]["train"]["rows"] == 3, "the answer with the key is in no config"


def test_rows_that_are_kept_stop_the_push_and_an_export_of_them_does_as_the_run_file_says(tmp_path: Path) -> None:
    assert made(tmp_path, "keep").code == 0
    assert exported(tmp_path) == ["clean", "with a key"]
    told = plan(tmp_path)
    assert json.loads(told.out)["secrets"]
    assert KEY not in told.said
    resolved = tmp_path / "run/run.yaml"
    text = resolved.read_text()
    for secrets, code, prompts in (("stop", 2, 0), ("drop", 0, 1), ("keep", 0, 2)):
        resolved.write_text(text.replace("secrets: keep", f"secrets: {secrets}"))
        result = amendment("export", tmp_path / "run", "--format", "jsonl", "--out", tmp_path / secrets)
        assert (result.code, KEY in result.said) == (code, False), result.said
        written = "".join(path.read_text() for path in (tmp_path / secrets).glob("*.jsonl"))
        assert (written.count("\n"), KEY in written) == (prompts, secrets == "keep")


def test_the_key_that_a_run_uses_itself_is_never_exported_whatever_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "no-shape-of-any-vendor"
    monkeypatch.setenv("OUR_KEY", key)
    model = "models={far: {provider: openai, base_url: 'http://127.0.0.1:9/v1', model: m, api_key_env: OUR_KEY}}"
    result = made(tmp_path, "keep", model, key=key)
    assert (result.code, "OUR_KEY" in result.said, key in result.said) == (2, True, False)
    assert made(tmp_path, "drop", model, key=key).code == 0
    assert exported(tmp_path) == ["clean"]
