"""Rows with system texts, several turns, tool calls and thinking: through chain, judge, dataset, exports and TRL."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.errors import ConfigError, DataError
from amendment.pipeline import Run
from amendment.pipeline.publishing.contents import wrong_pair
from amendment.pipeline.publishing.dataset_files import as_dataset, preference_dataset_dict
from amendment.pipeline.publishing.exporting import Exported, export_run
from amendment.pipeline.publishing.tables import Tables
from amendment.pipeline.store import read_records
from amendment.records import Candidate, Comparison, Message, Preference, Prompt
from amendment.tables import read_rows

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look it up.", "parameters": {"x": None}}}]
SIDES = ("prompt", "chosen", "rejected")


def rich_rows(count: int) -> list[dict[str, Any]]:
    """Prompts with a system text and several turns; every second one offers tools and has used one."""
    rows = []
    for i in range(count):
        turns: list[dict[str, Any]] = [
            {"role": "user", "content": f"hello {i}"},
            {"role": "assistant", "content": "hello you", "thinking": "be polite"},
            {"role": "user", "content": [{"type": "text", "text": f"and {i}?"}]},
        ]
        if i % 2:
            call = {"type": "function", "id": "c1", "function": {"name": "look", "arguments": {"n": i, "m": None}}}
            turns += [
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "name": "look", "tool_call_id": "c1", "content": f"found {i}"},
            ]
        rows.append({"prompt": turns, "rules": "Be brief.", "tools": TOOLS if i % 2 else None})
    return rows


@pytest.fixture(scope="module")
def rich_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rich")


@pytest.fixture
def rich(rich_folder: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A chain by a server that thinks and calls tools, judged by the simulated judge; made once, then it stands."""
    monkeypatch.setenv("OUR_SERVER_KEY", "k")
    if not (rich_folder / "run.yaml").exists():
        write_rich(rich_folder, server)
    return Run.from_file(rich_folder / "run.yaml", folder=rich_folder / "run")


def write_rich(folder: Path, server: Any) -> None:

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = len(json.dumps(body["messages"])) % 7
        message: dict[str, Any] = {
            "role": "assistant",
            "content": f"the answer is {number}",
            "reasoning_content": "let me think",
        }
        if body.get("tools") and body.get("seed", 0) % 2:
            called = {"id": "c9", "type": "function", "function": {"name": "look", "arguments": '{"n": 9}'}}
            message = {**message, "content": None, "tool_calls": [called]}
        return 200, message

    server.answer = answer
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rich_rows(8)))
    (folder / "run.yaml").write_text(
        "name: rich\nseed: 2\nconstitution: helpful-honest\n"
        "prompts: [{lilliput: 1}, {path: p.jsonl, system: rules, tools: tools, category: talk, license: mit}]\n"
        "models:\n"
        f"  far: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: OUR_SERVER_KEY}}\n"
        "  judge: {provider: simulated}\n"
        "critique: {model: far}\n"
        "candidates: [{from: critique, take: draft_and_last}, {model: far, per_prompt: 2}]\n"
        "judging: {judges: [{model: judge, protocol: label-tokens}], ties: keep}\n"
        "dataset: {test_share: 0.25}\n"
    )
    Run.from_file(folder / "run.yaml", folder=folder / "run")()


def test_conversations_of_every_kind_survive_chain_judge_dataset_and_trl(rich: Run) -> None:
    from trl.data_utils import extract_prompt, maybe_extract_prompt, unpair_preference_dataset

    result = rich()
    dataset = result.dataset
    rows = {side: read_records(result.folder / f"dataset/{side}.parquet", Preference) for side in ("train", "test")}
    assert rows["test"]
    told = [row for found in rows.values() for row in found]
    turns = [message for row in told for side in SIDES for message in getattr(row, side)]
    assert {message.role for message in turns} == {"system", "user", "assistant", "tool"}
    assert any(message.tool_calls for row in told for message in (*row.chosen, *row.rejected))
    assert any(message.thinking for row in told for message in (*row.chosen, *row.rejected))
    assert any(isinstance(message.content, tuple) for message in turns)

    for side, found in rows.items():
        for row, exported in zip(found, dataset[side], strict=True):
            plain = row.to_json()
            for name in SIDES:
                assert exported[name] == plain[name], "messages come out as they are, nothing added"
            assert exported["tools"] == plain.get("tools")
            assert {name: exported[name] for name in SIDES} == {
                name: maybe_extract_prompt(exported)[name] for name in SIDES
            }
            whole = {name: exported["prompt"] + exported[name] for name in ("chosen", "rejected")}
            assert extract_prompt(whole) == {name: exported[name] for name in SIDES}

    unpaired = unpair_preference_dataset(dataset["train"].select_columns([*SIDES, "tools"]))
    pairs = dataset["train"]
    assert len(unpaired) == 2 * len(pairs)
    assert unpaired["completion"][: len(pairs)] == pairs["chosen"][:]
    assert unpaired["completion"][len(pairs) :] == pairs["rejected"][:]
    assert unpaired["prompt"][: len(pairs)] == pairs["prompt"][:]


def test_columns_for_tools_are_there_only_where_a_prompt_has_some(rich: Run, undisturbed: Any) -> None:
    assert "tools" in rich().dataset["train"].column_names
    assert not {"tools", "chat_template_kwargs"} & set(undisturbed.result.dataset["train"].column_names)


def test_plain_runs_export_plain_strings(undisturbed: Any) -> None:
    from datasets import List, Value

    features = undisturbed.result.dataset["train"].features
    for side in SIDES:
        assert features[side] == List({"role": Value("string"), "content": Value("string")})


def test_an_empty_test_side_has_the_same_columns(small: Path, tmp_path: Path) -> None:
    result = Run.from_file(small, folder=tmp_path / "run", overrides=["dataset.test_share=0"])()
    dataset = result.dataset
    assert len(dataset["test"]) == 0
    assert dataset["test"].features == dataset["train"].features


def test_the_dataset_goes_through_a_file_and_back(rich: Run, tmp_path: Path) -> None:
    from datasets import load_from_disk

    dataset = rich().dataset
    dataset.save_to_disk(tmp_path / "saved")
    back = load_from_disk(tmp_path / "saved")
    assert back["train"].to_list() == dataset["train"].to_list()
    assert back["train"].features == dataset["train"].features


def test_the_exported_files_are_read_by_others_as_the_run_gives_the_dataset(rich: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    result = rich(until="dataset")
    read = load_dataset("parquet", data_dir=str(result.folder / "export"), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {split for split, rows in result.dataset.items() if len(rows)}
    for split, rows in read.items():
        assert rows.to_list() == result.dataset[split].to_list()
        assert rows.features == result.dataset[split].features


def test_an_empty_side_is_not_exported(small: Path, tmp_path: Path) -> None:
    result = Run.from_file(small, folder=tmp_path / "run", overrides=["dataset.test_share=0"])()
    assert [path.name for path in (result.folder / "export").iterdir()] == ["train.parquet"]


def test_a_trial_of_a_few_rows_is_a_run_of_its_own(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole, trial = (Run.from_file(small, limit=limit).folder for limit in (None, 5))
    assert (trial.parent, trial.name) == (whole.parent, f"{whole.name}.limit-5")


TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": 0.1 + 0.2, "deep": None}}}


def said(role: str, content: Any = None, **further: Any) -> Message:
    return Message.from_json({"role": role, **({} if content is None else {"content": content}), **further})


def preference(prompt: Prompt, chosen: Message, rejected: Message, **further: Any) -> Preference:
    better, worse = (Candidate(prompt_id=prompt.id, messages=(one,), kind="imported") for one in (chosen, rejected))
    values = {"p_chosen": 0.75, "p_chosen_raw": 0.75, "decided_by": "judge", "raters": ("judge",), **further}
    return Preference(
        prompt=prompt.messages,
        chosen=better.messages,
        rejected=worse.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        comparison_id=Comparison.between(better, worse).id,
        prompt_id=prompt.id,
        chosen_id=better.id,
        rejected_id=worse.id,
        **values,
    )


def plain_pair(i: int, **further: Any) -> Preference:
    prompt = Prompt(messages=(said("user", f"ask {i}"),))
    return preference(prompt, said("assistant", f"yes {i}"), said("assistant", f"no {i}"), **further)


def every_kind() -> list[Preference]:
    """A plain pair, a system text with several turns, tools with calls, thinking, options of the template."""
    talk = (said("system", "be kind"), said("user", "hello"), said("assistant", "hello you"), said("user", "and now?"))
    asked = (said("user", [{"type": "text", "text": "look it up"}]),)
    return [
        plain_pair(0),
        preference(Prompt(messages=talk), said("assistant", "yes indeed"), said("assistant", "no never")),
        preference(
            Prompt(messages=asked, tools=(TOOL,)),
            said("assistant", tool_calls=[CALL]),
            said("assistant", "yes without a look"),
        ),
        preference(
            Prompt(messages=(said("user", "think"),), chat_template_kwargs={"depth": 2}),
            said("assistant", "yes", thinking="step by step"),
            said("assistant", "no"),
        ),
    ]


@pytest.fixture
def of_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[Preference], str], Exported]:
    """Exports rows as if they were a run's."""

    def export(rows: list[Preference], format: str) -> Exported:
        monkeypatch.setattr(Tables, "of_run", lambda folder: SimpleNamespace(preferences={"train": rows}))
        return export_run(tmp_path, format, tmp_path / format)

    return export


def lines_of(result: Exported) -> list[dict[str, Any]]:
    (path,) = result.files
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_numbers_in_tool_calls_and_absent_options_come_out_as_they_went_in() -> None:
    rows = preference_dataset_dict({"train": every_kind()})["train"]
    assert rows[2]["chosen"][0]["tool_calls"][0]["function"]["arguments"] == {"at": 0.30000000000000004, "deep": None}
    assert [row["chat_template_kwargs"] for row in rows] == [{}, {}, {}, {"depth": 2}]
    stored = rows.with_format("arrow")[:].to_pylist()
    assert [wrong_pair(row) for row in stored] == [None] * 4


def test_kto_rows_are_the_pairs_unpaired_and_ties_are_told(of_rows: Any) -> None:
    from datasets import load_dataset
    from trl.data_utils import unpair_preference_dataset

    rows = [*every_kind(), plain_pair(9, p_chosen=0.5)]
    result = of_rows(rows, "kto")
    assert result.left_out == {"a tie, which has no better answer": 1}
    (path,) = result.files
    written = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
    columns = ["prompt", "chosen", "rejected", "tools", "chat_template_kwargs"]
    pairs = preference_dataset_dict({"train": rows[:4]})["train"].select_columns(columns)
    unpaired = unpair_preference_dataset(pairs)
    for name in ("prompt", "completion", "label", "tools", "chat_template_kwargs"):
        assert written[name][:] == unpaired[name][:]
    assert written["p"][:] == [0.75] * 4 + [0.25] * 4


def test_openrlhf_and_nemo_get_roles_and_texts_and_say_what_is_left_out(of_rows: Any) -> None:
    rows = [*every_kind(), plain_pair(9, p_chosen=0.5)]
    told = {"a tie, which has no better answer": 1}
    for format, trainer in (("openrlhf", "OpenRLHF"), ("nemo", "NeMo RL")):
        result = of_rows(rows, format)
        assert result.left_out == {**told, f"tools or tool calls, which {trainer} does not show to the model": 1}
        assert any("thinking" in what for what in result.not_held)
    talk = every_kind()[1]
    turns = [message.to_json() for message in talk.prompt]
    openrlhf, nemo = (lines_of(of_rows(rows, format)) for format in ("openrlhf", "nemo"))
    assert len(openrlhf) == len(nemo) == 3
    ids = {"comparison_id": talk.comparison_id, "prompt_id": talk.prompt_id}
    better, worse = [{"role": "assistant", "content": "yes indeed"}], [{"role": "assistant", "content": "no never"}]
    assert openrlhf[1] == {"prompt": turns, "chosen": better, "rejected": worse, **ids}
    completions = [{"rank": 0, "completion": better}, {"rank": 1, "completion": worse}]
    assert nemo[1] == {"context": turns, "completions": completions, **ids}
    with pytest.raises(DataError, match="nemo: none of the pairs can be held"):
        of_rows([every_kind()[2]], "nemo")


def test_jsonl_holds_every_row_as_it_is(of_rows: Any) -> None:
    rows = [*every_kind(), plain_pair(9, p_chosen=0.5, license="mit", raters=("a", "b"), decided_by="person")]
    result = of_rows(rows, "jsonl")
    assert (result.left_out, result.not_held) == ({}, ())
    assert [Preference.from_json(row) for row in lines_of(result)] == rows


def test_a_table_for_people_opens_as_utf8_and_keeps_lines_in_their_cells(of_rows: Any) -> None:
    prompt = Prompt(messages=(said("user", 'say "hé"\nnow'),))
    attack = preference(prompt, said("assistant", '=HYPERLINK("http://x","y")'), said("assistant", "no"))
    (path,) = of_rows([attack, every_kind()[2]], "csv").files
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "by which spreadsheets know the encoding"
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["prompt"] == 'say "hé"\nnow'
    assert first["chosen"] == '\'=HYPERLINK("http://x","y")'
    assert first["p_chosen"] == "0.75"
    assert second["chosen"].startswith('assistant: (calls) {"name": "look"')
    assert read_rows(path)[0].values["rejected"] == "no", "the project reads its own tables"


def test_an_export_replaces_its_own_files_and_nothing_else(of_rows: Any, tmp_path: Path) -> None:
    of_rows(every_kind(), "csv")
    of_rows(every_kind()[:1], "csv")
    assert len(read_rows(tmp_path / "csv/train.csv")) == 1
    (tmp_path / "csv/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds files that no export has left there like this \(notes.txt\)"):
        of_rows(every_kind(), "csv")
    with pytest.raises(ConfigError, match="no format 'ktoo'; did you mean 'kto'"):
        of_rows(every_kind(), "ktoo")


@pytest.mark.parametrize("name", ["train.csv", "test.jsonl", "train.parquet"])
def test_files_of_somebody_else_are_refused_by_name_and_kept_whatever_they_are_called(
    of_rows: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / name).write_text("mine")
    with pytest.raises(ConfigError, match=name):
        of_rows(every_kind(), "csv")
    assert [(path.name, path.read_text()) for path in (tmp_path / "csv").iterdir()] == [(name, "mine")]


def test_an_export_that_somebody_edited_or_that_fails_is_kept(of_rows: Any, tmp_path: Path) -> None:
    (path,) = of_rows(every_kind(), "nemo").files
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    with pytest.raises(DataError, match="none of the pairs can be held"):
        of_rows([every_kind()[2]], "nemo")
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before
    path.write_text("corrected by hand")
    with pytest.raises(ConfigError, match=r"train.jsonl"):
        of_rows(every_kind(), "nemo")
    assert path.read_text() == "corrected by hand"


def test_another_format_takes_the_place_of_an_earlier_one_even_after_it_was_cut_off(
    of_rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = of_rows(every_kind(), "csv").files
    (tmp_path / "trl").symlink_to(old.parent)
    unlink = Path.unlink

    def killed(self: Path, missing_ok: bool = False) -> None:
        """Just before the old file is deleted."""
        if self.name == "train.csv":
            raise KeyboardInterrupt
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        of_rows(every_kind(), "trl")
    assert {path.name for path in old.parent.glob("train.*")} == {"train.csv", "train.parquet"}
    monkeypatch.setattr(Path, "unlink", unlink)
    of_rows(every_kind(), "trl")
    assert {path.name for path in old.parent.iterdir()} == {"train.parquet", ".amendment-export.json"}


class Tokenised:
    """What TRL's own trainers make of rows when they are made; nothing is trained."""

    def __init__(self, model: Path, tokenizer: Any, folder: Path) -> None:
        self.model, self.tokenizer, self.folder = str(model), tokenizer, str(folder)

    def __call__(self, kind: str, rows: Any) -> Any:
        import trl

        settings = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True, "max_length": None}
        config = getattr(trl, f"{kind}Config")(output_dir=self.folder, per_device_train_batch_size=2, **settings)
        trainer = getattr(trl, f"{kind}Trainer")(
            model=self.model, args=config, train_dataset=rows, processing_class=self.tokenizer
        )
        return trainer.train_dataset

    def text(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids))


@pytest.fixture
def tokenised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tokenised:
    from amendment.training import TinyModel, build_tiny, load_tokenizer

    monkeypatch.setattr("trl.trainer.base_trainer._BaseTrainer._send_telemetry", lambda self: None)
    shape = TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=512)
    build_tiny(tmp_path / "tiny", ["yes no look it up be kind"] * 4, shape, seed=1)
    return Tokenised(tmp_path / "tiny", load_tokenizer(tmp_path / "tiny"), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_every_trainer_of_trl_takes_every_row(of_rows: Any, tokenised: Tokenised) -> None:
    from datasets import Features, Json, List, load_dataset

    rows = every_kind()
    (trl_file,) = of_rows(rows, "trl").files
    (kto_file,) = of_rows(rows, "kto").files
    pairs, answers = (
        load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
        for path in (trl_file, kto_file)
    )
    for row, source in zip(tokenised("DPO", pairs), rows, strict=True):
        assert tokenised.text(row["prompt_ids"]).endswith("<|assistant|>")
        assert ("<|tools|>" in tokenised.text(row["prompt_ids"])) == bool(source.tools)
        assert ("<|system|>be kind" in tokenised.text(row["prompt_ids"])) == (source.prompt[0].role == "system")
        assert ("<|call|>" in tokenised.text(row["chosen_ids"])) == bool(source.chosen[0].tool_calls)
        assert tokenised.text(row["rejected_ids"]) == f"{source.rejected[0].content}<|end|>"
    for row, source in zip(tokenised("Reward", pairs), rows, strict=True):
        assert tokenised.text(row["rejected_ids"]).endswith(f"{source.rejected[0].content}<|end|>")
    labelled = tokenised("KTO", answers)
    assert labelled["label"][:] == [True] * 4 + [False] * 4
    assert [tokenised.text(ids) for ids in labelled["completion_ids"][4:]] == [
        f"{row.rejected[0].content}<|end|>" for row in rows
    ]
    whole = [{"messages": row["prompt"] + row["chosen"], "tools": row["tools"]} for row in pairs]
    features = Features({"messages": List(Json()), "tools": List(Json())})
    fine_tuned = tokenised("SFT", as_dataset(whole, features))
    assert [tokenised.text(ids).endswith("<|end|>") for ids in fine_tuned["input_ids"]] == [True] * 4
