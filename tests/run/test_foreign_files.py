"""Files of others, and what is read from them: the table `foreign_files.yaml`, from a file to canonical rows.

A case has `files`, each with its `text`, its `rows`, or `times` copies of one `row` (`{n}` is the number of the copy,
and a column under `cycle` takes one value after the other); all other keys of a file are its settings in a run file. It
expects any of: `votes` with `items` and `counts`; `candidates` and `prompts` of the first file; the prompt that is
`asked` whatever the file is read for; `problems`, by their beginnings; the entries by which the files are `described`,
and the items and the agreement of the `judge` that an audit then finds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.audit.inputs import read_votes
from amendment.audit.studies import describe_study
from amendment.audit.votes import Vote
from amendment.cli._people import audit_path
from amendment.data.inputs import read_inputs
from amendment.errors import DataError
from amendment.records import last_text
from amendment.run import RunFile
from tests.rows import save

CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("foreign_files.yaml").read_text(encoding="utf-8")
)
CONTENT = ("text", "rows", "row", "times", "cycle", "under")


def expecting(key: str) -> list[str]:
    return [name for name, case in CASES.items() if key in case]


def written(file: dict[str, Any], path: Path) -> Path:
    """Write a file of the table."""
    if "text" in file:
        path.write_text(file["text"], encoding="utf-8")
        return path
    cycles, rows = file.get("cycle", {}), file.get("rows", [])
    for n in range(file.get("times", 0)):
        turns = {column: values[n % len(values)] for column, values in cycles.items()}
        row = json.dumps({**file["row"], **turns})
        rows = [*rows, json.loads(row.replace("{n}", str(n)))]
    return save(path, rows)


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFile:
    """The run file of a case, whose files lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    sources: dict[str, Any] = {"name": "t"}
    for name, file in CASES[request.getfixturevalue("case")]["files"].items():
        written(file, Path(name))
        settings = {key: value for key, value in file.items() if key not in CONTENT}
        sources.setdefault(file.get("under", "verdicts"), []).append({"path": name, **settings})
    return RunFile.model_validate(sources)


def shown(vote: Vote) -> str:
    """Show a vote as a canonical row; a person has a star."""
    rater, first = vote.rater + "*" * (vote.kind == "person"), vote.first and f"{vote.first}-first"
    return " ".join(str(part) for part in (rater, vote.value, first, vote.p_a, vote.principle) if part is not None)


@pytest.mark.parametrize("case", expecting("votes"))
def test_a_file_comes_to_canonical_rows(case: str, config: RunFile) -> None:
    expected, read = CASES[case], read_votes(config, Path())
    assert ", ".join(map(shown, read.votes)) == expected["votes"]
    assert {name: read.counts[name] for name in expected.get("counts", {})} == expected.get("counts", {})
    items = [
        " ".join(
            str(part) for part in (item.prompt, item.model_a, item.model_b, item.category, item.length_a, item.length_b)
        )
        for item in read.items.values()
    ]
    assert items == expected.get("items", items)


@pytest.mark.parametrize("case", expecting("candidates"))
def test_a_file_of_verdicts_holds_candidates_and_prompts_too(case: str, config: RunFile) -> None:
    path = config.verdicts[0].path
    read = [
        read_inputs(RunFile.model_validate({"name": "t", part: [{"path": path}]}), Path())
        for part in ("candidates", "prompts")
    ]
    assert [
        f"{last_text(answer.messages)} by {answer.origin.model}" for answer in read[0].candidates.values()
    ] == CASES[case]["candidates"]
    assert [last_text(prompt.messages) for prompt in read[1].prompts.values()] == CASES[case]["prompts"]


@pytest.mark.parametrize("case", expecting("asked"))
def test_the_prompts_of_a_file_are_the_same_whatever_it_is_read_for(case: str, config: RunFile) -> None:
    path = config.verdicts[0].path
    for part in ("prompts", "candidates", "pairs", "verdicts"):
        source = {"path": path, **({"kind": "model"} if part == "verdicts" else {})}
        read = read_inputs(RunFile.model_validate({"name": "t", part: [source]}), Path())
        assert [last_text(prompt.messages) for prompt in read.prompts.values()] == [CASES[case]["asked"]], part


@pytest.mark.parametrize("case", expecting("problems"))
def test_what_is_wrong_with_a_file_is_named_at_once(case: str, config: RunFile) -> None:
    with pytest.raises(DataError) as refused:
        read_votes(config, Path())
    for problem, beginning in zip(refused.value.problems, CASES[case]["problems"], strict=True):
        assert str(problem).startswith(beginning)


@pytest.mark.parametrize("case", expecting("described"))
@pytest.mark.usefixtures("config")
def test_a_file_of_unknown_columns_is_described_as_far_as_it_determines(case: str) -> None:
    expected = CASES[case]
    paths, people = [Path(name) for name in expected["files"]], expected.get("people", ())
    entries = yaml.safe_load(describe_study(paths, people=people, name="t").text)["verdicts"]
    assert [{key: part for key, part in entry.items() if key != "path"} for entry in entries] == expected["described"]
    for name, (items, agreement) in expected.get("judge", {}).items():
        [judge] = audit_path(*paths, people=people).document["judges"]
        found = judge["label"]["by_rule"]["no_ties"]
        assert (judge["name"], found["n"], found["value"]) == (name, items, pytest.approx(agreement, abs=1e-4))
