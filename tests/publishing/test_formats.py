"""Rows of every kind in every format of an export: what it holds, what it leaves out, and what TRL makes of it."""

from __future__ import annotations

import csv
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.data.export import as_dataset, preference_dataset_dict
from amendment.data.store import Workspace
from amendment.errors import ConfigError, DataError
from amendment.publishing.formats import Exported, export_lines, export_run
from amendment.publishing.publication import prepare
from amendment.publishing.verify import wrong_pair
from amendment.records import Message, Preference, Prompt, Verdict
from amendment.simulator import sample_prompts
from amendment.tables import read_rows
from tests.publishing.conftest import made
from tests.rows import plain_preference, preference

TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": 0.1 + 0.2, "deep": None}}}
TIE = {"a tie, which has no better answer": 1}
SETTINGS = {"models": {}, "dataset": {"secrets": "stop"}}


def message(role: str, content: Any = None, **further: Any) -> Message:
    return Message.from_json({"role": role, **({} if content is None else {"content": content}), **further})


def plain_pair(i: int, **further: Any) -> Preference:
    return plain_preference(f"ask {i}", f"yes {i}", f"no {i}", **further)


def every_kind() -> list[Preference]:
    """A plain pair, a system text with several turns, tools with calls, thinking, options of the template."""
    talk = (
        message("system", "be kind"),
        message("user", "hello"),
        message("assistant", "hello you"),
        message("user", "and now?"),
    )
    asked = (message("user", [{"type": "text", "text": "look it up"}]),)
    return [
        plain_pair(0),
        preference(Prompt(messages=talk), message("assistant", "yes indeed"), message("assistant", "no never")),
        preference(
            Prompt(messages=asked, tools=(TOOL,)),
            message("assistant", tool_calls=[CALL]),
            message("assistant", "yes without a look"),
        ),
        preference(
            Prompt(messages=(message("user", "think"),), chat_template_kwargs={"depth": 2}),
            message("assistant", "yes", thinking="step by step"),
            message("assistant", "no"),
        ),
    ]


@pytest.fixture
def of_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[Preference], str], Exported]:
    """Exports rows as if they were a run's."""

    def export(rows: list[Preference], format: str, out: Path | None = None, seed: int = 7) -> Exported:
        run = SimpleNamespace(rows={"train": rows}, settings={**SETTINGS, "seed": seed})
        monkeypatch.setattr("amendment.publishing.formats.FinishedRun", lambda folder: run)
        return export_run(tmp_path, format, out or Path(tempfile.mkdtemp(dir=tmp_path)))

    return export


def make_lines(result: Exported) -> list[dict[str, Any]]:
    (path,) = result.files
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_numbers_in_tool_calls_and_absent_options_come_out_as_they_went_in() -> None:
    rows = preference_dataset_dict({"train": every_kind()})["train"]
    assert rows[2]["chosen"][0]["tool_calls"][0]["function"]["arguments"] == {"at": 0.30000000000000004, "deep": None}
    assert [row["chat_template_kwargs"] for row in rows] == [{}, {}, {}, {"depth": 2}]
    assert [wrong_pair(row) for row in rows.with_format("arrow")[:].to_pylist()] == [None] * 4


def test_kto_rows_are_the_pairs_unpaired_and_ties_are_told(of_rows: Any) -> None:
    from datasets import load_dataset
    from trl.data_utils import unpair_preference_dataset

    rows = [*every_kind(), plain_pair(9, p_chosen=0.5)]
    result = of_rows(rows, "kto")
    assert result.left_out == TIE
    (path,) = result.files
    written = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
    columns = ["prompt", "chosen", "rejected", "tools", "chat_template_kwargs"]
    unpaired = unpair_preference_dataset(preference_dataset_dict({"train": rows[:4]})["train"].select_columns(columns))
    names = ("prompt", "completion", "label", "tools", "chat_template_kwargs")
    there, expected = ([{name: row[name] for name in names} for row in rows] for rows in (written, unpaired))
    assert sorted(map(str, there)) == sorted(map(str, expected))
    assert written["label"][:] == [True, False] * 4
    assert written["p"][:] == [0.75, 0.25] * 4


def test_answers_of_a_kto_export_take_turns_in_an_order_of_the_seed(of_rows: Any) -> None:
    orders = []
    for seed in (4, 5):
        (path,) = of_rows([plain_pair(i) for i in range(20)], "kto", seed=seed).files
        rows = read_rows(path)
        names = [row.values["comparison_id"] for row in rows]
        assert not [one for one, other in itertools.pairwise(names) if one == other]
        orders.append([row.values["candidate_id"] for row in rows])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_openrlhf_and_nemo_get_roles_and_texts_and_say_what_is_left_out(of_rows: Any) -> None:
    rows = [*every_kind(), plain_pair(9, p_chosen=0.5)]
    for format, trainer in (("openrlhf", "OpenRLHF"), ("nemo", "NeMo RL")):
        result = of_rows(rows, format)
        assert result.left_out == {**TIE, f"tools or tool calls, which {trainer} does not show to the model": 1}
        assert any("thinking" in what for what in result.not_held)
    talk = every_kind()[1]
    turns = [message.to_json() for message in talk.prompt]
    openrlhf, nemo = (make_lines(of_rows(rows, format)) for format in ("openrlhf", "nemo"))
    assert len(openrlhf) == len(nemo) == 3
    ids = {"comparison_id": talk.comparison_id, "prompt_id": talk.prompt_id}
    better, worse = [{"role": "assistant", "content": "yes indeed"}], [{"role": "assistant", "content": "no never"}]
    assert openrlhf[1] == {"prompt": turns, "chosen": better, "rejected": worse, **ids}
    completions = [{"rank": 0, "completion": better}, {"rank": 1, "completion": worse}]
    assert nemo[1] == {"context": turns, "completions": completions, **ids}


def test_jsonl_holds_every_row_as_it_is(of_rows: Any) -> None:
    rows = [*every_kind(), plain_pair(9, p_chosen=0.5, license="mit", raters=("a", "b"), decided_by="person")]
    result = of_rows(rows, "jsonl")
    assert (result.left_out, result.not_held) == ({}, ())
    assert [Preference.from_json(row) for row in make_lines(result)] == rows


def test_a_table_for_people_opens_as_utf8_and_runs_nothing(of_rows: Any) -> None:
    prompt = Prompt(messages=(message("user", 'say "hé"\nnow'),))
    attack = preference(prompt, message("assistant", '=HYPERLINK("http://x","y")'), message("assistant", "no"))
    (path,) = of_rows([attack, every_kind()[2]], "csv").files
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "by which spreadsheets know the encoding"
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["prompt"] == 'say "hé"\nnow'
    assert first["chosen"] == '\'=HYPERLINK("http://x","y")'
    assert (first["p_chosen"], first["raters"]) == ("0.75", "judge")
    assert second["chosen"].startswith('assistant: (calls) {"name": "look"')
    assert read_rows(path)[0].values["rejected"] == "no", "the project reads its own tables"


def test_an_export_takes_an_empty_folder_and_overwrites_nothing(of_rows: Any, tmp_path: Path) -> None:
    (path,) = of_rows(every_kind(), "csv").files
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="expected a new or empty folder"):
        of_rows(every_kind()[:1], "csv", path.parent)
    assert path.read_bytes() == before
    with pytest.raises(DataError, match="nemo: this format can hold none of the pairs"):
        of_rows([every_kind()[2]], "nemo", tmp_path / "none")
    assert list(tmp_path.iterdir()) == [path.parent]
    with pytest.raises(ConfigError, match="no format 'ktoo' \\(did you mean 'kto'"):
        of_rows(every_kind(), "ktoo")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_every_trainer_of_trl_takes_every_row(of_rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trl
    from datasets import Features, Json, List, load_dataset

    from amendment.training import TinyModel, build_tiny
    from amendment.training.model_files import load_tokenizer

    monkeypatch.setattr("trl.trainer.base_trainer._BaseTrainer._send_telemetry", lambda self: None)
    shape = TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=512)
    build_tiny(tmp_path / "tiny", ["yes no look it up be kind"] * 4, shape, seed=1)
    tokenizer = load_tokenizer(tmp_path / "tiny")

    def tokenised(kind: str, rows: Any) -> Any:
        """What TRL's own trainer makes of rows when it is made; nothing is trained."""
        settings = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True, "max_length": None}
        config = getattr(trl, f"{kind}Config")
        arguments = config(output_dir=str(tmp_path / "out"), per_device_train_batch_size=2, **settings)
        model = str(tmp_path / "tiny")
        trainer = getattr(trl, f"{kind}Trainer")
        return trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train_dataset

    def loaded(format: str) -> Any:
        (path,) = of_rows(rows, format).files
        return load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))

    rows, text = every_kind(), tokenizer.decode
    pairs, answers = loaded("trl"), loaded("kto")
    for row, source in zip(tokenised("DPO", pairs), rows, strict=True):
        prompt = text(row["prompt_ids"])
        assert prompt.endswith("<|assistant|>")
        assert ("<|tools|>" in prompt) == bool(source.tools)
        assert ("<|system|>be kind" in prompt) == (source.prompt[0].role == "system")
        assert ("<|call|>" in text(row["chosen_ids"])) == bool(source.chosen[0].tool_calls)
        assert text(row["rejected_ids"]) == f"{source.rejected[0].content}<|end|>"
    for row, source in zip(tokenised("Reward", pairs), rows, strict=True):
        assert text(row["rejected_ids"]).endswith(f"{source.rejected[0].content}<|end|>")
    labelled = tokenised("KTO", answers)
    assert labelled["label"][:] == [True, False] * 4
    assert sorted(map(text, labelled["completion_ids"][1::2])) == sorted(
        f"{row.rejected[0].content}<|end|>" for row in rows
    )
    whole = [{"messages": row["prompt"] + row["chosen"], "tools": row["tools"]} for row in pairs]
    fine_tuned = tokenised("SFT", as_dataset(whole, Features({"messages": List(Json()), "tools": List(Json())})))
    assert [text(ids).endswith("<|end|>") for ids in fine_tuned["input_ids"]] == [True] * 4


ANNA = "anna.berg"
JUDGES = f"""\
name: taught
seed: 3
constitution: lilliput
models:
  writer: {{provider: simulated, writer: helpful-only}}
  second: {{provider: simulated, biases: {{position: 0.7}}}}
prompts: [{{lilliput: 12}}]
critique: {{model: writer, rounds: 2}}
candidates:
  - {{from: critique, take: draft_and_last}}
  - {{model: writer, per_prompt: 2}}
verdicts: [{{path: labels.csv, kind: person, columns: {{prompt: q, a: x, b: y, votes: [{ANNA}]}}}}]
judging:
  judges: [{{model: second, protocol: reasoned}}, {{model: second, protocol: structured}}]
  judge_labelled: true
dataset: {{test_share: 0.25}}
"""


def test_a_judge_learns_from_what_nothing_speaks_against(tmp_path: Path) -> None:
    # one person says of two comparisons the better answer, of two the worse one, which is a word of no grammar
    labelled = [
        (prompt.text, "i am not certain", f"blub {i}", "ab"[i // 2]) for i, prompt in enumerate(sample_prompts(4, 3))
    ]
    (tmp_path / "labels.csv").write_text("\n".join([f"q,x,y,{ANNA}", *map(",".join, labelled)]) + "\n")
    folder = made(tmp_path, JUDGES)
    judged = {verdict.id: verdict for verdict in Workspace(folder).read("judging/verdicts", Verdict)}
    ready = prepare(folder, repo="org/taught", license="mit")
    rows = [row for split in ready.configs["judge_sft"].values() for row in split]
    result = export_run(folder, "judge_sft", tmp_path / "out")
    assert sum(result.files.values()) == len(rows) > 20
    assert len(rows) + sum(result.left_out.values()) == len(judged)
    assert result.left_out["orders disagree"] > 0, "the judge has a position bias"
    assert any("verdicts: orders disagree" in line for line in export_lines("judge_sft", result))
    sides: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        verdict, (asked, answer) = judged[row["verdict_id"]], row["messages"]
        assert (asked["role"], answer["role"]) == ("user", "assistant")
        assert asked["content"].startswith("You compare two answers")
        if "structured" in row["rater"]:
            assert json.loads(answer["content"]) == {"reasoning": verdict.reasoning, "verdict": verdict.value}
        else:
            assert answer["content"] == f"{verdict.reasoning}\n\nVerdict: {verdict.value}"
        side = {"A": verdict.shown[0], "B": verdict.shown[1]}.get(str(verdict.value), "tie")
        sides.setdefault((row["rater"], row["comparison_id"]), set()).add(side)
    assert all(len(preferred) == 1 for preferred in sides.values()), "both orders prefer the same"
    # each comparison of the person's is asked about by two judges in two orders
    agrees = [row["agrees_with_labels"] for row in rows]
    assert (agrees.count(True) > 0, agrees.count(False)) == (True, 0)
    assert result.left_out["contradicts people or a verifier"] > 0
    assert ANNA not in json.dumps(rows)

    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(DataError, match=f"{len(rows)} its question is not in the ledger"):
        export_run(folder, "judge_sft", tmp_path / "none")


def test_a_run_without_written_reasons_says_which_judges_write_them(chain_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"read from token probabilities.*protocol reasoned or structured"):
        export_run(chain_folder, "judge_sft", tmp_path / "out")


def test_a_judge_learns_nothing_from_sealed_labels(tmp_path: Path) -> None:
    brought = next(line for line in JUDGES.splitlines() if line.startswith("verdicts:"))
    people = "spot_check: {items: 40, people: simulated, sealed: 1}"
    folder = made(tmp_path, JUDGES.replace(brought, people))
    result = export_run(folder, "judge_sft", tmp_path / "out")
    assert "contradicts people or a verifier" not in result.left_out
