"""Everything wrong with a run file is said at once, with its place and the way out, before anything is called."""

from __future__ import annotations

import gzip
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.evaluation.independence import kinship_warnings
from amendment.run import Patience, Run, Terms, check_run_file, load_run_file
from amendment.run.runfile.retired import RETIRED
from amendment.stages.audit import simulated_banner
from tests.command_line import amendment
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


def test_mistakes_of_form_hide_none_of_names_beside_them(tmp_path: Path) -> None:
    judging = "judging: {judges: [{model: w, protocol: lable-tokens}], orders: boht}\n"
    text = f"{START}candidates: [{{model: w, per_prompt: 2}}]\n{judging}"
    lines = complaints(tmp_path, f"{text}dataset: {{test_share: 3}}\ndpo: {{base: sft, stepz: 4}}\n")
    assert [line.removeprefix("run.yaml:").split(": ")[1] for line in lines] == [
        "judging.orders",
        "dataset.test_share",
        "dpo.stepz",
        "dpo.base",
        "judging.judges[0].protocol",
    ]


def test_a_run_says_the_same_as_a_check_and_writes_nothing(tmp_path: Path) -> None:
    text = START.replace("lilliput\n", "liliput\n").replace("{lilliput: 3}", "{path: gone.jsonl}")
    lines = complaints(tmp_path, text + "critique: {model: w}\n")
    with pytest.raises(ConfigError) as refused:
        Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
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


def test_the_first_rows_of_a_file_are_checked_and_nothing_is_concluded_of_the_others(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "p.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(f'{{"prompt":"q{i}","kind":"early"}}\n' for i in range(100_000))
        file.write('{"prompt":"q","kind":"late"}\n' * 9)
    (tmp_path / "rules.yaml").write_text(LATE)
    text = START.replace("lilliput: 3", "path: p.jsonl.gz, columns: {category: kind}").replace("lilliput", "rules.yaml")
    text = text.replace("provider: simulated", f"{FAR}, price: {{input: 1, output: 1}}, api_key_env: null")
    warnings = run_of(tmp_path, text + JUDGED).check()
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
    "evaluate: {policies: []}": "evaluate: measures nothing; name policies, or add the stage reward_model",
    "evaluate: {policies: [w]}\ndataset: {test_share: 0}": "evaluate: needs held-out prompts; set dataset.test_share",
    "evaluate: {policies: [w, w], judge: {model: v}}": "evaluate.policies: a policy is named twice",
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
    f"{JUDGED[:-2]}, jury: majority}}": "judging.jury: majority combines several judges, and there is only one",
    f"{JUDGED[:-2]}, labelled: judge}}": "judging.labelled: labelled is now judge_labelled",
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


@pytest.mark.parametrize("rules", ["critique: {model: w}", "evaluate: {policies: [w, v], judge: {model: w}}"])
def test_rules_are_asked_for_where_they_are_needed(rules: str, tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, START.replace("constitution: lilliput\n", "") + rules)
    assert "needs a constitution; add a line such as: constitution: helpful-honest" in line


@pytest.mark.parametrize(
    "text", ["", "- a\n", "name: [\n", "name: t\nname: u\n", "\x00\x01", "name: !!python/x t", "name: t\n"]
)
def test_what_is_no_run_file_is_told(text: str, tmp_path: Path) -> None:
    lines = complaints(tmp_path, text)
    assert lines
    assert all(line.startswith("run.yaml") for line in lines)


def test_prompts_that_no_principle_speaks_about_are_told_before_anything_is_paid_for(tmp_path: Path) -> None:
    rules = "id: ours\nversion: 1.0.0\ntitle: t\nlicense: CC0-1.0\nprinciples:\n"
    rules += "  - {id: one, statement: Be right., critique: [Is it?], revise: [Put it right.], compare: [Which?],\n"
    (tmp_path / "ours.yaml").write_text(f"{rules}     applies_when: {{categories: [code, physics]}}}}\n")
    text = START.replace("lilliput\n", "./ours.yaml\n") + "critique: {model: w}\n" + JUDGED
    for line, role in zip(complaints(tmp_path, text), ("revise", "compare"), strict=True):
        assert line.startswith("run.yaml:2:15: constitution: no principle that applies to prompts of category ")
        assert f"has a `{role}` text; add one" in line
        assert ("'facts'" in line, "'code'" in line) == (True, False)


def test_a_tracker_is_looked_for_before_anything_is_paid(tmp_path: Path) -> None:
    absent = next(name for name in ("trackio", "mlflow", "wandb", "tensorboard") if find_spec(name) is None)
    lines = complaints(
        tmp_path, START + JUDGED + f"base: {{on: chosen}}\nsft: {{base: ./b, trl: {{report_to: [{absent}]}}}}"
    )
    assert any(f"sft.trl: report_to: {absent} is not installed; pip install {absent}" in line for line in lines)


def test_a_model_folder_is_looked_for_beside_the_run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our-model").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / "our-model" / name).write_text("{}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert complaints(tmp_path, START, "models.v={provider: local, model: ./our-model}") == []


@pytest.mark.parametrize("part", ["critique: {model: w}\n", "candidates: [{model: w, take: 4}]\n"])
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
    overrides = [
        "candidates.1.per_prompt=5",
        "models.second.biases.position=1.5",
        "constitution=[lilliput, helpful-honest]",
        "models.third={provider: simulated}",
        "judging=",
    ]
    config = load_run_file(small, overrides).config
    assert getattr(config.candidates[1], "per_prompt", None) == 5
    assert config.models["second"].model_dump()["biases"]["position"] == 1.5
    assert config.constitution == ("lilliput", "helpful-honest")
    assert "third" in config.models
    assert config.judging is None
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
    "judging.princples_per_pair=1": "unknown key 'princples_per_pair' (did you mean 'principles_per_pair'?)",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_bad_override_is_told(override: str, small: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(BAD_OVERRIDES[override])):
        load_run_file(small, [override])


def test_limit_takes_the_first_of_each_source(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: t\nprompts: [{lilliput: 9}, {path: r.jsonl, take: 2}, {path: r.jsonl}]\n"
        "candidates: [{path: r.jsonl}]\npairs: [{path: r.jsonl}]\n"
    )
    config = load_run_file(path, limit=3).config
    first, *others = config.prompts
    assert getattr(first, "lilliput", None) == 3
    assert [getattr(one, "take", None) for one in (*others, *config.candidates, *config.pairs)] == [2, 3, 3, 3]


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


FAMILIES = """\
name: t
constitution: helpful-honest
models:
  writer: {AT, model: WRITER}
  judge: {AT, model: JUDGE}
  second: {AT, model: 'qwen2.5:7b'}
prompts: [{path: p.jsonl}]
candidates: [{model: writer, per_prompt: 2}]
judging:
  judges: [{model: judge}]
""".replace("AT", "provider: openai, base_url: 'http://127.0.0.1:1/v1'")


@pytest.mark.parametrize(
    ("writer", "judge", "more", "words"),
    [
        ("gpt-5.4-mini", "o3", "", "The judge judge (o3) and the writer writer (gpt-5.4-mini) are both of the family"),
        ("house-7b", "house-7b", "", "are the same model"),
        ("Qwen/Qwen3-8B", "gpt-5.4", "  cascade: [{model: second}]\n", "The judge second (qwen2.5:7b)"),
        ("house-7b", "other-7b", "  judge_labelled: true\n", "judging.judge_labelled changes nothing"),
        ("gpt-5.4-mini", "claude-haiku-5-5", "", None),
    ],
)
def test_a_judge_and_a_writer_of_one_family_are_warned_of(
    writer: str, judge: str, more: str, words: str | None, tmp_path: Path
) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "question"}])
    text = FAMILIES.replace("WRITER", writer).replace("JUDGE", judge) + more
    lines = run_of(tmp_path, text, terms=Terms(allow_unpriced=True)).check()
    assert [line for line in lines if words and words in line] == lines
    assert len(lines) == (words is not None)


def test_the_command_and_the_run_show_warnings_first(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "question"}])
    run = run_of(
        tmp_path,
        FAMILIES.replace("WRITER", "house-7b").replace("JUDGE", "house-7b"),
        progress=(told := Said()),
        patience=Patience(1, 0, 0),
        terms=Terms(allow_unpriced=True),
    )
    with pytest.raises(Exception, match="pending"):  # nobody answers at that port
        run()
    [warning] = json.loads((tmp_path / "run/summary.json").read_text())["warnings"]
    assert warning in told.lines
    ended = amendment("check", tmp_path / "run.yaml")
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"warning: {warning}")
    assert kinship_warnings(run.config, decides=False) == [], "of a judge that decided no pair"


def test_models_without_a_price_and_mistakes_in_a_price_table_are_told_at_their_places(tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, sold(tmp_path, SHOP))
    assert "models.writer.model: no known price for writer" in line
    (tmp_path / "ours.yaml").write_text("prices:\n  - host: shop.example/v1\n    models: {m: {input: -1, output: x}}\n")
    first, second = complaints(tmp_path, sold(tmp_path, f"{SHOP}, max_tokens: 9") + "prices: ours.yaml\n")
    assert first.startswith("ours.yaml:3:25: prices[0].models.m.input: found -1")
    assert second.startswith("ours.yaml:3:37: prices[0].models.m.output: found the text 'x'")


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
    text = START.replace("v: {provider: simulated}", f"v: {{provider: {entry}, base_url: 'http://127.0.0.1:1'}}")
    text += f"candidates: [{{model: w, per_prompt: 2}}]\njudging: {{judges: [{{model: v, protocol: {protocol}}}]}}\n"
    lines = run_of(tmp_path, text, terms=Terms(allow_unpriced=True)).check()
    assert any("models.v.max_tokens: v thinks before each verdict" in line for line in lines) == is_warned


def test_candidates_that_nothing_compares_are_warned_of(tmp_path: Path) -> None:
    text = START + "critique: {model: w}\ncandidates: [{from: critique, take: draft_and_last}]\n"
    assert run_of(tmp_path, text + "judging: {judges: [{model: w}]}\n").check() == []
    [line] = run_of(tmp_path, text).check()
    assert line.endswith("run.yaml:6:13: candidates: nothing compares them; add judging:, or remove candidates:")


@pytest.mark.parametrize("part", ["spot_check:", "dpo: {guards: }"])
def test_a_part_that_is_left_blank_is_no_part_without_a_word(part: str, tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, f"name: x\nprompts: [{{lilliput: 1}}]\n{part}\n")
    assert re.match(r"run.yaml:3:\d+: (spot_check|dpo.guards): nothing comes", line)


def test_a_retired_key_and_a_retired_value_are_refused_at_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RETIRED, "models.*.pace", "is gone; take the line out")
    monkeypatch.setitem(RETIRED, "judging.jury=oldest", "is gone; use jury: mean")
    lines = complaints(tmp_path, "name: x\nmodels:\n  a: {pace: 3}\njudging:\n  jury: oldest\n")
    assert "run.yaml:3:13: models.a.pace: is gone; take the line out" in lines
    assert "run.yaml:5:9: judging.jury: is gone; use jury: mean" in lines
