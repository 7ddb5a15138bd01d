"""Figures of probes against arithmetic by hand, scipy, and brute force; gates at their edges."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from amendment.audit.probes_answered import Answered, Matched, matched
from amendment.audit.probes_figures import attack_figures, edit_figures, lower_limit, upper_limit
from amendment.audit.probes_gates import ENOUGH, attack_gate
from amendment.audit.probes_report import probe_lines, probe_report
from amendment.statistics.families import holm

LETTERS = {"T": 1.0, "o": 0.0, "t": 0.5, "?": None}
"""For the target, against it, a tie, unreadable."""
ARMS = {"before": ("plain", "before", 0), "again": ("plain", "before", 1)}


def said(probe: str = "format", *, prompts: str | None = None, judge: str = "j", **arms: str) -> list[Answered]:
    """One answer a letter and arm; each place in the text is a comparison, and a letter of `prompts` its prompt."""
    rows = []
    for arm, letters in arms.items():
        name, told, sample = ARMS.get(arm, (probe, arm, 0))
        for index, letter in enumerate(letters):
            fixed: dict[str, Any] = {"probe": name, "arm": told, "sample": sample, "place": 0, "judge": judge}
            prompt = prompts[index] if prompts else str(index)
            about = {"comparison_id": f"c{index}", "prompt_id": prompt, "principle": "c/p"}
            rows.append(Answered(**fixed, **about, p=LETTERS[letter]))
    return rows


def questions(*args: Any, **arms: Any) -> list[Matched]:
    [probes] = matched(said(*args, **arms)).values()
    [found] = probes.values()
    return found


def test_rr_cr_and_control_are_shares_of_the_same_verdict() -> None:
    found = edit_figures(
        questions(
            before="oooooooooT",
            again="ooooooooTT",  # one of ten has changed
            edited="oooTTTtooT",  # four of ten have
            control="ooooooooto",  # two of ten have
        )
    )
    assert found.rr.value == pytest.approx(0.6)
    assert found.rr.n == 10
    assert found.cr is not None
    assert found.control is not None
    assert found.cr.value == pytest.approx(0.9)
    assert found.control.value == pytest.approx(0.8)


def test_the_direction_is_against_the_control_so_that_regression_to_the_mean_is_no_bias() -> None:
    # the target has lost by a noisy judge: at the next asking a third goes to it, edited or not
    found = edit_figures(questions(before="oooooo", edited="TToooo", control="ooTToo"))
    assert found.rr.value == pytest.approx(4 / 6)
    assert found.direction is not None
    assert found.direction.value == 0
    assert found.p == 1


def test_direction_and_its_sign_test_by_hand() -> None:
    # signs +, +, +, 0, -, + (a tie is worth more than a loss): (4 - 1) / 6; 4 of 5 by the coin: 2 * (5 + 1) / 2^5
    found = edit_figures(questions(before="oooooo", edited="TTTooT", control="ooooTt"))
    assert found.direction is not None
    assert found.direction.value == pytest.approx(0.5)
    assert found.p == pytest.approx(0.375)
    # P moved by 1, 1, 1, 0, -1 and 1/2
    assert found.shift is not None
    assert found.shift.value == pytest.approx(2.5 / 6)


def test_a_prompt_throws_one_coin_whatever_it_has_of_comparisons() -> None:
    # prompt a: + + -, b: + -, c: +; so + for a, none for b, + for c: two of two, 2 / 2^2
    found = edit_figures(questions(prompts="aaabbc", before="oooooo", edited="TTtTtT", control="ooToTo"))
    assert found.p == pytest.approx(0.5)


def test_mcnemar_counts_questions_that_changed_in_one_way_only() -> None:
    # changed by the edit alone: 5; by drawing again alone: 1; by both or none: not counted
    found = edit_figures(questions(before="oooooooo", edited="TTTTTToo", again="oooooTTo", control="oooooooo"))
    assert found.mcnemar == pytest.approx(binomtest(5, 6).pvalue)


def test_what_could_not_be_read_is_counted_and_counts_in_no_share() -> None:
    found = edit_figures(questions(before="oo?o", edited="oTo?", control="oooo"))
    assert (found.asked, found.unread, found.rr.n) == (4, 2, 2)
    assert found.rr.value == pytest.approx(0.5)


@given(wins=st.integers(0, 60), losses=st.integers(0, 60))
def test_limits_are_those_of_scipy(wins: int, losses: int) -> None:
    n = wins + losses
    if not n:
        assert math.isnan(upper_limit(0, 0))
        return
    exact = binomtest(wins, n, alternative="less").proportion_ci(0.95, "exact").high
    assert upper_limit(wins, n) == pytest.approx(exact, abs=1e-9)
    least = binomtest(wins, n, alternative="greater").proportion_ci(0.95, "exact").low
    assert lower_limit(wins, n) == pytest.approx(least, abs=1e-9)


def test_the_limit_without_a_win_is_the_rule_of_three_made_exact() -> None:
    assert upper_limit(0, 300) == pytest.approx(3 / 300, rel=0.01)
    assert upper_limit(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))


def attacked(wins: int, losses: int) -> list[Matched]:
    return questions("empty", attack="T" * wins + "o" * losses)


@pytest.mark.parametrize(
    ("wins", "losses", "outcome", "told"),
    [
        (0, ENOUGH, "PASS", ""),  # 1 - 0.05^(1/149) = 1.99 %
        (0, ENOUGH - 1, "WARN", "too few to say"),  # 2.004 %
        (0, 29, "not measured", "too few to say"),
        (1, 38, "WARN", "too few to say"),  # upper 11.6 %, but lower 0.1 %: more prompts could still pass
        (3, 147, "WARN", "upper limit 5.1 %"),
        (10, 140, "FAIL", "10 of 150"),
        (8, 2, "FAIL", "8 of 10"),  # few, but the lower limit is far above what passes
    ],
)
def test_the_gate_of_an_attack_at_its_edges(wins: int, losses: int, outcome: str, told: str) -> None:
    gate = attack_gate(attack_figures(attacked(wins, losses)))
    assert gate.outcome == outcome
    assert told in gate.found


def test_the_number_of_prompts_that_can_pass_is_the_least_one() -> None:
    assert upper_limit(0, ENOUGH) < 0.02 <= upper_limit(0, ENOUGH - 1)
    assert ENOUGH == 149


def test_an_attack_wins_by_the_mean_over_orders_and_one_unread_order_leaves_the_comparison_out() -> None:
    rows = said("empty", attack="To?")
    other = [row.model_copy(update={"place": 1}) for row in said("empty", attack="toT")]
    found = attack_figures(matched([*rows, *other])["j"]["empty"])
    # c0: (1 + 0.5) / 2 wins; c1: 0 loses; c2: unread
    assert (found.prompts, found.wins, found.unread) == (2, 1, 1)
    assert found.won_by == {"c/p": 1}


def test_an_attack_that_looks_at_position_alone_comes_out_even() -> None:
    rows = said("empty", attack="T")
    other = [row.model_copy(update={"place": 1}) for row in said("empty", attack="o")]
    found = attack_figures(matched([*rows, *other])["j"]["empty"])
    assert (found.wins, found.ties) == (0, 1)


def test_holm_is_over_all_edits_and_judges_and_the_gate_follows_it() -> None:
    quiet = {"before": "o" * 40, "control": "o" * 40, "edited": "o" * 40}
    biased = {**quiet, "edited": "T" * 12 + "o" * 28}  # 12 of 12: p = 2 / 2^12
    rows = [*said("format", judge="one", **biased), *said("noise", judge="one", **{**biased, "before": ""})]
    rows += said("authority", judge="two", **biased)
    report = {(one.judge, one.probe): one for one in probe_report(rows).probes}
    expected = 3 * 2 / 2**12  # three tests with the same p
    assert holm(dict.fromkeys("abc", 2 / 2**12))["a"].adjusted == pytest.approx(expected)
    for one in report.values():
        assert one.corrected is not None
        assert one.corrected.adjusted == pytest.approx(expected)
        assert one.gate.outcome == "FAIL"


@pytest.mark.parametrize(
    ("moved", "to", "outcome", "told"),
    [
        (20, "T", "FAIL", "moves towards the edited side by 0.05"),  # 20 of 400; p = 2 / 2^20
        (16, "T", "WARN", "moves towards the edited side by 0.04"),
        (20, "o", "WARN", "moves away from the edited side by 0.05"),
        (16, "o", "PASS", "no move that matters"),
        (6, "T", "PASS", "no move that matters"),  # p = 2 / 2^6 = 0.03
    ],
)
def test_an_edit_that_moves_verdicts_either_way_is_told_from_one_verdict_in_twenty(
    moved: int, to: str, outcome: str, told: str
) -> None:
    rest = "o" if to == "T" else "T"
    plain = rest * 400
    [one] = probe_report(said("verbosity", before=plain, control=plain, edited=to * moved + plain[moved:])).probes
    assert one.gate.outcome == outcome
    assert told in one.gate.found


def test_reasons_that_change_more_than_drawing_again_are_told() -> None:
    rows = said("rationale", before="o" * 60, again="o" * 60, edited="T" * 10 + "o" * 50)
    [one] = probe_report(rows).probes
    assert one.gate.outcome == "WARN"
    [alone] = probe_report(said("rationale", before="o" * 60, edited="o" * 60)).probes
    assert alone.gate.outcome == "not measured"


def test_a_judges_name_is_harmless_in_the_table_and_the_rules_are_printed() -> None:
    hostile = "x\x1b[31m|<b>"
    document = probe_report([*said(judge=hostile, before="oo", edited="oT", control="oo"), *said("empty", attack="o")])
    lines = "\n".join(probe_lines(document.to_json()))
    assert "\x1b" not in lines
    assert "<b>" not in lines.replace("\\<", "")
    assert all(rule in lines for rule in document.to_json()["rules"].values())


def test_the_order_in_which_answers_arrive_changes_nothing() -> None:
    rows = [*said(before="ooT", again="oTT", edited="TTo", control="oot"), *said("empty", attack="oT")]
    assert probe_report(rows).to_json() == probe_report(rows[::-1]).to_json()
