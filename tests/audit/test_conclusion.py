"""May the judge be used: the rules case by case, what the command says of data with a known truth, and its figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import audit
from amendment.audit.conclusion import Conclusion, Evidence, decide, refused
from amendment.audit.gates import Gate, GateOutcome
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said
from tests.command_line import Ended, amendment

CHECKS = [
    *("order", "invalid", "constant", "repetition", "chance", "ceiling", "bar", "categories"),
    *("ties", "rows", "length", "style", "self"),
]
GOOD = Evidence(both_orders=30, labelled=30, annotators=2, with_two=30)


@pytest.mark.parametrize(
    ("outcomes", "evidence", "form", "because"),
    [
        ({}, {}, "use", "agreement"),
        # under a condition: the orders agree, some categories, items like the labelled ones
        ({"order": "WARN"}, {"is_conditional": True}, "use only where", "conditions"),
        ({"ceiling": "FAIL"}, {"is_conditional": True, "is_part": True}, "use only where", "conditions"),
        ({"ceiling": "FAIL"}, {"is_part": True, "missing": ("ceiling",)}, "do not use", "ceiling"),
        ({"categories": "WARN"}, {"no_part": True}, "no conclusion", "categories"),
        # position: asked in both orders on 30 items, or on 29; without an order on record
        ({"order": "WARN"}, {"both_orders": 29}, "no conclusion", "one order"),
        ({"order": "FAIL"}, {"both_orders": 0}, "do not use", "one order"),
        ({"order": "not measured"}, {}, "no conclusion", "order not measured"),
        ({"order": "not measured"}, {"has_order": False}, "use", "agreement"),
        # nobody checked it, one person did, two did on too few items, or two who may have copied
        ({}, {"labelled": 29}, "no conclusion", "few labels"),
        ({}, {"annotators": 1, "with_two": 0}, "no conclusion", "one annotator"),
        ({}, {"with_two": 29}, "no conclusion", "few with two"),
        ({}, {"is_copied": True}, "no conclusion", "copies"),
        # people who hardly agree measure nobody, whatever else there is
        ({"rows": "WARN", "ceiling": "FAIL"}, {"hardly_agree": True}, "no conclusion", "people"),
        # each part has to be shown
        ({"ceiling": "WARN"}, {"missing": ("ceiling",)}, "no conclusion", "open"),
        ({"chance": "FAIL", "ceiling": "FAIL"}, {"missing": ("chance", "ceiling")}, "do not use", "chance"),
        # labels that are the truth need a bar, and no second person
        ({}, {"is_truth": True, "annotators": 1, "with_two": 0}, "no conclusion", "no bar"),
        ({}, {"is_truth": True, "has_bar": True, "annotators": 1, "with_two": 0}, "use", "agreement"),
        ({"bar": "FAIL"}, {"is_truth": True, "has_bar": True, "missing": ("bar",)}, "do not use", "bar"),
        # what needs no people
        *(({check: "FAIL"}, {"labelled": 0}, "do not use", check) for check in ("invalid", "constant", "repetition")),
        ({"invalid": "FAIL"}, {"is_guessed": True}, "no conclusion", "guessed pattern"),
        ({"rows": "WARN"}, {"says_one_thing": True}, "do not use", "one verdict"),
        # warnings alone forbid nothing, and people may share these three
        (dict.fromkeys(("invalid", "ties", "constant", "length", "style", "self"), "WARN"), {}, "use", "agreement"),
        # a wrong join and orders read the wrong way round come before agreement
        ({"rows": "WARN", "chance": "FAIL"}, {}, "no conclusion", "rows"),
        ({"order": "FAIL", "chance": "FAIL"}, {"contradicts": True}, "no conclusion", "contradicting orders"),
    ],
)
def test_the_form_follows_from_the_gates(
    outcomes: dict[str, Any], evidence: dict[str, Any], form: str, because: str
) -> None:
    passed: dict[str, Any] = dict.fromkeys(CHECKS, "PASS")
    assert decide(passed | outcomes, GOOD._replace(**evidence)) == (form, because)


# Through the command line, in worlds with a known truth

Sides = np.ndarray[Any, np.dtype[np.float64]]
WORD = {1.0: "A", -1.0: "B", 0.0: "tie"}


def right(seed: int, count: int, *chances: float) -> Sides:
    """Raters who say what is true in a world of `count` items with these chances, a row for each."""
    draw = np.random.default_rng(seed)
    truth = np.where(draw.random(count) < 0.5, 1.0, -1.0)
    return np.stack([np.where(draw.random(count) < chance, truth, -truth) for chance in chances])


def concluded(
    folder: Path, people: Sides, judges: Sides, *, labels: str = "kind: person", top: str = "", **more: Any
) -> list[dict[str, Any]]:
    """What `amendment audit` concludes on a file with a column for each rater; nan is an empty cell. `labels` is what
    the entry of people declares, `top` what the study asks; `more` are columns of all items."""
    ended = audited(folder, people, judges, labels, top, **more)
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = json.loads(ended.out)["conclusions"]
    return found


def audited(folder: Path, people: Sides, judges: Sides, labels: str, top: str, **more: Any) -> Ended:
    names = [f"person{row}" for row in range(len(people))], [f"judge{row}" for row in range(len(judges))]
    with (folder / "votes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item", *more, *names[0], *names[1]])
        for item in range(people.shape[1]):
            said = [WORD.get(side, "") for side in (*people[:, item].tolist(), *judges[:, item].tolist())]
            rows.writerow([f"i{item}", *(column[item] for column in more.values()), *said])
    columns = "".join(f", {name}: {name}" for name in more)
    lines = ["name: study", top, "verdicts:"]
    for declared, raters in zip((labels, "kind: model"), names, strict=True):
        lines.append(f"  - {{path: votes.csv, {declared}, words: {{a: A, b: B, tie: tie}},")
        lines.append(f"     columns: {{item: item{columns}, votes: [{', '.join(raters)}]}}, unreadable: invalid}}")
    (folder / "study.yaml").write_text("\n".join(lines) + "\n")
    return amendment("audit", folder / "study.yaml", "--folder", folder / "audit", "--json")


def form(found: list[dict[str, Any]]) -> tuple[str, str]:
    return found[0]["form"], found[0]["because"]


def test_a_judge_as_good_as_people_is_used_and_the_sentence_has_both_figures(tmp_path: Path) -> None:
    said = right(1, 600, 0.95, 0.95, 0.95, 0.95)
    (found,) = concluded(tmp_path, said[:3], said[3:])
    assert (found["form"], found["because"]) == ("use", "agreement")
    # the mean over items of the share of the three who agree with the judge, and of their three pairs
    judge = (1 + said[3] * said[:3].mean(0)) / 2
    pairs = (1 + (said[0] * said[1] + said[0] * said[2] + said[1] * said[2]) / 3) / 2
    assert found["agreement"]["value"] == pytest.approx(judge.mean())
    assert found["two_annotators"]["value"] == pytest.approx(pairs.mean())
    assert found["gap"]["value"] == pytest.approx((judge - pairs).mean())
    assert f"{100 * judge.mean():.1f} % of 600 items" in found["sentence"]


def test_worthless_labels_measure_no_judge(tmp_path: Path) -> None:
    said = right(2, 2000, 0.66, 0.66, 0.66, 0.60)
    assert form(concluded(tmp_path, said[:3], said[3:])) == ("no conclusion", "people")


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("people", [2, 4])
def test_an_annotator_who_copies_the_judge_makes_no_use(tmp_path: Path, share: float, people: int) -> None:
    said = right(4, 1000, *[0.9] * people, 0.78)
    copied = np.random.default_rng(5).random(1000) < share
    said[0] = np.where(copied, said[-1], said[0])
    (found,) = concluded(tmp_path, said[:-1], said[-1:])
    assert found["form"] in ("no conclusion", "do not use")
    assert "person0" in found["sentence"]


def test_a_use_that_rests_on_whether_one_person_copied_another_is_open(tmp_path: Path) -> None:
    said = right(41, 1000, *[0.9] * 5)
    assert form(concluded(tmp_path, said[1:4], said[4:])) == ("use", "agreement")
    said[0] = said[1]
    (found,) = concluded(tmp_path, said[:4], said[4:])
    assert (found["form"], found["because"]) == ("no conclusion", "open")
    assert found["people"] == ["person0", "person2", "person3"]


def test_honest_people_who_nearly_always_agree_raise_no_alarm(tmp_path: Path) -> None:
    said = right(6, 400, 0.99, 0.99, 0.99, 0.99)
    assert form(concluded(tmp_path, said[:3], said[3:])) == ("use", "agreement")


def test_a_slice_below_chance_is_named_and_left_out(tmp_path: Path) -> None:
    chat, safety = right(7, 512, 0.95, 0.95, 0.95, 0.96), right(8, 88, 0.95, 0.95, 0.95, 0.33)
    said = np.concatenate([chat, safety], axis=1)
    (found,) = concluded(tmp_path, said[:3], said[3:], category=["chat"] * 512 + ["safety"] * 88)
    assert (found["form"], found["where"]) == ("use only where", ["for chat"])
    assert "do not use it for safety" in found["sentence"]
    standing = {part["name"]: part["standing"] for part in found["categories"]}
    assert standing == {"chat": "above chance", "safety": "below chance"}


def test_an_annotator_under_alarm_does_not_lower_the_bar(tmp_path: Path) -> None:
    # beside two good people a judge of 65 % is 20 points below; with the random one the two figures would be near
    said = right(11, 1000, 0.9, 0.9, 0.5, 0.65)
    (found,) = concluded(tmp_path, said[:3], said[3:])
    assert (found["form"], found["because"]) == ("do not use", "ceiling")
    assert found["people"] == ["person0", "person1"]
    assert "person2 is left out" in found["sentence"]


def test_labels_of_some_items_speak_of_items_like_these(tmp_path: Path) -> None:
    said = right(12, 1500, 0.95, 0.95, 0.95, 0.95)
    said[:3, 600:] = np.nan
    (found,) = concluded(tmp_path, said[:3], said[3:])
    assert (found["form"], found["where"]) == ("use only where", ["on items like the 40 % that people labelled"])
    assert found["labelled"] == pytest.approx(0.4)
    assert found["for_all_items"] is None
    assert found["labelled_differ"] == []
    assert "this cannot be extended to the others: drawn: random is not declared" in found["sentence"]


def test_how_the_labelled_items_differ_from_the_others_is_said(tmp_path: Path) -> None:
    said = right(12, 1500, 0.95, 0.95, 0.95, 0.95)
    said[:3, 600:] = np.nan
    said[3, 960:] = 0.0  # people labelled the easy 40 %; on 540 of the other 900 the judge finds no difference
    category = ["chat"] * 300 + ["code"] * 1200  # half of the labelled items, and all others
    for labels, why in (("kind: person", "is not declared"), ("kind: person, drawn: random", "do not look drawn")):
        (found,) = concluded(tmp_path, said[:3], said[3:], labels=labels, category=category)
        assert (found["form"], found["for_all_items"]) == ("use only where", None)
        assert why in found["sentence"]
        assert found["labelled_differ"] == [
            {"what": "it chooses an answer on", "labelled": 1.0, "others": pytest.approx(0.4)},
            {"what": "category code is", "labelled": 0.5, "others": 1.0},
        ]
        assert "it chooses an answer on 100 % against 40 %, category code is 50 % against 100 %" in found["sentence"]


def test_labels_that_were_drawn_at_random_speak_of_all_items(tmp_path: Path) -> None:
    said = np.stack([np.where(np.arange(1500) % 2, 1.0, -1.0)] * 4)
    said[:3, 600:] = np.nan
    said[3, :150] = said[3, 600:870] = 0.0  # no choice on a quarter of the labelled items, and on 30 % of the others
    labels = "kind: person, drawn: random, despite: [copies]"
    (found,) = concluded(tmp_path, said[:3], said[3:], labels=labels, top="max_gap_to_human: 0.2")
    assert (found["form"], found["where"]) == ("use", [])
    # it is right wherever it chooses, and one half elsewhere: 0.875 of the labelled, by its choices 0.85 of the others
    assert found["agreement"]["value"] == pytest.approx(0.875)
    lam = 0.25 * 0.75 / (0.28 * 0.72 * (1 + 600 / 900))  # by the spread of its choices on labelled and on all items
    assert found["for_all_items"]["value"] == pytest.approx(0.875 - lam * 0.025)
    assert "on all that could be drawn, the agreement would be 86.1 %" in found["sentence"]


def test_the_judges_of_an_audit_are_one_family(tmp_path: Path) -> None:
    said = right(16, 300, 0.95, 0.95, 0.95, *[0.95] * 20)
    (alone,) = concluded(tmp_path, said[:3], said[3:4])
    among = concluded(tmp_path, said[:3], said[3:])
    (same,) = [found for found in among if found["judge"] == "judge0"]
    assert same["gap"]["value"] == pytest.approx(alone["gap"]["value"])
    # 1 - 0.05 / 20: t is 3.05 in place of 1.97, and both intervals have one more cluster at each end
    widths = [found["gap"]["high"] - found["gap"]["low"] for found in (same, alone)]
    assert widths[0] / widths[1] == pytest.approx(3.05 / 1.97, rel=0.05)
    assert json.loads((tmp_path / "audit/certificate.json").read_text())["level"] == pytest.approx(1 - 0.05 / 20)


def test_copied_rows_do_not_count_twice(tmp_path: Path) -> None:
    # forty prompts ten times each are forty: a judge that errs on none of them is not shown to be within 5 points
    said = np.tile(right(17, 40, 1.0, 1.0, 1.0, 1.0), 10)
    found = concluded(tmp_path, said[:3], said[3:], prompt_id=[f"p{i % 40}" for i in range(400)])
    assert form(found) == ("no conclusion", "open")


# What a study declares and asks


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ("", ("no conclusion", "no bar")),
        ("min_agreement: 0.85", ("use", "agreement")),
        ("min_agreement: 0.9", ("no conclusion", "open")),
        ("min_agreement: 0.97", ("do not use", "bar")),
    ],
)
def test_beside_the_truth_a_judge_needs_the_bar_that_the_study_names(
    top: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    truth, judge = np.where(np.arange(500) % 2, 1.0, -1.0), np.where(np.arange(500) % 2, 1.0, -1.0)
    judge[:40] *= -1  # right on 460 of 500, less than two standard errors of 1.2 points above 90 %
    (found,) = concluded(tmp_path, truth[None], judge[None], labels="kind: truth", top=top)
    assert form([found]) == expected
    assert found["agreement"]["value"] == pytest.approx(0.92)
    assert found["two_annotators"] is None
    assert ("min_agreement" in found["sentence"]) == (expected[0] == "no conclusion")


def test_an_item_without_the_truth_has_no_label(tmp_path: Path) -> None:
    truth, judge = right(18, 500, 1.0, 1.0)
    truth[400:] = np.nan
    (found,) = concluded(
        tmp_path, truth[None], judge[None], labels="kind: truth, drawn: random", top="min_agreement: 0.85"
    )
    assert (found["form"], found["agreement"]["n"], found["agreement"]["value"]) == ("use", 400, 1.0)


@pytest.mark.parametrize(
    ("labels", "top", "message"),
    [
        ("kind: person", "min_agreement: 0.85", "min_agreement: needs labels that are the truth"),
        ("kind: truth", "min_agreement: 1", "min_agreement: found 1, expected less than 1"),
        ("kind: truth", "min_agreement: 0", "min_agreement: found 0, expected more than 0"),
        ("kind: person", "max_gap_to_human: 0.5", "max_gap_to_human: found 0.5, expected less than 0.5"),
        ("kind: person", "looks: 0", "looks: found 0, expected at least 1"),
        ("kind: person, despite: [no]", "", "despite[0]: "),
        ("kind: model, drawn: random", "", "drawn is for labels of people or of the truth"),
    ],
)
def test_what_cannot_be_asked_is_refused(labels: str, top: str, message: str, tmp_path: Path) -> None:
    said = right(19, 40, 0.9, 0.9, 0.9)
    ended = audited(tmp_path, said[:2], said[2:], labels, top)
    assert ended.code != 0
    assert "study.yaml:" in ended.err
    assert message in ended.err


def test_honest_experts_may_agree_on_nearly_everything_where_the_study_says_so(tmp_path: Path) -> None:
    said = right(20, 500, 0.999, 0.999, 0.999)
    assert form(concluded(tmp_path, said[:2], said[2:])) == ("no conclusion", "copies")
    allowed = concluded(tmp_path, said[:2], said[2:], labels="kind: person, despite: [copies]")
    assert form(allowed) == ("use", "agreement")


def test_the_margin_is_the_one_that_the_study_names(tmp_path: Path) -> None:
    said = right(21, 1000, 0.95, 0.95, 0.95, 0.9)  # about 4.5 points below people
    assert form(concluded(tmp_path, said[:3], said[3:])) == ("no conclusion", "open")
    (found,) = concluded(tmp_path, said[:3], said[3:], top="max_gap_to_human: 0.1")
    assert (found["form"], found["margin"]) == ("use", 0.1)
    assert "the margin is 10" in found["sentence"]


# Figures and sentences


TRUTH = "AB" * 50


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


def people(agree_on: int = 100) -> list[Vote]:
    """Two annotators who agree on so many of 100 items."""
    return [*said("ann", TRUTH), *said("bo", TRUTH[:agree_on] + other(TRUTH[agree_on:]))]


def conclusions_of(known: dict[str, ComparisonInfo], votes: list[Vote]) -> tuple[Conclusion, ...]:
    return audit(known, votes, draws=200).conclusions


def test_a_judge_that_flips_is_measured_where_its_orders_agree() -> None:
    # of 100 items it picks the first shown on 22 whatever it is; on the other 78 it errs on 7: right on 71 of 78
    first = "A" * 22 + other(TRUTH[22:29]) + TRUTH[29:]
    second = "B" * 22 + first[22:]
    votes = [*people(90), *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    (found,) = conclusions_of(items(100), votes)
    # beside ann right on 71 of 78; bo differs from her on the last ten, on which the judge is right: 61 of 78
    assert found.agreement
    assert found.agreement.n == 78
    assert found.agreement.value == pytest.approx((71 + 61) / 2 / 78)
    assert found.two_annotators
    assert found.two_annotators.value == pytest.approx(68 / 78)
    assert found.coverage == 0.78
    assert found.flips
    assert found.flips.value == pytest.approx(0.22)


def test_the_best_judge_stands_first_and_each_has_its_reason() -> None:
    judges = {"blind": "A" * 100, "best": TRUTH, "unread": "?" * 60 + TRUTH[60:], "unchecked": ""}
    votes = [*people(), *said("cy", TRUTH)]
    for name, letters in judges.items():
        votes += [*said(name, letters, "model", "A"), *said(name, letters, "model", "B")]
    votes += [Vote(f"i{i}", "unchecked", "model", "AB"[i % 2], order) for i in range(100, 140) for order in ("A", "B")]  # type: ignore[arg-type]
    found = conclusions_of(items(140), votes)
    assert [(one.judge, one.form, one.because) for one in found] == [
        ("best", "use", "agreement"),
        ("unchecked", "no conclusion", "rows"),
        ("unread", "do not use", "invalid"),
        ("blind", "do not use", "one verdict"),
    ]


def test_a_judge_that_nobody_checked_is_not_recommended() -> None:
    votes = [*said("j", "AB" * 20, "model", "A"), *said("j", "AB" * 20, "model", "B")]
    (found,) = conclusions_of(items(40), votes)
    assert found.sentence == "Nothing can be concluded about j: people labelled none of its items, and 30 are needed."
    (alone,) = conclusions_of(items(40), said("ann", "A" * 40))
    assert (alone.judge, alone.form) == (None, "no conclusion")


@pytest.mark.parametrize(("outcome", "form"), [("FAIL", "do not use"), ("WARN", "use"), ("PASS", "use")])
def test_a_run_whose_labels_people_refuse_recommends_no_judge(outcome: GateOutcome, form: str) -> None:
    truth = "AB" * 150
    raters = [*said("ann", truth), *said("bo", truth), *said("cy", truth)]
    votes = [*raters, *said("j", truth, "model", "A"), *said("j", truth, "model", "B")]
    gates = [Gate("the judge's labels", "people", outcome, "-0.300"), Gate("the judge's labels", "orders", "FAIL", "")]
    (found,) = refused(conclusions_of(items(300), votes), gates)
    assert found.form == form
    assert found.sentence.startswith("Do not use j: " if outcome == "FAIL" else "Use j: ")


def test_categories_that_the_same_labels_chose_are_tested_at_one_level() -> None:
    # ten categories of fifteen items, in each of which the judge is right in 79 %, and the bar is 80 %: picking those
    # that look best and testing them at 1 % said "Use only for" in a quarter of the samples
    wrong = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = rng.random(150) < 0.5
        own = np.where(rng.random(150) < 0.79, truth, ~truth)
        gold, judge = ("".join(np.where(sides, "A", "B")) for sides in (truth, own))
        votes = [*said("gold", gold, "truth"), *said("j", judge, "model")]
        known = items(150, category=[f"c{i % 10}" for i in range(150)])
        (found,) = audit(known, votes, draws=50, asked=Requirements(min_agreement=0.8)).conclusions
        wrong += found.form.startswith("use")
    assert wrong == 0


def test_labels_that_all_choose_one_answer_measure_no_judge() -> None:
    votes = [*said("gold", "A" * 60), *said("bo", "A" * 60), *said("j", "A" * 60, "model")]
    (found,) = audit(items(60), votes, draws=50).conclusions
    assert (found.form, found.because) == ("no conclusion", "one label")


def test_truths_that_contradict_each_other_measure_no_judge() -> None:
    truth = "AB" * 30
    votes = [
        *said("g1", truth, "truth"),
        *said("g2", other(truth[:6]) + truth[6:], "truth"),
        *said("j", truth, "model"),
    ]
    (found,) = audit(items(60), votes, draws=50, asked=Requirements(min_agreement=0.7)).conclusions
    assert (found.form, found.because) == ("no conclusion", "two truths")
    assert "on 6 items" in found.sentence
    votes = [*said("g1", "t" * 6 + truth[6:], "truth"), *said("j", truth, "model")]  # a tie contradicts nothing
    (found,) = audit(items(60), votes, draws=50, asked=Requirements(min_agreement=0.7)).conclusions
    assert found.form == "use"
