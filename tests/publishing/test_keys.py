"""Keys are found before anything is sent: by their shapes, and by the values that this machine holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amendment.errors import DataError
from amendment.publishing.publication import plan_lines, prepare
from amendment.publishing.push import push
from tests.publishing.conftest import CHAIN

KEY = "sk-" + "proj-" + "a1" * 20
"""Put together here, so that it is in no file. The shapes of keys have their tests in test_secrets.py."""


def test_a_key_stops_the_push_and_only_an_example_can_be_let_through(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    resolved = (people / "run.yaml").read_text()
    head, publish, rest = resolved.partition("publish:")
    named = f"  license: other\n  license_name: ours {KEY}\n"
    (people / "run.yaml").write_text(
        head + publish + rest.replace("  license: cc-by-4.0\n  license_name: null\n", named, 1)
    )
    ready = prepare(people, environ={})
    assert KEY not in ready.models[0].body, "it stands in the head of the model's card alone"
    assert {"card", "sft: card"} <= {secret.place for secret in ready.secrets}
    with pytest.raises(DataError, match=r"card: OpenAI key(.|\n)*--allow-secrets"):
        push(ready)
    with pytest.raises(DataError, match="the value of OUR_KEY") as caught:
        push(prepare(people, environ={"OUR_KEY": KEY}), allow_secrets=True)
    assert "--allow-secrets" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_find_in_a_row_is_told_by_the_row(chain: Path) -> None:
    row = pq.read_table(chain / "dataset/train.parquet").to_pylist()[0]
    ready = prepare(chain, repo=CHAIN, license="mit", environ={"SOME_KEY": row["chosen_model"]})
    first = next(secret for secret in ready.secrets if secret.place.startswith("default/train"))
    place = f"default/train: row {row['comparison_id']}: chosen_model"
    assert str(first) == f"{place}: the value of SOME_KEY"
    plan = "\n".join(plan_lines(ready))
    assert "which stops a push" in plan
    assert row["chosen_model"] not in plan
