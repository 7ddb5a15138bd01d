"""Runs from Python: a dictionary in place of a file, functions as models, and several runs in one process."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import load_constitution
from amendment.data.store import Split, read_records, write_records
from amendment.errors import AmendmentError, ConfigError, LedgerError
from amendment.llm.functions import ModelFunction
from amendment.preference import Judge
from amendment.records import Candidate, Preference, last_text
from amendment.run import QuietProgress, Run, Terms
from tests.command_line import called
from tests.vendors.processes import started

Messages = list[dict[str, Any]]
SETTINGS: dict[str, Any] = {
    "name": "ours",
    "constitution": "helpful-honest",
    "models": {
        "writer": {"provider": "function", "model": "writer-1"},
        "judge": {"provider": "function", "model": "judge-1"},
    },
    "prompts": [{"path": Path("prompts.jsonl")}],
    "candidates": [{"model": "writer", "per_prompt": 2}],
    "judging": {"judges": ({"model": "judge", "protocol": "label-tokens"},)},
}


def write(messages: Messages, sample: int) -> str:
    return f"{messages[-1]['content']} {'Yes, and here is how. ' * (sample + 1)}"


async def longer_is_better(messages: Messages, labels: tuple[str, ...] | None = None) -> str | Mapping[str, float]:
    """Probabilities of the labels by the lengths of the answers shown."""
    first, second = (text.count("here is how") for text in messages[-1]["content"].split("answer_b", 1))
    return {"A": 0.9, "B": 0.1} if first > second else {"A": 0.1, "B": 0.9}


FUNCTIONS: dict[str, ModelFunction] = {"writer": write, "judge": longer_is_better}


def run_of(folder: Path, **changed: Any) -> Run:
    (folder / "prompts.jsonl").write_text('{"prompt": "May I swim?"}\n{"prompt": "May I sing?"}\n')
    options = {"models": FUNCTIONS, "folder": folder / "run", "progress": QuietProgress(), **changed}
    return Run.from_dict(SETTINGS, base=folder, **options)


def test_functions_write_and_judge_a_run_of_a_dictionary(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    result = run()
    pairs = [
        row for side in ("train", "test") for row in read_records(tmp_path / f"run/dataset/{side}.parquet", Preference)
    ]
    assert len(pairs) == 2
    assert all(last_text(pair.chosen).count("here is how") == 2 for pair in pairs), "the judge prefers the longer one"
    assert {pair.p_chosen for pair in pairs} == {0.9}
    assert result.sent == 4 + 4  # two drafts of each prompt; each pair in both orders
    written = read_records(tmp_path / "run/candidates/candidates.parquet", Candidate)
    assert {(row.origin.provider, row.origin.model) for row in written if row.origin} == {("function", "writer-1")}
    assert (repr(run), repr(result)) == (
        f"<Run ours in {tmp_path / 'run'}>",
        f"<RunResult in {tmp_path / 'run'}: {', '.join(result.ran)} made now, 8 calls>",
    )


def test_replies_of_a_function_are_kept_under_the_name_that_the_user_gives(tmp_path: Path) -> None:
    run_of(tmp_path)()
    assert run_of(tmp_path)().sent == 0
    renamed = {**SETTINGS["models"], "writer": {"provider": "function", "model": "writer-2"}}
    again = Run.from_dict(
        {**SETTINGS, "models": renamed},
        base=tmp_path,
        folder=tmp_path / "run",
        models=FUNCTIONS,
        terms=Terms(accept_changes=True),
    )
    assert again().sent == 4, "the writer is asked again, and the judge about equal answers is not"


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ({}, r"models\.writer: a Python function answers for this model, and none was given"),
        ({**FUNCTIONS, "riter": write}, r"models: no entry 'riter' \(did you mean 'writer'\?\) for function write"),
        ({**FUNCTIONS, "writer": "write"}, r"models\.writer: found 'write', expected a function"),
    ],
)
def test_a_function_and_its_entry_belong_together(models: Any, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=complaint):
        run_of(tmp_path, models=models)()


@pytest.mark.parametrize(
    ("judge", "complaint"),
    [
        ({"provider": "function"}, r"^the run's dictionary: models\.judge\.model: the key 'model' is required"),
        ({"provider": "function", "model": "writer-1"}, r"models\.judge\.model: .*the replies of function write are"),
        ({"provider": "simulated"}, r"models\.judge\.provider: found simulated, and function longer_is_better to"),
    ],
)
def test_a_function_needs_a_name_of_its_own(judge: Any, complaint: str, tmp_path: Path) -> None:
    models = {**SETTINGS["models"], "judge": judge}
    with pytest.raises(ConfigError, match=complaint):
        Run.from_dict({**SETTINGS, "models": models}, base=tmp_path, models=FUNCTIONS)


def test_mistakes_of_a_dictionary_are_named_together_by_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Run.from_dict({"nome": "x", "judging": {"orders": "sideways"}})
    assert [problem.place for problem in caught.value.problems] == [
        f"the run's dictionary: {key}" for key in ("name", "judging.orders", "judging.judges", "nome")
    ]


def test_a_file_that_names_a_function_says_how_to_start_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "May I swim?"}\n')
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: f\nmodels: {writer: {provider: function, model: writer-1}}\nprompts: [{path: prompts.jsonl}]\n"
        "critique: {model: writer}\nconstitution: helpful-honest\n"
    )
    assert called("check", path) == 2
    assert "start the run in Python, with Run.from_file(FILE, models={NAME: function})" in capsys.readouterr().err
    assert Run.from_file(path, folder=tmp_path / "run", models={"writer": write}, progress=QuietProgress())().sent > 0
    assert called("show", tmp_path / "run") == 0, "what only reads the folder needs no function"


def test_several_runs_of_one_process_make_what_each_makes_alone(tmp_path: Path) -> None:
    def make(name: str, seed: int) -> bytes:
        settings = {
            "name": name,
            "seed": seed,
            "constitution": "lilliput",
            "models": {
                "writer": {"provider": "simulated"},
                "judge": {"provider": "simulated", "biases": {"position": 0.7}},
            },
            "prompts": [{"lilliput": 40}],
            "candidates": [{"model": "writer", "per_prompt": 2}],
            "judging": {"judges": [{"model": "judge", "protocol": "label-tokens"}]},
        }
        Run.from_dict(settings, folder=tmp_path / name, progress=QuietProgress())()
        return (tmp_path / name / "dataset/train.parquet").read_bytes()

    alone = [make(f"alone-{seed}", seed) for seed in (1, 2)]
    together: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: together.update({seed: make(f"together-{seed}", seed)}))
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[1], together[2]] == alone


def test_a_folder_that_this_process_has_open_is_named_as_such(tmp_path: Path) -> None:
    with run_of(tmp_path) as first:
        first.models["writer"]
        with pytest.raises(LedgerError, match="this process has the folder open already, in another run or thread"):
            run_of(tmp_path)()
    assert run_of(tmp_path)().sent == 8


def test_a_plain_function_judges_without_a_run() -> None:
    judge = Judge.from_folder(
        "verdict", model=lambda messages: "Verdict: A", constitution=load_constitution("lilliput")
    )
    compared = judge.compare(prompt="Hello", a="Hi!", b="Go away.")
    assert (compared.p_a, compared.consistent) == (0.5, False)  # what is shown first, in both orders
    assert repr(judge) == "<Judge <lambda>/verdict@2.0.0 by lilliput>"
    with pytest.raises(ConfigError, match="judge verdict asks by a principle: expected a constitution"):
        Judge.from_folder("verdict", model=write)


HANGING = """
import sys, threading
from amendment.run import Run

def write(messages):
    print("asked", file=sys.stderr, flush=True)
    threading.Event().wait()

settings = {
    "name": "hanging",
    "constitution": "helpful-honest",
    "models": {"writer": {"provider": "function", "model": "writer-1"}},
    "prompts": [{"path": "prompts.jsonl"}],
    "critique": {"model": "writer"},
}
Run.from_dict(settings, models={"writer": write})()
"""


def test_a_table_that_changes_while_the_run_is_on_ends_it_by_name_and_the_next_start_rebuilds_it(
    tmp_path: Path,
) -> None:
    split = tmp_path / "run/inputs/split.parquet"

    async def meddles(messages: Messages, labels: tuple[str, ...] | None = None) -> str | Mapping[str, float]:
        write_records(split, Split, [])
        return await longer_is_better(messages, labels)

    with pytest.raises(LedgerError, match=r"split\.parquet: gone, or changed since the run wrote it; run again"):
        run_of(tmp_path, models={**FUNCTIONS, "judge": meddles})()
    assert not (tmp_path / "run/dataset").exists(), "a dataset of another split"
    again = run_of(tmp_path)()
    assert (again.sent, again.results["dataset"].count("train_pairs")) == (0, 1)
    assert len(read_records(split, Split)) == 2


def test_a_function_that_never_returns_keeps_no_program_from_ending(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "May I swim?"}\n')
    with started([sys.executable, "-c", HANGING], cwd=tmp_path) as process:
        assert process.stderr is not None
        for awaited in ("asked", "Finishing 1 calls in flight"):
            assert any(line.startswith(awaited) for line in process.stderr)
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0


def test_an_async_function_that_waits_for_its_own_loop_is_an_error_and_no_hang() -> None:
    rules = load_constitution("helpful-honest")
    inner = Judge.from_folder("verdict", model=lambda messages: "Verdict: A", constitution=rules)

    async def ask(messages: Messages) -> str:
        return f"Verdict: {'A' if inner.compare(prompt='p', a='1', b='2').p_a == 0.5 else 'B'}"

    with pytest.raises(AmendmentError, match="function ask raised RuntimeError: called in an async function"):
        Judge.from_folder("verdict", model=ask, constitution=rules).compare(prompt="Hello", a="Hi!", b="Go away.")
