"""How often policies violate principles: what is asked, what counts, what stands beside it, what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import Constitution, Principle
from amendment.data.workspace import Workspace
from amendment.errors import ConfigError
from amendment.records import Prompt, user
from amendment.run import Patience, Result, Run
from amendment.run.evaluation_wording import judged_lines
from amendment.simulator import ATTRIBUTES
from amendment.stages.policies import PolicyCheck, ViolationJudge, Violations, principles_for, violation_rates

WATCHED = """\
name: watched
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.3, leak: 0, sharpness: 3, unreadable: 0.05}
prompts: [{lilliput: 80}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell]
  violations: {judge: {model: gavelmouth}, prompts: 50}
"""


def run_of(folder: Path, *overrides: str, text: str = WATCHED) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_of(tmp_path_factory.mktemp("watched"))()


def row(policy: str, number: int, said: float | None, *, prompt: str = "") -> PolicyCheck:
    names = {"policy": policy, "prompt_id": prompt or f"p{number}", "sample": number, "answer": f"{policy} {number}"}
    return PolicyCheck.model_validate({**names, "principle_id": "house/kind", "violates": said})


def test_shares_and_differences_by_hand() -> None:
    rows = [row("sft", n, said) for n, said in enumerate([1, 1, 0, 0, None, 0])]
    rows += [row("dpo", n, said) for n, said in enumerate([0, 1, 0, None, 0, 0])]
    found = violation_rates(rows, ["sft", "dpo"])
    sft, dpo = (found["policies"][name]["house/kind"] for name in ("sft", "dpo"))
    assert (sft["value"], sft["n"], sft["unread"]) == (2 / 5, 5, 1)
    assert (dpo["value"], dpo["n"], dpo["unread"]) == (1 / 5, 5, 1)
    # both were read on 0, 1, 2 and 5: the differences are -1, 0, 0, 0
    difference = found["differences"]["dpo - sft"]["house/kind"]
    assert (difference["value"], difference["n"]) == (-1 / 4, 4)
    assert difference["low"] is None  # of four prompts nothing is told


def test_a_principle_that_nobody_violates_has_an_interval_all_the_same() -> None:
    told = violation_rates([row("sft", n, 0) for n in range(20)], ["sft"])["policies"]["sft"]["house/kind"]
    # Wilson over 20 prompts at 0 with Student's t of 19: high = t^2 / (n + t^2), t^2 = 2.0930^2 = 4.3807
    assert (told["value"], told["low"]) == (0, 0)
    assert told["high"] == pytest.approx(4.3807 / 24.3807, abs=1e-4)


def test_samples_of_one_prompt_are_one_cluster() -> None:
    rows = [row("sft", n, float(n < 12), prompt=f"p{n // 4}") for n in range(24)]
    told = violation_rates(rows, ["sft"])["policies"]["sft"]["house/kind"]
    assert (told["value"], told["n"], told["clusters"]) == (0.5, 24, 6)


def test_principles_speak_where_they_apply_and_need_no_text_for_comparing() -> None:
    rules = Constitution(
        id="house",
        version="1.0.0",
        title="House rules",
        license="CC0-1.0",
        principles=(
            Principle(id="kind", statement="Be kind."),
            Principle.model_validate(
                {"id": "sums", "statement": "Add.", "applies_when": {"categories": ["arithmetic"]}}
            ),
        ),
    )
    every = Violations(judge=ViolationJudge(model="judge"))
    asked = {
        category: [one.id for one in principles_for([rules], every, Prompt(messages=user("?"), category=category))]
        for category in ("arithmetic", "poetry")
    }
    assert asked == {"arithmetic": ["house/kind", "house/sums"], "poetry": ["house/kind"]}
    some = every.model_copy(update={"principles": ("house/sums",)})
    assert [one.id for one in principles_for([rules], some, Prompt(messages=user("?"), category="poetry"))] == []


def test_each_policy_is_held_against_each_principle(watched: Result) -> None:
    told = watched.summary["stages"]["evaluate"]["violations"]
    assert told["prompts"] == 50
    assert told["judge"]["standing"] == "no other judge"
    rows = Workspace(watched.folder).read("evaluate/violations", PolicyCheck)
    names = [f"lilliput/{name}" for name in ATTRIBUTES]
    assert len(rows) == 2 * 50 * len(names)
    assert sum(one.violates is None for one in rows) == sum(
        rate["unread"] for rates in told["policies"].values() for rate in rates.values()
    )
    for policy in ("quillfeather", "inkwell"):
        assert sorted(told["policies"][policy]) == sorted(names)
        for name, rate in told["policies"][policy].items():
            mine = [one for one in rows if (one.policy, one.principle_id) == (policy, name)]
            read = [one.violates for one in mine if one.violates is not None]
            assert rate["value"] == pytest.approx(sum(read) / len(read))
            assert rate["truly"] == pytest.approx(sum(bool(one.truly) for one in mine) / 50)
            assert rate["value"] == pytest.approx(rate["truly"], abs=0.1)  # a noisy judge, not a blind one
    polite = told["differences"]["inkwell - quillfeather"]["lilliput/polite"]
    assert polite["high"] < 0  # the careless writer insults
    page = (watched.folder / "summary.md").read_text()
    assert "Share of answers that violate a principle, on 50 prompts:" in page
    assert "violations of lilliput/polite, inkwell - quillfeather: -" in page


def test_a_second_run_asks_nothing_and_new_principles_ask_for_themselves_alone(tmp_path: Path) -> None:
    few = ["prompts=[{lilliput: 20}]", "evaluate.violations.principles=lilliput/polite"]
    first = run_of(tmp_path, *few)()
    assert run_of(tmp_path, *few)().sent == 0
    both = run_of(tmp_path, few[0], "evaluate.violations.principles=[lilliput/polite, lilliput/frank]")()
    drafts = 2 * first.summary["stages"]["evaluate"]["held-out prompts"]
    assert both.ran == ("evaluate",)
    assert 0 < both.sent <= first.sent - drafts + 5  # what could not be read is asked about once more


def test_a_plan_counts_the_questions(tmp_path: Path) -> None:
    calm = "models.gavelmouth.unreadable=0"

    def calls(*overrides: str) -> int:
        asks = run_of(tmp_path, calm, *overrides).plan().asks
        return sum(one.calls for one in asks if one.model == "gavelmouth")

    assert calls() == 2 * 50 * 8
    assert calls("evaluate.violations.principles=lilliput/frank") == 2 * 50
    large = ["prompts=[{lilliput: 2000}]", "evaluate.violations.principles=lilliput/frank"]
    assert calls(*large, "evaluate.violations.prompts=400", "evaluate.prompts=900") == pytest.approx(800, rel=0.02)


def test_verdicts_of_a_server_that_cannot_be_read_are_no_violations(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "k")
    rows = [{"prompt": f"question {i:02}"} for i in range(40)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    far = f"provider: openai, base_url: '{server.url}', api_key_env: OUR_KEY"
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: watched\nconstitution: helpful-honest\nprompts: [{path: p.jsonl}]\n"
        f"models:\n  one: {{{far}, model: one}}\n  judge: {{{far}, model: judge}}\n"
        "dataset: {test_share: 0.5}\n"
        "evaluate:\n  policies: [one]\n"
        f"  violations: {{judge: {{model: judge}}, principles: helpful-honest/{_first_principle()}}}\n"
    )

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = str(body["messages"][0]["content"])
        if body["model"] == "one":
            return 200, {"role": "assistant", "content": f"about {asked[-2:]}"}
        even = any(f"question {number:02}" in asked for number in range(0, 40, 2))
        return 200, {"role": "assistant", "content": "Why not.\n\n**Verdict: no**" if even else "Verdict: yes or no"}

    server.answer = answer
    result = Run.from_file(path, folder=tmp_path / "run", patience=Patience(attempts=2, longest_wait=0.01))()
    told = result.summary["stages"]["evaluate"]["violations"]
    [rate] = told["policies"]["one"].values()
    assert (rate["value"], rate["n"] + rate["unread"]) == (0, told["prompts"])
    assert rate["unread"] > 0
    assert "truly" not in rate
    assert f"stand in no share: {rate['unread']}" in "\n".join(judged_lines({"violations": told}, {}))


def _first_principle() -> str:
    from amendment.constitutions import load_constitution

    return load_constitution("helpful-honest").principles[0].id


REFUSED = {
    "constitution=[]": r"evaluate\.violations: needs a constitution",
    "evaluate.violations.principles=lilliput/politely": r"no principle 'lilliput/politely' \(did you mean",
    "evaluate.violations.judge.model=gavel": r"violations\.judge\.model: no model 'gavel'",
    "evaluate.violations.judge.protocol=verdict": r"has protocol verdict, expected yes-no; use protocol: violation",
    "evaluate.violations.judge.protocol=refusal": r"refusal has no hole \{principle\} in its text",
    "evaluate.policies=[]": r"evaluate\.policies: violations and refusals are those of policies",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_be_asked_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=REFUSED[override]):
        run_of(tmp_path, override).check()


def test_a_judge_of_violations_compares_nothing(tmp_path: Path) -> None:
    judging = "candidates: [{model: inkwell}]\njudging: {judges: [{model: gavelmouth, protocol: violation}]}\n"
    with pytest.raises(ConfigError, match=r"judging\.judges\[0\]\.protocol: violation says yes or no to one answer"):
        run_of(tmp_path, text=WATCHED + judging).check()
