"""Everything wrong with a run file is said at once, with its place and the way out, before anything is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from amendment.errors import AmendmentError, ConfigError
from amendment.run import Run, check_run_file, load_run_file

Write = Callable[[str], Path]
MINIMAL = "name: t\nprompts: [{lilliput: 3}]\n"


def complaints(path: Path, *overrides: str) -> list[str]:
    """What loading and checking say, line by line, without the folder."""
    try:
        Run.from_file(path, overrides=overrides, folder=path.parent / "run").check()
    except AmendmentError as fault:
        return [line.replace(str(path.parent) + "/", "") for line in str(fault).split("\n")]
    finally:
        assert not (path.parent / "run").exists(), "a check makes nothing"
    return []


def test_five_mistakes_give_five_lines_with_places_and_suggestions(run_file: Write) -> None:
    path = run_file(
        "name: Five Mistakes\n"
        "seeed: 7\n"
        "models:\n"
        "  writer: {provider: simulatd}\n"
        "prompts: [{lilliput: 0}]\n"
        "critique: {model: writer, rounds: many}\n"
    )
    assert complaints(path) == [
        "run.yaml:1:7: name: found the text 'Five Mistakes', expected text of the form ^[a-z0-9][a-z0-9_.-]{0,79}$",
        "run.yaml:2:1: seeed: unknown key 'seeed' (did you mean 'seed'?)",
        "run.yaml:4:22: models.writer.provider: found 'simulatd', expected one of openai, anthropic, local, simulated "
        "(did you mean 'simulated'?)",
        "run.yaml:5:22: prompts[0].lilliput: found 0, expected at least 1",
        "run.yaml:6:35: critique.rounds: found the text 'many', expected a whole number",
    ]


def test_everything_that_is_not_there_is_said_at_once(run_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    path = run_file(
        "name: t\n"
        "constitution: [liliput, ./gone.yaml]\n"
        "models:\n"
        "  far: {provider: openai, base_url: 'http://127.0.0.1:1/v1', model: x, api_key_env: OUR_KEY}\n"
        "  near: {provider: local, model: ./no-model}\n"
        "prompts: [{path: gone.jsonl}]\n"
        "critique: {model: far}\n"
        "candidates: [{from: critique, take: all}]\n"
        "judging: {judges: [{model: far, protocol: label-token}]}\n"
        "sft: {base: ./no-base}\n"
    )
    lines = complaints(path)
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


@pytest.mark.parametrize("until", [None, "critique"])
def test_a_run_says_the_same_as_a_check_and_writes_nothing(run_file: Write, until: str | None) -> None:
    path = run_file(
        "name: t\nconstitution: liliput\nmodels: {w: {provider: simulated}}\nprompts: [{path: gone.jsonl}]\n"
        "critique: {model: w}\n"
    )
    run = Run.from_file(path, folder=path.parent / "run")
    with pytest.raises(ConfigError) as told:
        run(until=until)
    assert len(told.value.problems) == 2
    assert told.value.problems[0].place.endswith("run.yaml:2:15: constitution[0]")
    assert not (path.parent / "run").exists()


REFERENCES = {
    "critique: {model: wrtier}": "critique.model: no model 'wrtier' under models (did you mean 'writer'?); there are "
    "writer, second",
    "candidates: [{model: dpo}]": "candidates[0].model: the run has no stage 'dpo'; add it, or name a model",
    "candidates: [{from: critique}]": "from: critique needs the stage critique",
    "sft: {base: base, on: chosen}": "sft.base: the run has no stage 'base'",
    "sft: {base: ./x}": "sft: learns from revisions, which needs the stage critique; add it, or train it on: chosen",
    "sft: {base: ./x, on: chosen}": "sft: has no pairs to train on; add judging, construct, or pairs of your own",
    "base: {}": "base: learns from drafts, which needs the stage critique; add it, or train it on: chosen",
    "base: {on: chosen}": "base: has no pairs to train on; add judging, construct, or pairs of your own",
    "base: {on: nothing}": "base: has no pairs to train on; add judging, construct, or pairs of your own",
    "reward_model: {base: ./x}": "has no pairs to train on; add judging, construct, or pairs of your own",
    "dpo: {base: ./x}": "has no pairs to train on; add judging, construct, or pairs of your own",
    "judging: {judges: [{model: second}]}": "judging: has nothing to compare; add candidates",
    "evaluate: {policies: [sft]}": "evaluate.policies[0]: the run has no stage 'sft'",
    "evaluate: {policies: [writer]}\ndataset: {test_share: 0}": "evaluate: needs held-out prompts; set "
    "dataset.test_share above 0",
    "evaluate: {policies: []}": "evaluate: measures nothing; name policies, or add the stage reward_model",
    "evaluate: {policies: [writer, writer], judge: {model: second}}": "evaluate.policies: writer stands here "
    "twice, and the judge compares two; name another beside it",
    "pairs: [{path: p.csv}]\nevaluate: {policies: [writer, second]}": "evaluate: measures nothing: the truth about "
    "answers is known in the simulated world alone; add a judge",
    "evaluate: {policies: [gpt]}": "evaluate.policies[0]: no model 'gpt' under models",
}


@pytest.mark.parametrize("part", REFERENCES)
def test_a_reference_to_nothing_is_told(part: str, run_file: Write) -> None:
    models = "models: {writer: {provider: simulated}, second: {provider: simulated}}\nconstitution: lilliput\n"
    lines = complaints(run_file(MINIMAL + models + part + "\n"))
    assert any(REFERENCES[part] in line for line in lines), lines
    assert all(line.startswith(("run.yaml:", "p.csv:")) for line in lines)


def test_mistakes_inside_and_outside_the_file_are_said_at_once(
    run_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    (tmp_path / "p.jsonl").write_text('{"question": "q"}\n')
    text = (
        "name: t\nconstitution: liliput\n"
        "models: {far: {provider: openai, base_url: 'http://127.0.0.1:1/v1', model: x, api_key_env: OUR_KEY}}\n"
        "prompts: [{path: p.jsonl}]\ncritique: {model: fra}\n"
        "candidates: [{from: critique, take: all}]\njudging: {judges: [{model: fra, protocol: label-tokens}]}\n"
    )
    outside = ["no constitution 'liliput'", "OUR_KEY is not set", "no such column in any row"]
    lines = complaints(run_file(text))
    assert len(lines) == 5
    for words in ("critique.model: no model 'fra'", "judges[0].model: no model 'fra'", *outside):
        assert any(words in line for line in lines), words
    lines = complaints(run_file(text.replace("critique: {", "critique: {runds: 2, ")))
    assert any("unknown key 'runds'" in line for line in lines)
    for words in outside:
        assert any(words in line for line in lines), "the parts that have the right shape are looked at"


def test_a_base_that_learns_nothing_takes_its_words_from_drafts(run_file: Write) -> None:
    text = MINIMAL + "constitution: lilliput\nmodels: {w: {provider: simulated}}\ncritique: {model: w}\n"
    assert complaints(run_file(text + "base: {on: nothing}\n")) == []


def test_a_stage_whose_source_lacks_pairs_is_not_named_beside_it(run_file: Write) -> None:
    lines = complaints(run_file(MINIMAL + "reward_model: {base: ./x}\nevaluate: {policies: []}\n"))
    assert sum("has no pairs" in line for line in lines) == 1


def test_one_candidate_a_prompt_is_told_before_it_is_paid_for(run_file: Write) -> None:
    text = MINIMAL + "constitution: lilliput\nmodels: {w: {provider: simulated}}\ncritique: {model: w}\n"
    path = run_file(text + "candidates: [{from: critique}]\njudging: {judges: [{model: w}]}\n")
    (line,) = complaints(path)
    assert "has nothing to compare; add candidates, so that each prompt has two or more" in line
    assert complaints(path, "candidates.0.take=draft_and_last") == []


def test_a_judge_that_needs_probabilities_is_refused_where_there_are_none(run_file: Write) -> None:
    text = MINIMAL + "constitution: lilliput\nmodels: {w: {provider: simulated, shows_choices: false}}\n"
    text += "candidates: [{model: w}]\njudging: {judges: [{model: w, protocol: label-tokens}]}\n"
    (line,) = complaints(run_file(text))
    assert line.endswith("which model w does not show; use protocol: verdict with samples")


def test_a_judge_that_needs_probabilities_is_refused_a_model_that_thinks_first(run_file: Write) -> None:
    far = "models: {w: {provider: openai, base_url: 'http://127.0.0.1:1/v1', model: x, effort: low}}\n"
    judging = "judging: {judges: [{model: w, protocol: label-tokens}]}\n"
    lines = complaints(run_file(f"{MINIMAL}constitution: lilliput\n{far}candidates: [{{model: w}}]\n{judging}"))
    assert any("which model w does not show while it thinks (effort, thinking_budget); use" in line for line in lines)


@pytest.mark.parametrize("protocol", ["label-tokens", "score"])
def test_several_samples_are_refused_where_one_reply_shows_all_probabilities(run_file: Write, protocol: str) -> None:
    text = MINIMAL + "constitution: lilliput\nmodels: {w: {provider: simulated}}\n"
    text += "candidates: [{model: w}]\njudging: {judges: [{model: w, protocol: " + protocol + ", samples: 5}]}\n"
    (line,) = complaints(run_file(text))
    assert f"judging.judges[0].samples: found 5, expected 1: {protocol} reads all probabilities from one reply" in line
    assert complaints(run_file(text), "judging.judges.0.samples=1") == []
    if protocol == "score":  # written scores vary, so that a mean of several says more
        assert complaints(run_file(text), "models.w.shows_choices=false") == []


@pytest.mark.parametrize("rules", ["critique: {model: w}", "evaluate: {policies: [w, v], judge: {model: w}}"])
def test_rules_are_asked_for_where_they_are_needed(rules: str, run_file: Write) -> None:
    (line,) = complaints(
        run_file(f"{MINIMAL}models: {{w: {{provider: simulated}}, v: {{provider: simulated}}}}\n{rules}\n")
    )
    assert "needs a constitution; add a line such as: constitution: helpful-honest" in line


def test_a_run_without_anything_to_work_on_is_told(run_file: Write) -> None:
    assert "the run has no input; add prompts" in complaints(run_file("name: t\n"))[0]


def test_a_model_cannot_be_called_like_a_stage(run_file: Write) -> None:
    (line,) = complaints(run_file(MINIMAL + "models: {sft: {provider: simulated}}\n"))
    assert "'sft' is the name of a stage" in line


def test_a_circle_of_stages_is_found_by_a_check(run_file: Write) -> None:
    text = MINIMAL + "constitution: lilliput\nmodels: {w: {provider: simulated}}\nbase: {on: chosen}\n"
    text += "candidates: [{model: base}]\njudging: {judges: [{model: w}]}\n"
    (line,) = complaints(run_file(text))
    assert "stages need each other in a circle" in line
    assert "base -> dataset -> candidates -> base" in line


def test_prompts_that_no_principle_speaks_about_are_told_before_anything_is_paid_for(small: Path) -> None:
    rules = "id: ours\nversion: 1.0.0\ntitle: t\nlicense: CC0-1.0\nsource: {kind: original}\nprinciples:\n"
    for name in ("one", "two"):
        rules += (
            f"  - id: {name}\n    statement: Be right about {name}.\n    critique: [What is wrong about {name}?]\n"
            f"    revise: [Put {name} right.]\n    compare: [Which is more right about {name}?]\n"
            "    applies_when: {categories: [code, physics]}\n"
        )
    (small.parent / "ours.yaml").write_text(rules)
    for line, role in zip(complaints(small, "constitution=./ours.yaml"), ("revise", "compare"), strict=True):
        assert line.startswith(f"run.yaml:3:15: constitution: no principle with a `{role}` text applies to prompts")
        assert "'arithmetic'" in line
        assert "'code'" not in line


def test_faults_of_a_constitution_keep_their_own_place(run_file: Write, tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("id: ours\nversion: 1.0.0\ntitel: x\n")
    lines = complaints(run_file(MINIMAL + "constitution: ./ours.yaml\n"))
    assert len(lines) > 1
    assert all(line.startswith("run.yaml:3:15: constitution[0]: ours.yaml") for line in lines)


def test_what_a_training_asks_of_the_machine_is_looked_for_before_anything_is_paid(run_file: Write) -> None:
    absent = [name for name in ("trackio", "mlflow", "wandb", "tensorboard") if find_spec(name) is None]
    if not absent or find_spec("flash_attn") or find_spec("kernels"):
        pytest.skip("these libraries are installed here")
    path = run_file(
        f"{MINIMAL}"
        "models: {j: {provider: simulated}}\n"
        "candidates: [{model: j, per_prompt: 2}]\n"
        "constitution: lilliput\n"
        "judging: {judges: [{model: j}]}\n"
        "base: {tiny: {}, on: chosen, steps: 3, attn_implementation: flash_attention_2}\n"
        "sft: {base: base, on: chosen, steps: 3, batch_size: 2, launch: {processes: 2, config: gone.yaml}}\n"
        f"reward_model: {{base: base, steps: 3, report_to: [{absent[0]}]}}\n"
        "dpo: {base: base, steps: 3, attn_implementation: flash_attention_3}\n"
    )
    said = [line.partition(" ")[2] for line in complaints(path)]
    assert said == [
        "base.attn_implementation: flash_attention_2 needs a library that is not installed; pip install flash-attn, "
        "or leave it out",
        "sft.launch.config: no file 'gone.yaml'; expected a configuration of accelerate",
        f"reward_model.report_to: {absent[0]} is not installed; pip install {absent[0]}, or leave it out",
        "dpo.attn_implementation: flash_attention_3 needs a library that is not installed; pip install kernels, "
        "or leave it out",
    ]


GUARDED = (
    f"{MINIMAL}models: {{j: {{provider: simulated}}}}\nconstitution: lilliput\n"
    "candidates: [{model: j, per_prompt: 2}]\njudging: {judges: [{model: j}]}\nbase: {on: chosen, steps: 3}\n"
)


@pytest.mark.parametrize(
    ("stages", "lacking"),
    [
        ("dpo: {base: base, steps: 3, guards: {parting: 0.1}}", "reward_model and dpo.guards.judge"),
        ("dpo: {base: base, steps: 3, guards: {parting: 0.1, judge: {model: j}}}", "reward_model"),
        ("reward_model: {base: base}\ndpo: {base: base, steps: 3, guards: {parting: 0.1}}", "dpo.guards.judge"),
        ("reward_model: {base: base}\ndpo: {base: base, steps: 3, guards: {parting: 0.1, judge: {model: j}}}", None),
        ("dpo: {base: base, steps: 3, guards: {prompts: 8}}", None),
        ("dpo: {base: base, steps: 3, guards: {parting: null}}", None),
    ],
)
def test_a_limit_on_two_scores_parting_wants_the_two(stages: str, lacking: str | None, run_file: Write) -> None:
    said = [line.partition(" ")[2] for line in complaints(run_file(f"{GUARDED}{stages}\n"))]
    told = "dpo.guards.parting: watches the reward model's score against the judge's, and the run lacks"
    assert said == ([f"{told} {lacking}; add what is missing, or leave it out"] if lacking else [])


def test_a_model_folder_is_looked_for_beside_the_run_file(
    run_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "our-model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_text("{}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert complaints(run_file(MINIMAL + "models: {w: {provider: local, model: ./our-model}}\n")) == []


def test_overrides_replace_and_add_values(small: Path) -> None:
    loaded = load_run_file(
        small,
        [
            "judging.principles_per_pair=1",
            "candidates.1.per_prompt=5",
            "models.second.position_bias=1.5",
            "critique.principles.per_round=3",
            "judging.judges.0={model: writer, protocol: verdict, samples: 2}",
            "constitution=[lilliput, helpful-honest]",
            "models.third={provider: simulated}",
        ],
    )
    config = loaded.config
    assert config.judging is not None
    assert config.critique is not None
    assert config.judging.principles_per_pair == 1
    assert getattr(config.candidates[1], "per_prompt", None) == 5
    assert config.models["second"].model_dump()["position_bias"] == 1.5
    assert config.critique.principles.per_round == 3
    assert config.judging.judges[0].samples == 2
    assert config.constitution == ("lilliput", "helpful-honest")
    assert "third" in config.models


def test_an_override_of_nothing_takes_a_part_out(small: Path) -> None:
    loaded = load_run_file(small, ["judging=", "candidates=[]"])
    assert loaded.config.judging is None


def test_the_file_stays_as_it_is(small: Path) -> None:
    before = small.read_bytes()
    load_run_file(small, ["seed=9"])
    assert small.read_bytes() == before


BAD_OVERRIDES = {
    "seed": "expected key.path=value",
    "=3": "expected key.path=value",
    "prompts.7.lilliput=3": "--set prompts.7.lilliput: there is no such place",
    "prompts.x=3": "there is no such place",
    "prompts.-1=3": "there is no such place",
    "prompts.²=3": "there is no such place",
    "seed.deep=3": "there is no such place",
    "name.0=x": "there is no such place",
    "seed=[1": "--set seed:",
    "seed=&a 1": "--set seed:1:",
    "seed=-1": "run.yaml:2:7: seed: found -1, expected at least 0",
    "judging.judges.0.samples=true": "run.yaml:13:12: judging.judges[0].samples: found true, expected a whole number",
    "judging.princples_per_pair=1": "unknown key 'princples_per_pair' (did you mean 'principles_per_pair'?)",
    "a..b=1": "unknown key 'a'",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_bad_override_is_told(override: str, small: Path) -> None:
    with pytest.raises(ConfigError) as told:
        load_run_file(small, [override])
    assert BAD_OVERRIDES[override] in str(told.value)


def test_limit_takes_the_first_of_each_source(run_file: Write, tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "candidate": "x", "chosen": "a", "rejected": "b"} for i in range(9)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = "name: t\nprompts: [{lilliput: 9}, {path: rows.jsonl, take: 2}, {path: rows.jsonl}]\n"
    text += "candidates: [{path: rows.jsonl}]\npairs: [{path: rows.jsonl}]\n"
    config = load_run_file(run_file(text), limit=3).config
    first, second, third = config.prompts
    assert getattr(first, "lilliput", None) == 3
    assert getattr(second, "take", None) == 2
    assert getattr(third, "take", None) == 3
    assert getattr(config.candidates[0], "take", None) == 3
    assert config.pairs[0].take == 3


def test_a_file_of_the_shape_that_a_check_accepts_has_no_complaint(small: Path) -> None:
    check_run_file(load_run_file(small), {})


@pytest.mark.parametrize(
    "text", ["", "- a\n", "3\n", "name: [\n", "name: t\nname: u\n", "\x00\x01", "name: !!python/x t"]
)
def test_what_is_no_run_file_is_told(text: str, run_file: Write) -> None:
    lines = complaints(run_file(text))
    assert lines
    assert all(line.startswith("run.yaml") for line in lines)


def test_simulated_models_are_not_let_loose_on_prompts_that_they_do_not_know(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "How do I bake bread?"}\n', encoding="utf-8")
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: t\nconstitution: helpful-honest\nmodels: {w: {provider: simulated}}\nprompts: [{path: p.jsonl}]\n"
        "critique: {model: w}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"run\.yaml:3:13: models\.w: knows the prompts of Lilliput alone"):
        Run.from_file(path, folder=tmp_path / "run").check()
    (tmp_path / "p.jsonl").write_text('{"prompt": "please add 3 8 thanks"}\n', encoding="utf-8")
    Run.from_file(path, folder=tmp_path / "run").check()
