"""Everything wrong with a run file is said at once, with its place and the way out, before anything is called."""

from __future__ import annotations

import gzip
import json
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.evaluation.independence import kinship_warnings
from amendment.run import Patience, Run, Terms, check_run_file, load_run_file
from amendment.run.runfile.retired import RETIRED
from amendment.stages.audit import simulated_banner
from tests.command_line import called
from tests.rows import save
from tests.run.small_runs import Said, complaints, run_of

START = """\
name: t
constitution: lilliput
models: {w: {provider: simulated}, v: {provider: simulated}}
prompts: [{lilliput: 3}]
"""
FAR = "provider: openai, base_url: 'http://127.0.0.1:1/v1', model: x"


def test_everything_that_is_not_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    text = (
        "name: t\n"
        "constitution: [liliput, ./gone.yaml]\n"
        "models:\n"
        f"  far: {{{FAR}, api_key_env: OUR_KEY}}\n"
        "  near: {provider: local, model: ./no-model}\n"
        "prompts: [{path: gone.jsonl}]\n"
        "critique: {model: far}\n"
        "candidates: [{from: critique, take: all}]\n"
        "judging: {judges: [{model: far, protocol: label-token}]}\n"
        "sft: {base: ./no-base}\n"
    )
    lines = complaints(tmp_path, text)
    for place, words in {
        "2:16: constitution[0]": "no constitution 'liliput' (did you mean 'lilliput'?)",
        "2:25: constitution[1]": "gone.yaml: there is no such file",
        "4:8: models.far": "environment variable OUR_KEY is not set",
        "5:9: models.near": "no-model: no such folder",
        "9:43: judging.judges[0].protocol": "no judge 'label-token' (did you mean 'label-tokens'?)",
        "10:13: sft.base": "no such folder",
    }.items():
        (line,) = [line for line in lines if line.startswith(f"run.yaml:{place}: ")]
        assert words in line
    assert lines[-1] == "run.yaml:6:18: prompts[0].path: gone.jsonl: no such file"
    assert len(lines) == 7
    # and with a key that does not exist, the parts that have the right shape are looked at
    lines = complaints(tmp_path, text.replace("critique: {", "critique: {runds: 2, "))
    assert any("unknown key 'runds'" in line for line in lines)
    assert any("OUR_KEY is not set" in line for line in lines)


def test_a_run_says_the_same_as_a_check_and_writes_nothing(tmp_path: Path) -> None:
    text = START.replace("lilliput\n", "liliput\n").replace("{lilliput: 3}", "{path: gone.jsonl}")
    lines = complaints(tmp_path, text + "critique: {model: w}\n")
    for until in (None, "critique"):
        with pytest.raises(ConfigError) as refused:
            Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")(until=until)
        assert len(refused.value.problems) == len(lines) == 2
        assert not (tmp_path / "run").exists()


LATE = """\
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
principles:
  - {id: late, statement: Be late., compare: [Which is later?], applies_when: {categories: [late]}}
  - {id: kind, statement: Be kind., compare: [Which is kinder?]}
"""


@pytest.mark.slow
def test_a_small_file_of_a_million_rows_is_checked_by_its_first_rows_and_nothing_is_concluded_of_the_others(
    tmp_path: Path,
) -> None:
    with gzip.open(tmp_path / "p.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(f'{{"prompt":"q{i}","kind":"early"}}\n' for i in range(100_000))
        file.write('{"prompt":"q","kind":"late"}\n' * 900_000)
    (tmp_path / "rules.yaml").write_text(LATE)
    text = START.replace("lilliput: 3", "path: p.jsonl.gz, columns: {category: kind}").replace("lilliput", "rules.yaml")
    text = text.replace("provider: simulated", f"{FAR}, price: {{input: 1, output: 1}}, api_key_env: null")
    began = time.process_time()
    warnings = run_of(tmp_path, text + JUDGED).check()
    assert time.process_time() - began < 20, "all rows take a minute"
    assert [line for line in warnings if "check read only the first 100,000 rows" in line]
    assert not [line for line in warnings if "no prompt selects" in line], "the others are of its category"


JUDGED = "candidates: [{model: w, per_prompt: 2}]\njudging: {judges: [{model: w}]}\n"
TRAINED = f"{JUDGED}base: {{on: nothing}}\n"
WRONG = {
    "critique: {model: wv}": "critique.model: no model 'wv' under models (did you mean 'w'?); there are w, v",
    "candidates: [{model: dpo}]": "candidates[0].model: the run has no stage 'dpo'; add it, or name a model",
    "candidates: [{model: w, per_prompt: 2}, {model: v}, {model: w, per_prompt: 3}]": "candidates[2].model: "
    "candidates[0] names w too, and both would draw the same answers; write one entry, with per_prompt: 5",
    "candidates: [{from: critique}]": "from: critique needs the stage critique",
    "models: {sft: {provider: simulated}}": "'sft' is the name of a stage",
    "sft: {base: base, on: chosen}": "sft.base: the run has no stage 'base'",
    "sft: {base: ./x}": "sft: learns from drafts or revisions, which the stage critique makes; add it, or train",
    "sft: {base: ./x, on: chosen}": "sft: has no pairs to train on; add judging, construct, or pairs of your own",
    "base: {}": "base: learns from drafts or revisions, which the stage critique makes; add it, or train",
    "base: {on: nothing}": "base: has no pairs to train on; add judging, construct, or pairs of your own",
    "reward_model: {base: ./x}": "has no pairs to train on; add judging, construct, or pairs of your own",
    "dpo: {base: ./x}": "has no pairs to train on; add judging, construct, or pairs of your own",
    "judging: {judges: [{model: v}]}": "judging: has nothing to compare; add candidates",
    "critique: {model: w}\ncandidates: [{from: critique}]\njudging: {judges: [{model: w}]}": "has nothing to compare; "
    "add candidates, so that each prompt has two or more",
    "base: {on: chosen}\ncandidates: [{model: w}, {model: base}]\njudging: {judges: [{model: w}]}": "cycle: base -> "
    "dataset -> candidates -> base",
    "pairs: [{path: p.csv}]\njudging: {judges: [{model: v}]}\ndpo: {base: org/any}\nrounds: {n: 2, per_prompt: 4}": (
        "judging.judge_labelled: true"
    ),
    "models: {w: {provider: simulated, logprobs: false}}\n"
    + JUDGED.replace("{model: w}]", "{model: w, protocol: label-tokens}]"): "and model w shows none; use "
    "protocol: verdict with samples",
    f"models: {{w: {{{FAR}, effort: low}}}}\n"
    + JUDGED.replace("{model: w}]", "{model: w, protocol: label-tokens}]"): "and model w, while it thinks",
    "models: {w: {provider: simulated, logprobs: false}}\n"
    + JUDGED.replace("{model: w}]", "{model: w, protocol: keeps}]"): "keeps reads token probabilities, and model w",
    JUDGED.replace(
        "{model: w}]", "{model: w, protocol: likelihood}]"
    ): "log-probability of a given answer, and model w returns none",
    f"models: {{w: {{{FAR}, prompt_logprobs: true}}}}\n"
    + JUDGED.replace("{model: w}]", "{model: w, protocol: likelihood, samples: 2}]"): (
        "judging.judges[0].samples: likelihood draws nothing"
    ),
    f"models: {{w: {{{FAR}, prompt_logprobs: true}}}}\n"
    + JUDGED.replace("{model: w}]", "{model: w, protocol: likelihood}]"): "its opposite, and lilliput/correct",
    JUDGED.replace("{model: w}]", "{model: w, protocol: label-tokens, samples: 5}]"): "judging.judges[0].samples: "
    "label-tokens reads all probabilities from one reply",
    "evaluate: {policies: [sft]}": "evaluate.policies[0]: the run has no stage 'sft'",
    "evaluate: {policies: [gpt]}": "evaluate.policies[0]: no model 'gpt' under models",
    "evaluate: {policies: []}": "evaluate: measures nothing; name policies, or add the stage reward_model",
    "evaluate: {policies: [w]}\ndataset: {test_share: 0}": "evaluate: needs held-out prompts; set dataset.test_share",
    "evaluate: {policies: [w, w], judge: {model: v}}": "evaluate.policies: a policy stands here twice",
    "pairs: [{path: p.csv}]\nevaluate: {policies: [w, v]}": "give a principle a `check` that code can run, or add a "
    "judge",
    "dpo: {base: ./x, guards: {judge: {model: no}}}": "dpo.guards.judge.model: no model 'no' under models",
    "critique: {model: w}\nsft: {base: ./x, helpful_share: 0.5, helpful: {drafts_of: [astrology]}}": (
        "drafts_of[0]: no prompt has category 'astrology'; there are"
    ),
    "critique: {model: w}\nsft: {base: ./x, helpful_share: 0.2, helpful: [{path: gone.csv}]}": "gone.csv",
    "sft: {base: ./x, helpful_share: 0.2}": "helpful_share needs answers to take",
    "sft: {base: ./x, helpful: {drafts_of: [chat]}}": "helpful names answers, and none is taken: set helpful_share",
    "sft: {base: ./x, helpful_share: 0.2, helpful: {}}": "sft.helpful",
    "sft: {base: ./x, helpful_share: 1, helpful: {drafts_of: [chat]}}": "less than 1",
    f"{JUDGED[:-2]}, jury: weighted}}": "judging.jury: learns from comparisons that people have decided",
    f"{JUDGED[:-2]}, jury: majority}}": "judging.jury: majority puts several judges together, and there is one",
    f"{JUDGED[:-2]}, labelled: judge}}": "judging.labelled: labelled is now judge_labelled",
    f"{JUDGED[:-2]}, cascade: [{{model: nobody}}]}}": "judging.cascade[0].model: no model 'nobody'",
    f"{JUDGED[:-2]}, cascade: [{{model: w}}]}}": "judging.cascade[0]: w judges by",
    f"{JUDGED[:-2]}, cascade: [{{model: v}}], confidence: 0}}": "judging.confidence: found 0",
    TRAINED + "sft: {base: base, on: chosen, launch: {processes: 2}}": "sft.launch: is gone; train from Python",
}


@pytest.mark.parametrize("part", WRONG)
def test_what_a_run_cannot_mean_is_told_at_its_place(part: str, tmp_path: Path) -> None:
    kept = [line for line in START.splitlines() if not (part.startswith("models") and line.startswith("models"))]
    lines = complaints(tmp_path, "\n".join([*kept, part, ""]))
    assert any(WRONG[part] in line for line in lines), lines
    assert all(re.match(r"run\.yaml:\d+:\d+: |p\.csv: ", line) for line in lines)


RIGHT = {
    "a base that learns nothing takes its words from drafts": "critique: {model: w}\nbase: {on: nothing}\n",
    "a draft beside its revision": "critique: {model: w}\ncandidates: [{from: critique, take: draft_and_last}]\n"
    "judging: {judges: [{model: w}]}\n",
}


@pytest.mark.parametrize("part", RIGHT.values(), ids=RIGHT)
def test_what_only_looks_wrong_is_not_told(part: str, tmp_path: Path) -> None:
    assert complaints(tmp_path, START + part) == []


@pytest.mark.parametrize("rules", ["critique: {model: w}", "evaluate: {policies: [w, v], judge: {model: w}}"])
def test_rules_are_asked_for_where_they_are_needed(rules: str, tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, START.replace("constitution: lilliput\n", "") + rules)
    assert "needs a constitution; add a line such as: constitution: helpful-honest" in line


@pytest.mark.parametrize(
    "text", ["", "- a\n", "3\n", "name: [\n", "name: t\nname: u\n", "\x00\x01", "name: !!python/x t", "name: t\n"]
)
def test_what_is_no_run_file_is_told(text: str, tmp_path: Path) -> None:
    lines = complaints(tmp_path, text)
    assert lines
    assert all(line.startswith("run.yaml") for line in lines)


def test_prompts_that_no_principle_speaks_about_are_told_before_anything_is_paid_for(tmp_path: Path) -> None:
    rules = "id: ours\nversion: 1.0.0\ntitle: t\nlicense: CC0-1.0\nsource: {kind: original}\nprinciples:\n"
    for name in ("one", "two"):
        rules += (
            f"  - id: {name}\n    statement: Be right about {name}.\n    critique: [What is wrong about {name}?]\n"
            f"    revise: [Put {name} right.]\n    compare: [Which is more right about {name}?]\n"
            "    applies_when: {categories: [code, physics]}\n"
        )
    (tmp_path / "ours.yaml").write_text(rules)
    text = START.replace("lilliput\n", "./ours.yaml\n") + "critique: {model: w}\n" + JUDGED
    for line, role in zip(complaints(tmp_path, text), ("revise", "compare"), strict=True):
        assert line.startswith("run.yaml:2:15: constitution: no principle that applies to prompts of category ")
        assert f"has a `{role}` text; add one" in line
        assert "'facts'" in line
        assert "'code'" not in line
    (tmp_path / "ours.yaml").write_text("id: ours\nversion: 1.0.0\ntitel: x\n")
    lines = complaints(tmp_path, text)
    assert len(lines) > 1
    assert all(line.startswith("run.yaml:2:15: constitution[0]: ours.yaml") for line in lines)


def test_a_tracker_is_looked_for_before_anything_is_paid(tmp_path: Path) -> None:
    absent = [name for name in ("trackio", "mlflow", "wandb", "tensorboard") if find_spec(name) is None]
    if not absent:
        pytest.skip("these libraries are installed here")
    lines = complaints(
        tmp_path, START + JUDGED + f"base: {{on: chosen}}\nsft: {{base: ./b, trl: {{report_to: [{absent[0]}]}}}}"
    )
    assert any(f"sft.trl: report_to: {absent[0]} is not installed; pip install {absent[0]}" in line for line in lines)


def test_a_model_folder_is_looked_for_beside_the_run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our-model").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / "our-model" / name).write_text("{}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert complaints(tmp_path, START, "models.v={provider: local, model: ./our-model}") == []


@pytest.mark.parametrize(
    "part",
    [
        "critique: {model: w}\n",
        "candidates: [{model: w, take: 4}]\n",
    ],
)
def test_simulated_models_are_not_asked_about_prompts_that_they_do_not_know(part: str, tmp_path: Path) -> None:
    text = f"{START}{part}pairs: [{{path: mine.csv}}]\n"
    row = {"prompt": "How do I bake bread?", "chosen": "With yeast.", "rejected": "No."}
    save(tmp_path / "mine.csv", [row])
    (line,) = complaints(tmp_path, text)
    assert "models.w: can answer only Lilliput's prompts; 1 of your 4 are not, such as 'How do I bake bread?'" in line
    if "take" in part:  # Lilliput's three come first
        assert complaints(tmp_path, text.replace("take: 4", "take: 3")) == []
    save(tmp_path / "mine.csv", [{**row, "prompt": "please add 3 8 thanks"}])
    assert complaints(tmp_path, text) == []
    assert complaints(tmp_path, START + "pairs: [{path: mine.csv}]\n") == []


def test_a_simulated_judge_of_other_prompts_is_a_warning_and_the_banner_names_it_alone(tmp_path: Path) -> None:
    save(tmp_path / "mine.jsonl", [{"prompt": "How do I bake bread?"}])
    (tmp_path / "run.yaml").write_text(
        f"name: mixed\nconstitution: lilliput\nmodels: {{w: {{{FAR}}}, j: {{provider: simulated}}}}\n"
        "prompts: [{path: mine.jsonl}]\ncandidates: [{model: w, per_prompt: 2}]\njudging: {judges: [{model: j}]}\n"
    )
    loaded = load_run_file(tmp_path / "run.yaml")
    (warning,) = [line for line in check_run_file(loaded) if "models.j: " in line]
    assert "can judge only Lilliput's prompts, and its other verdicts mean nothing; 1 of your 1 are not" in warning
    assert str(simulated_banner(loaded.config)).startswith("Simulated: all replies of j come from Lilliput")


def test_overrides_replace_add_and_take_out_and_the_file_stays_as_it_is(small: Path) -> None:
    before = small.read_bytes()
    config = load_run_file(
        small,
        [
            "candidates.1.per_prompt=5",
            "models.second.biases.position=1.5",
            "critique.principles.sampling=uniform",
            "judging.judges.0={model: writer, protocol: verdict, samples: 2}",
            "constitution=[lilliput, helpful-honest]",
            "models.third={provider: simulated}",
        ],
    ).config
    assert config.judging
    assert config.critique
    assert getattr(config.candidates[1], "per_prompt", None) == 5
    assert config.models["second"].model_dump()["biases"]["position"] == 1.5
    assert config.critique.principles.sampling == "uniform"
    assert config.judging.judges[0].samples == 2
    assert config.constitution == ("lilliput", "helpful-honest")
    assert "third" in config.models
    assert load_run_file(small, ["judging="]).config.judging is None
    assert small.read_bytes() == before


BAD_OVERRIDES = {
    "seed": "expected key.path=value",
    "=3": "expected key.path=value",
    "prompts.7.lilliput=3": "--set prompts.7.lilliput: there is no such place",
    "prompts.-1=3": "there is no such place",
    "prompts.²=3": "there is no such place",
    "seed.deep=3": "there is no such place",
    "seed=[1": "--set seed:",
    "seed=-1": "run.yaml:2:7: seed: found -1, expected at least 0",
    "judging.judges.0.samples=true": "run.yaml:13:12: judging.judges[0].samples: found true, expected a whole number",
    "judging.princples_per_pair=1": "unknown key 'princples_per_pair' (did you mean 'principles_per_pair'?)",
    "a..b=1": "unknown key 'a'",
    "prompts=[{path: p.jsonl, colum: q}]": "unknown key 'colum' (did you mean 'column'?)",
    "models.m={provider: openai, modle: m}": "unknown key 'modle' (did you mean 'model'?)",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_bad_override_is_told(override: str, small: Path) -> None:
    check_run_file(load_run_file(small), {})
    with pytest.raises(ConfigError, match=re.escape(BAD_OVERRIDES[override])):
        load_run_file(small, [override])


def test_limit_takes_the_first_of_each_source(tmp_path: Path) -> None:
    save(
        tmp_path / "r.jsonl", [{"prompt": f"q{i}", "candidate": "x", "chosen": "a", "rejected": "b"} for i in range(9)]
    )
    text = "name: t\nprompts: [{lilliput: 9}, {path: r.jsonl, take: 2}, {path: r.jsonl}]\n"
    run_of(tmp_path, text + "candidates: [{path: r.jsonl}]\npairs: [{path: r.jsonl}]\n")
    config = load_run_file(tmp_path / "run.yaml", limit=3).config
    first, *others = config.prompts
    assert getattr(first, "lilliput", None) == 3
    assert [getattr(one, "take", None) for one in (*others, config.candidates[0], config.pairs[0])] == [2, 3, 3, 3]


SHOP = "provider: openai, base_url: 'https://shop.example/v1', api_key_env: null, model: m"
PRICED = f"{SHOP}, price: {{input: 1, output: 2}}"
SOLD = """\
name: t
constitution: helpful-honest
prompts: [{path: p.jsonl}]
budget: {usd: 1}
models:
  writer: {WRITER}
  judge: {JUDGE}
critique: {model: writer}
candidates: [{from: critique, take: all}]
judging: {judges: [{model: judge, protocol: PROTOCOL}]}
"""


def sold(folder: Path, writer: str, judge: str = "provider: simulated", protocol: str = "label-tokens") -> str:
    save(folder / "p.jsonl", [{"prompt": "question"}])
    return SOLD.replace("WRITER", writer).replace("JUDGE", judge).replace("PROTOCOL", protocol)


@pytest.mark.parametrize(
    ("entries", "lacking"),
    [
        ([PRICED], "writer"),
        ([f"{PRICED}, max_tokens: 10"], None),
        ([f"{SHOP}, price: {{input: 0, output: 0}}"], None),
        ([SHOP.replace("https://shop.example", "http://localhost:1")], None),
        ([PRICED.replace("openai", "anthropic").replace("/v1", "")], None),  # the protocol has a limit
        ([f"{PRICED}, max_tokens: 10", PRICED], None),  # the judge names a letter
        ([f"{PRICED}, max_tokens: 10", PRICED, "verdict"], "judge"),
    ],
)
def test_an_answer_without_a_bound_is_told_where_there_is_a_budget(
    entries: list[str], lacking: str | None, tmp_path: Path
) -> None:
    lines = complaints(tmp_path, sold(tmp_path, *entries))
    bound = f"the budget needs a bound: set max_tokens for {lacking}, or max_output in its price"
    assert [line.partition(": models.")[2] for line in lines] == ([f"{lacking}: {bound}"] if lacking else [])
    if lacking:
        for start in (run := Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run"), run.plan):
            with pytest.raises(ConfigError, match=f"set max_tokens for {lacking}"):
                start()


def test_models_without_a_price_and_mistakes_in_a_price_table_are_told_at_their_places(tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, sold(tmp_path, SHOP))
    assert "models.writer.model: no known price for writer" in line
    (tmp_path / "ours.yaml").write_text("prices:\n  - host: shop.example/v1\n    models: {m: {input: -1, output: x}}\n")
    first, second = complaints(tmp_path, sold(tmp_path, f"{SHOP}, max_tokens: 9") + "prices: ours.yaml\n")
    assert first.startswith("ours.yaml:3:25: prices[0].models.m.input: found -1")
    assert second.startswith("ours.yaml:3:37: prices[0].models.m.output: found the text 'x'")


def warnings_of(folder: Path, writer: str, judge: str, more: str = "") -> list[str]:
    """What a check warns of where models of these names write and judge."""
    save(folder / "p.jsonl", [{"prompt": "question"}])
    entries = {"writer": writer, "judge": judge, "second": "qwen2.5:7b"}
    models = {
        name: {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": m} for name, m in entries.items()
    }
    text = f"name: t\nconstitution: helpful-honest\nmodels: {json.dumps(models)}\nprompts: [{{path: p.jsonl}}]\n"
    text += "candidates: [{model: writer, per_prompt: 2}]\njudging:\n  judges: [{model: judge}]\n" + more
    run = run_of(folder, text, progress=(told := Said()), patience=Patience(1, 0, 0), terms=Terms(allow_unpriced=True))
    run.check()
    with pytest.raises(Exception, match="pending"):  # nobody answers at that port
        run()
    summary = json.loads((folder / "run/summary.json").read_text())
    assert all(line in told.lines for line in summary["warnings"]), "said at the start, too"
    if "judge_labelled" not in more:
        assert kinship_warnings(run.config, decides=False) == [], "of a judge that decided no pair"
    return list(summary["warnings"])


@pytest.mark.parametrize(
    ("writer", "judge", "more", "words"),
    [
        (
            "gpt-5.4-mini",
            "o3",
            "",
            "The judge judge (o3) and the writer writer (gpt-5.4-mini) are both of the family openai",
        ),
        ("house-7b", "house-7b", "", "are the same model"),
        ("Qwen/Qwen3-8B", "gpt-5.4", "  cascade: [{model: second}]\n", "The judge second (qwen2.5:7b)"),
        ("house-7b", "other-7b", "  judge_labelled: true\n", "judging.judge_labelled changes nothing"),
        ("gpt-5.4-mini", "claude-haiku-5-5", "", None),
        ("house-7b", "other-7b", "", None),
    ],
)
def test_a_judge_and_a_writer_of_one_family_are_warned_of(
    writer: str, judge: str, more: str, words: str | None, tmp_path: Path
) -> None:
    lines = warnings_of(tmp_path, writer, judge, more)
    assert len(lines) == (words is not None)
    assert not words or words in lines[0]


@pytest.mark.parametrize(
    ("entry", "protocol", "is_warned"),
    [
        ("openai, model: gpt-5-mini, max_tokens: 2048", "verdict", True),
        ("openai, model: gpt-5-mini, max_tokens: 4096", "verdict", False),
        ("openai, model: gpt-5-mini", "verdict", False),
        ("openai, model: gpt-5.6-luna, max_tokens: 2048, effort: none", "verdict", False),
        ("openai, model: house-7b, max_tokens: 2048, effort: low", "reasoned", True),
        ("openai, model: gpt-5-mini, max_tokens: 2048", "label-tokens", False),
        ("openai, model: Qwen/Qwen3-8B, max_tokens: 700", "verdict", True),
        ("openai, model: Qwen3-4B-Instruct-2507, max_tokens: 700", "verdict", False),
        ("openai, model: gpt-4.1, max_tokens: 700", "verdict", False),
        ("anthropic, model: claude-opus-5", "verdict", True),
        ("anthropic, model: claude-haiku-4-5", "verdict", False),
    ],
)
def test_a_judge_that_thinks_within_a_small_limit_is_warned_of(
    entry: str, protocol: str, is_warned: bool, tmp_path: Path
) -> None:
    at = "base_url: 'http://127.0.0.1:1', api_key_env: null"
    text = f"name: t\nconstitution: lilliput\nmodels: {{w: {{provider: simulated}}, j: {{provider: {entry}, {at}}}}}\n"
    text += "prompts: [{lilliput: 4}]\ncritique: {model: w}\ncandidates: [{from: critique, take: draft_and_last}]\n"
    run = run_of(tmp_path, text + f"judging: {{judges: [{{model: j, protocol: {protocol}}}]}}\n")
    lines = run.check()
    assert [line for line in run.plan().warnings if "thinks before" in line] == lines
    assert len(lines) == is_warned
    assert not lines or "models.j.max_tokens: j thinks before each verdict, within the same limit: found " in lines[0]


def test_candidates_that_nothing_compares_are_warned_of(tmp_path: Path) -> None:
    text = "name: t\nconstitution: lilliput\nmodels: {w: {provider: simulated}}\nprompts: [{lilliput: 4}]\n"
    text += "critique: {model: w}\ncandidates: [{from: critique, take: draft_and_last}]\n"
    assert run_of(tmp_path, text + "judging: {judges: [{model: w}]}\n").check() == []
    [line] = run_of(tmp_path, text).check()
    assert line.replace(f"{tmp_path}/", "") == (
        "run.yaml:6:13: candidates: nothing compares them; add judging:, or remove candidates:"
    )
    [note] = run_of(tmp_path, text)().results["critique"].notes
    assert note.endswith("To compare them, add judging:"), "what is there is not asked for"


def test_the_command_shows_warnings_before_it_says_that_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warnings_of(tmp_path, "gpt-5.4-mini", "gpt-5.4-mini")
    assert called("check", tmp_path / "run.yaml") == 0
    shown: list[Any] = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(
        "warning: The judge judge (gpt-5.4-mini) and the writer writer (gpt-5.4-mini) are the same model"
    )
    assert shown[-1].endswith("no problems")


@pytest.mark.parametrize("part", ["spot_check:", "dpo: {guards: }", "budget:"])
def test_a_part_that_is_left_blank_is_no_part_without_a_word(part: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"name: x\nprompts: [{{lilliput: 1}}]\n{part}\n")
    with pytest.raises(ConfigError, match=r"run.yaml:3:\d+: (spot_check|dpo.guards|budget): nothing stands"):
        load_run_file(path)


def test_entries_that_are_wrong_do_not_make_their_list_too_short(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: x\nprompts: [{lilliput: 1}]\njudging: {judges: [{model: j, samples: three}]}\n")
    with pytest.raises(ConfigError) as caught:
        load_run_file(path)
    [problem] = caught.value.problems
    assert problem.place.endswith("judging.judges[0].samples")


def test_a_constitution_is_no_run_file_and_says_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("id: x\nprinciples: [{id: a, text: b}]\n")
    with pytest.raises(ConfigError, match="is a constitution; name it under"):
        load_run_file(path)


def test_a_retired_key_and_a_retired_value_are_refused_at_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RETIRED, "models.*.pace", "is gone; take the line out")
    monkeypatch.setitem(RETIRED, "judging.jury=oldest", "is gone; use jury: mean")
    file = tmp_path / "run.yaml"
    file.write_text("name: x\nmodels:\n  a: {pace: 3}\njudging:\n  jury: oldest\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_run_file(file)
    places = [(problem.place.removeprefix(str(tmp_path)), problem.message) for problem in refused.value.problems]
    assert ("/run.yaml:3:13: models.a.pace", "is gone; take the line out") in places
    assert ("/run.yaml:5:9: judging.jury", "is gone; use jury: mean") in places
