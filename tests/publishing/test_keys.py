"""Keys are found before anything is sent: by their shapes, and by the values that this machine holds."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amendment.data.secrets import Scanner
from amendment.errors import DataError
from amendment.publishing.publication import plan_lines, prepare
from amendment.publishing.push import push
from tests.publishing.conftest import CHAIN

KEY = "sk-" + "proj-" + "a1" * 20
"""Put together here, so that it is in no file. The shapes of keys have their tests in tests/regressions."""


def test_a_key_stops_the_push_and_only_an_example_can_be_let_through(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    resolved = (people / "run.yaml").read_text()
    head, publish, rest = resolved.partition("publish:")
    named = f"  license: other\n  license_name: ours {KEY}\n"
    (people / "run.yaml").write_text(head + publish + rest.replace("  license: cc-by-4.0\n", named, 1))
    ready = prepare(people, environ={})
    assert KEY not in ready.models[0].body, "it stands in the head of the model's card alone"
    assert {"card", "sft: card"} <= {one.place for one in ready.secrets}
    with pytest.raises(DataError, match=r"card: OpenAI key(.|\n)*--allow-secrets"):
        push(ready)
    with pytest.raises(DataError, match="the value of OUR_KEY") as caught:
        push(prepare(people, environ={"OUR_KEY": KEY}), allow_secrets=True)
    assert "--allow-secrets" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_find_in_a_row_is_told_by_the_row(chain: Path) -> None:
    row = pq.read_table(chain / "dataset/train.parquet").to_pylist()[0]
    ready = prepare(chain, repo=CHAIN, license="mit", environ={"SOME_KEY": row["chosen_model"]})
    first = next(one for one in ready.secrets if one.place.startswith("default/train"))
    place = f"default/train: row {row['comparison_id']}: chosen_model"
    assert str(first) == f"{place}: the value of SOME_KEY"
    plan = "\n".join(plan_lines(ready))
    assert "which stops a push" in plan
    assert row["chosen_model"] not in plan


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "/Ab3d" + "5" * 35),
        ("PGPASSWORD", "~tilde-and-more"),
        ("API_KEYS", "one two three"),
        ("MYAPIKEY", ".begins-with-a-dot"),
        ("DB_PASS", 'quo"ted\\back'),
        ("MYSQL_PWD", "plainvalue123"),
        ("GOOGLE_CREDENTIALS", '{"a": "b",\n "c": 1}'),
        ("PROXY_AUTHORIZATION", "Basic abcdefgh"),
    ],
)
def test_no_spelling_of_a_name_or_value_hides_a_key(name: str, value: str) -> None:
    scanner = Scanner({name: value})
    for text in (f"it is {value}, I think", json.dumps({"said": value})):
        (found,) = [one for one in scanner.scan("here", text) if one.is_value]
        assert found.kind == f"the value of {name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("KEYBOARD_LAYOUT", "somelayout"),
        ("GIT_AUTHOR_NAME", "Irmtraud Weber"),
        ("XAUTHORITY", "/root/.Xauthority-none"),
        ("TOKENIZERS_PARALLELISM", "somewhat"),
        ("AUTH_PROVIDER", "anthropic"),
        ("USE_KEYCHAIN", "disabled"),
        ("OLDPWD", "/gone/away"),
    ],
)
def test_settings_and_other_words_are_no_keys(name: str, value: str) -> None:
    assert list(Scanner({name: value}).scan("here", f"it is {value}, I think")) == []


def test_a_path_that_is_there_is_no_key_and_one_that_is_not_may_be(tmp_path: Path) -> None:
    path = tmp_path / "service-account.json"
    scan = Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan
    assert [one.is_value for one in scan("here", f"from {path}")] == [True]
    path.touch()
    assert list(Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan("here", f"from {path}")) == []
