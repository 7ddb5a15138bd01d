"""Contrast prompts: pairs by a principle and its opposite, kept where a check or a judge confirms the order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import DrawnPrinciple, Principle
from amendment.constitutions.model import Constitution
from amendment.curation.contrast import contrast_principles, drawn_for
from amendment.data.store import Workspace
from amendment.errors import ConfigError
from amendment.llm.ledger_reading import Reader
from amendment.records import Candidate, Judgement, Prompt, last_text, user
from amendment.report import RunReader
from amendment.report.page import report_html
from amendment.report.show import story_lines
from tests.chat_server import ChatServer
from tests.rows import save
from tests.run.small_runs import complaints, made, pairs_of, run_of

RULES = """\
id: house
version: 1.0.0
title: House rules
license: CC0-1.0
principles:
  - id: short
    statement: Answer in at most five words.
    opposite: Answer at length.
    check: [{kind: max_words, value: 5}]
  - id: kind
    statement: Be kind.
    compare: [Which is kinder?]
"""
RUN = """\
name: contrasted
seed: 3
constitution: ./rules.yaml
models: {{m: {{provider: openai, base_url: '{url}', model: m, api_key_env: null}}}}
prompts: [{{path: p.csv}}]
construct: [{{kind: contrast, model: m{more}}}]
dataset: {{test_share: 0}}
"""
SHORT, LONG = "It is safe.", "It is safe, since somebody has looked at every bolt."


def written(
    folder: Path, prompts: int = 1, rules: str = RULES, url: str = "http://127.0.0.1:9/v1", more: str = ""
) -> str:
    (folder / "rules.yaml").write_text(rules)
    save(folder / "p.csv", [{"prompt": f"Is bridge {number} safe?"} for number in range(prompts)])
    return RUN.format(url=url, more=more)


def test_a_pair_is_kept_where_the_check_confirms_it_and_counted_by_reason_elsewhere(
    tmp_path: Path, server: ChatServer
) -> None:
    endings: list[tuple[Any, Any]] = [
        ({"content": SHORT}, {"content": LONG}),
        ({"content": SHORT}, {"content": LONG, "finish_reason": "length"}),  # it breaks the check however it goes on
        ({"content": LONG}, {"content": LONG[:-1]}),
        ({"content": SHORT}, {"content": "No."}),
        ({"content": SHORT, "finish_reason": "length"}, {"content": LONG}),
        ({"content": "Answer in at most five words."}, {"content": LONG}),
        ({"content": SHORT}, {"content": SHORT.replace(" ", "  ")}),
        ({"content": SHORT}, {"content": "I will not.", "finish_reason": "content_filter"}),
    ]

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        [message] = body["messages"]
        asked, _, rule = message["content"].partition("\n\n")
        both = endings[int(asked.split()[2])]
        return 200, {"role": "assistant", **both["at most" not in rule]}

    server.answer = answer
    result = made(tmp_path, written(tmp_path, len(endings), url=server.url))
    _, tried = result.results["construct"].funnels
    assert tried.left_out == {
        "the answer under the principle breaks it": 1,
        "the answer under the opposite keeps the principle": 1,
        "an answer is cut off": 1,
        "an answer copies its question": 1,
        "equal texts": 1,
        "an answer is missing": 1,
    }
    rows = pairs_of(result.folder, ["train"])
    for row in rows:
        assert [message.role for message in row.prompt] == ["user"]
        assert "words" not in last_text(row.prompt), "the pair's prompt is the plain one"
        assert (row.decided_by, row.p_chosen, row.raters) == ("verifier", 1.0, ())
        assert row.principle_ids == ("house/short",)
        assert row.decisive == "house/short"
        assert row.constitutions[0].startswith("house@1.0.0#")
        assert (last_text(row.chosen), last_text(row.rejected)) == (SHORT, LONG)
    assert result.results["dataset"].count("cut_at_max_tokens", answers="rejected") == 1
    reader = RunReader(result.folder)
    stories = reader.prompts()
    assert [story.unpaired for story in stories] == [
        *[(), ()],
        ("answers 1 and 2: the answer under the principle breaks it",),
        ("answers 1 and 2: the answer under the opposite keeps the principle",),
        ("answers 1 and 2: an answer is cut off",),
        ("answers 1 and 2: an answer copies its question",),
        ("answers 1 and 2: equal texts",),
        ("answer 1: an answer is missing",),
    ]
    html = report_html([result.folder])
    assert "What became of the constructed pairs" in html
    for number, story in enumerate(stories):
        page = "\n".join(story_lines(story, total=len(stories), has_dataset=True))
        assert "Answer 1: constructed under house/short, by m" in page
        if number < 7:
            assert "Answer 2: constructed under the opposite of house/short, by m" in page
        for line in story.unpaired:
            assert line in page
            assert line in html
    assert "Answer 2: constructed under the opposite of house/short, by m" in html
    (result.folder / "construct/tries.parquet").unlink()  # of a run before there was such a table
    assert reader.prompts()[2].unpaired == ()


@pytest.mark.parametrize(
    ("check", "pairs"),
    [
        ("{kind: max_words, value: 5}", 1),
        ("{kind: forbids, value: somebody}", 1),
        ("{kind: forbids, value: '[^.]$'}", 0),  # the full stop may have been to come
        (r"{kind: forbids, value: '\bbolt\b'}", 0),  # it may have been to become bolts
        (r"{kind: forbids, value: '\bsomebody\b'}", 1),
        ("{kind: matches, value: '[.]$'}", 0),
        ("{kind: matches, value: '[.]$'}, {kind: max_words, value: 5}", 1),
    ],
)
def test_a_cut_answer_is_rejected_only_where_no_more_words_could_mend_it(
    check: str, pairs: int, tmp_path: Path, server: ChatServer
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        is_short = "at most" in body["messages"][-1]["content"]
        return 200, {"content": SHORT} if is_short else {"content": LONG[:-1], "finish_reason": "length"}

    server.answer = answer
    rules = RULES.replace("{kind: max_words, value: 5}", check)
    result = run_of(tmp_path, written(tmp_path, rules=rules, url=server.url))(until="construct")
    _, tried = result.results["construct"].funnels
    assert (tried.remained, tried.left_out) == (pairs, {} if pairs else {"an answer is cut off": 1})


def test_the_summary_says_by_principle_what_was_tried_and_what_helps(tmp_path: Path, server: ChatServer) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = body["messages"][-1]["content"]
        if "zebra" in asked:
            return 200, {"content": "A zebra", "finish_reason": "length"}
        return 200, {"content": SHORT if "at most" in asked else LONG}

    server.answer = answer
    rules = RULES + "  - {id: zebra, statement: Mention a zebra., opposite: Mention no zebra., "
    rules += "check: [{kind: matches, value: '[.]$'}]}\n"
    text = written(tmp_path, 3, rules=rules, url=server.url, more=", principles: [short, zebra], per_prompt: 3")
    text = text.replace("model: m,", "model: m, max_tokens: 9,", 1)
    result = run_of(tmp_path, text)(until="construct")
    construct = result.results["construct"]
    cut = construct.count("tries", drawn_by="house/zebra")
    assert 3 <= cut <= 6
    assert construct.count("no_pair", drawn_by="house/zebra", reason="an answer is cut off") == cut
    calls, tried = construct.funnels
    assert (calls.remained, tried.came_in, tried.remained) == (18, 9, construct.count("pairs", drawn_by="house/short"))
    advice = f"{cut} of {cut} tries by house/zebra are cut off: raise `max_tokens` of m (9)"
    assert construct.notes == ("no pair by house/zebra", advice)
    assert f"- note: {advice}\n" in (result.folder / "summary.md").read_text()
    by = {row.origin.principle_ids for row in Workspace(result.folder).read("construct/candidates", Candidate)}
    assert by == {("house/short",), ("house/zebra",)}


def test_a_judge_is_asked_about_a_contrast_pair_by_the_pairs_own_principle(tmp_path: Path, server: ChatServer) -> None:
    """No answer mentions a zebra, so that no answer passes the checks of all principles. The pair's own principle has
    no question for judges."""
    questions = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = body["messages"][-1]["content"]
        if "<<answer_a" in asked:  # the judge prefers the shorter answer, whatever it is asked
            questions.append(asked)
            first, second = (asked.split(f"<<answer_{name} ")[1].split("<<end")[0] for name in "ab")
            return 200, {"content": f"Verdict: {'A' if len(first) < len(second) else 'B'}"}
        return 200, {"content": SHORT if "at most" in asked else LONG}

    server.answer = answer
    rules = RULES + "  - {id: zebra, statement: Mention a zebra., compare: [Which has a zebra?], "
    rules += "check: [{kind: matches, value: zebra}]}\n"
    text = written(tmp_path, 12, rules=rules, url=server.url)
    text = text.replace("dataset:", "judging: {judges: [{model: m}], judge_labelled: true}\ndataset:")
    result = made(tmp_path, text)
    judged = Workspace(result.folder).read("judging/judgements", Judgement)
    assert [row.principle_ids for row in judged] == [("house/short",)] * 12
    assert len(questions) == 24
    assert all("Answer in at most five words." in asked for asked in questions)
    checks = json.loads((result.folder / "certificate.json").read_text())["checks"]
    assert (checks["comparisons"], checks["contrast pairs"], checks["decided"]) == (12, 12, 0)
    [agreement] = checks["judges"].values()
    assert (agreement["agrees"], agreement["n"]) == (12, 12)
    assert result.results["judging"].count("checked_contrast_pairs") == 12
    shown = (result.folder / "certificate.md").read_text()
    assert "- in 12 contrast pairs only one answer passes the checks of the pair's own principle\n" in shown
    assert "in 0 comparisons" not in shown


def test_a_plan_counts_on_the_pairs_that_were_made_even_where_their_replies_are_gone(
    tmp_path: Path, server: ChatServer
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"content": SHORT if "at most" in body["messages"][-1]["content"] else LONG}

    server.answer = answer
    text = written(tmp_path, 5, url=server.url)
    text = text.replace("dataset:", "judging: {judges: [{model: m}], judge_labelled: true}\ndataset:")
    run = run_of(tmp_path, text)
    folder = run(until="construct").folder
    for file in folder.glob("ledger.sqlite*"):
        file.unlink()
    plan = run_of(tmp_path, text).plan()
    assert plan.stops == {}
    assert {row.stage: row.calls for row in plan.asks if row.calls} == {"judging": 10}  # 5 pairs in both orders


def test_a_plan_counts_both_answers_and_a_changed_rule_asks_again(tmp_path: Path, server: ChatServer) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        rule = body["messages"][-1]["content"].rpartition("\n\n")[2]
        return 200, {"role": "assistant", "content": SHORT if "at most" in rule else LONG}

    server.answer = answer
    text = written(tmp_path, 3, url=server.url, more=", per_prompt: 2, p: 0.9")
    assert run_of(tmp_path, text).plan().total.calls == 12
    result = made(tmp_path, text)
    assert result.sent == 12
    assert {row.p_chosen for row in pairs_of(result.folder, ["train"])} == {0.9}
    (tmp_path / "rules.yaml").write_text(RULES.replace("five words.", "5 words."))
    with pytest.raises(ConfigError, match="construct: 6 calls to m"):  # the opposite says what it said
        made(tmp_path, text)


@pytest.mark.parametrize(
    ("rules", "more", "expected"),
    [
        (RULES, ", principles: [kind]", "principle kind has no `opposite`"),
        (RULES, ", principles: [shrt]", "no principle 'shrt' in the constitution (did you mean 'short'?)"),
        (RULES.replace("    opposite: Answer at length.\n", ""), "", "found no principle with an `opposite`"),
        (RULES + "    opposite: Be rude.\n", "", "nothing would confirm pairs by kind: no `check`"),
        (RULES, ", judge: n", "no model 'n' under models"),
    ],
)
def test_what_nothing_could_confirm_is_refused_before_anything_is_asked(
    rules: str, more: str, expected: str, tmp_path: Path
) -> None:
    lines = complaints(tmp_path, written(tmp_path, rules=rules, more=more))
    assert any(expected in line for line in lines), lines


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (", principles: [short]", None),
        ("", "no check for kind: the likelihood judge of m confirms their pairs, and it writes both answers"),
        (", judge: n", "no check for kind: the likelihood judge of n confirms their pairs"),
    ],
)
def test_before_a_run_it_is_said_which_pairs_a_judge_alone_confirms(
    more: str, expected: str | None, tmp_path: Path, base: Path
) -> None:
    text = written(tmp_path, rules=RULES + "    opposite: Be rude.\n", more=more)
    local = f"provider: local, model: '{base}'"
    models = f"models: {{m: {{{local}}}, n: {{{local}, temperature: 0.5}}}}"
    run = run_of(tmp_path, re.sub("models: .*", models, text))
    for warnings in (run.check(), run.plan().warnings):
        said = [line for line in warnings if "no check for" in line]
        assert [line.partition("]: ")[2].partition(";")[0] for line in said] == ([expected] if expected else []), said


def principle(name: str, **fields: Any) -> Principle:
    return Principle(id=name, statement=f"Be {name}.", opposite=f"Do not be {name}.", **fields)


def test_every_principle_that_applies_is_drawn_before_any_comes_again() -> None:
    rules = Constitution(
        id="house",
        version="1.0.0",
        title="House rules",
        license="CC0-1.0",
        principles=(
            principle("brief"),
            principle("kind"),
            principle("safe", applies_when={"categories": ["bridges"]}),
            Principle(id="plain", statement="Be plain."),
        ),
    )
    pool, prompt = contrast_principles([rules]), Prompt(messages=user("Hello"))

    def names(drawn: list[DrawnPrinciple]) -> list[str]:
        return [one.principle.id for one in drawn]

    drawn = names(drawn_for(prompt, pool, 4, seed=1))
    assert set(drawn[:2]) == set(drawn[2:]) == {"brief", "kind"}
    assert drawn == names(drawn_for(prompt, pool, 4, seed=1))
    assert {names(drawn_for(prompt, pool, 1, seed=seed))[0] for seed in range(20)} == {"brief", "kind"}
    assert names(contrast_principles([rules], ["safe"])) == ["safe"]
    assert drawn_for(prompt, contrast_principles([rules], ["safe"]), 2, seed=1) == []


def test_pairs_by_a_principle_without_a_check_are_decided_by_likelihoods(tmp_path: Path, base: Path) -> None:
    save(tmp_path / "p.csv", [{"prompt": f"ask {number}"} for number in range(12)])
    (tmp_path / "rules.yaml").write_text(RULES + "    opposite: Be rude.\n")
    result = made(
        tmp_path,
        f"""name: likely
constitution: ./rules.yaml
models: {{m: {{provider: local, model: '{base}', max_tokens: 200, temperature: 1.0}}}}
prompts: [{{path: p.csv}}]
construct: [{{kind: contrast, model: m, principles: [kind], p: 0.9}}]
dataset: {{test_share: 0}}
""",
    )
    construct, rows = result.results["construct"], pairs_of(result.folder, ["train"])
    (_, tried), judge = construct.funnels, rows[0].raters[0]
    assert (tried.came_in, tried.remained) == (12, len(rows))
    assert construct.count("confirmed", drawn_by="house/kind", by=judge) == len(rows) > 0
    [warning] = result.summary["warnings"]
    assert warning.endswith(f"by house/kind have no check: the judge {judge} decided, whose model wrote both answers")
    assert f"> {warning}" in (result.folder / "summary.md").read_text()
    assert warning in report_html([result.folder])
    assert "the judge prefers the answer under the opposite" in tried.left_out
    for row in rows:
        assert (row.decided_by, row.principle_ids) == ("judge", ("house/kind",))
        assert row.raters[0].startswith("m/likelihood@")
        assert 0.5 < row.p_chosen_raw <= 1
        assert row.p_chosen == min(0.9, row.p_chosen_raw), "the judge's own P is not calibrated"


def test_a_plan_after_a_run_says_as_many_paid_calls_as_the_ledger_has(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the plan does not load the model, it makes up all answers, and every two of them can be compared."""
    save(tmp_path / "p.csv", [{"prompt": f"ask {number}"} for number in range(12)])
    (tmp_path / "rules.yaml").write_text(RULES + "    opposite: Be rude.\n")
    run = f"""name: likely
constitution: ./rules.yaml
models: {{m: {{provider: local, model: '{base}', max_tokens: 200, temperature: 1.0}}}}
prompts: [{{path: p.csv}}]
construct: [{{kind: contrast, model: m, principles: [kind]}}]
"""
    folder = made(tmp_path, run, until="construct").folder
    monkeypatch.setattr("amendment.run.dry_run.find_spec", lambda _: None)
    plan = run_of(tmp_path, run).plan(until="construct")
    with Reader(folder / "ledger.sqlite") as ledger:
        assert {row.stage: row.paid for row in plan.asks} == {row.stage: row.replies for row in ledger.spending()}
    assert plan.total.calls == 0
