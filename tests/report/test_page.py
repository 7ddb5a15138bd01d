"""The report: its figures are those of the run, other people's text stays text, it loads nothing, it fits a phone."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from amendment.data.store import Workspace
from amendment.records import Judgement, Preference
from amendment.report.document import read_document
from amendment.report.page import write_report
from amendment.report.plots import Bars, IntervalRow, Intervals, svg
from amendment.results import SUMMARY_FORMAT, Figure, Result, Summary, by_label
from amendment.statistics import Estimate, estimate
from tests.command_line import called
from tests.report.folders import EVIL, FOX, HOSTILE, OTHER, REVISION, hostile_result, judgement, pair, write_run
from tests.rows import save
from tests.run.small_runs import Said, pairs_of, run_of

HEAD = {"format": SUMMARY_FORMAT, "name": "t", "seed": 3, "toolkit": "0"}
ATTACK = '<img src="http://example.invalid/x" onerror="alert(1)">'
PAIRS = "name: t\npairs: [{path: p.jsonl, kind: person}]\ndataset: {test_share: 0}\n"


class Tables(HTMLParser):
    """The rows of all tables, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data

    def row(self, *beginning: str) -> list[str]:
        return next(row for row in self.rows if tuple(row[: len(beginning)]) == beginning)


def test_a_run_ends_with_a_report_whose_figures_are_those_of_its_files(undisturbed: Path) -> None:
    page = Tables((undisturbed / "report.html").read_text(encoding="utf-8"))
    summary, spending, certificate = (
        json.loads((undisturbed / f"{name}.json").read_text()) for name in ("summary", "spending", "certificate")
    )
    counts = summary["stages"]
    assert page.row("prompts")[1] == f"{counts['inputs']['funnels'][0]['remained']:,}"
    assert page.row("comparisons")[1] == f"{counts['judging']['funnels'][0]['remained']:,}"
    assert page.row("pairs")[1] == f"{counts['dataset']['funnels'][0]['remained']:,}"
    assert page.row("all", "")[2] == f"{spending['total']['replies']:,}"
    judge = certificate["judges"][0]
    same = judge["position"]["consistency"]
    assert page.row(judge["name"])[1:] == [
        f"{100 * same['value']:.1f} %",
        f"{100 * same['low']:.1f} to {100 * same['high']:.1f}",
        f"{same['n']:,}",
    ]
    assert certificate["conclusions"][0]["sentence"] in page.text
    assert summary["simulated"] in page.text


@pytest.mark.browser
def test_text_of_others_stays_text_and_nothing_is_loaded(tmp_path: Path, browser: Browser) -> None:
    folder = write_run(tmp_path / "run")
    rows = [{"stage": ATTACK, "model": f"{ATTACK} $x^2$", "replies": 3, "attempts": 3, "usd": 0.5}]
    rows[0] |= {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1}
    (folder / "spending.json").write_text(json.dumps({"by stage and model": rows, "total": {**rows[0]}}))
    summary = Summary(name=ATTACK, seed=3, toolkit="0", warnings=(HOSTILE,), stages={"inputs": hostile_result()})
    (folder / "summary.json").write_text(json.dumps(summary.to_json()))
    html = write_report([folder]).read_text(encoding="utf-8")
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert ' style="' not in html

    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 390, "height": 844})
    view = context.new_page()
    view.on("request", lambda request: troubles.append(request.url) if not request.url.startswith("file:") else None)
    view.on("console", lambda message: troubles.append(message.text))
    view.on("pageerror", lambda fault: troubles.append(str(fault)))
    view.on("dialog", lambda dialog: troubles.append(dialog.message))
    view.goto((folder / "report.html").as_uri())
    assert view.locator("h1").text_content() == ATTACK
    assert view.locator("script").count() == 1
    assert view.locator("img").count() == 0
    assert "<script>alert(1)</script>" in (view.locator(".story").nth(2).text_content() or "")
    assert view.evaluate("document.documentElement.scrollWidth") <= 390

    view.get_by_role("searchbox").fill("FOX")
    assert [story.is_visible() for story in view.locator(".story").all()] == [False, True, False]
    view.get_by_role("searchbox").fill("")
    view.get_by_role("button", name="disputed").click()
    assert view.locator(".story:visible").count() == 1
    assert view.locator("output").text_content() == "1 of 3"
    view.locator(".story:visible > summary").click()
    assert view.get_by_text("saw 2 first: 2 is better").first.is_visible()
    context.close()
    assert troubles == []

    plain = browser.new_context(java_script_enabled=False)
    view = plain.new_page()
    view.goto((folder / "report.html").as_uri())
    view.get_by_text("Show 3 prompts").click()
    assert view.locator(".story:visible").count() == 3
    assert not view.get_by_role("searchbox").is_visible()
    plain.close()


def test_a_report_of_very_long_texts_stays_small_and_says_how_many_it_shows(tmp_path: Path) -> None:
    long = "word " * 1600
    save(
        tmp_path / "p.jsonl",
        [{"prompt": f"{n} {long}", "chosen": f"a {n} {long}", "rejected": long} for n in range(99)],
    )
    result = run_of(tmp_path, PAIRS)()
    report = result.folder / "report.html"
    assert report.stat().st_size < 2_000_000
    text = Tables(report.read_text(encoding="utf-8")).text
    assert "of 99 prompts, drawn with the seed of the run" in text
    assert "more characters)" in text


def test_a_report_shows_no_text_that_looks_like_a_key(tmp_path: Path) -> None:
    key = "sk-" + "ant-api03-" + "aB3dE5gH7j" * 9
    rows = [
        {"prompt": f"What is {key}?", "chosen": f"It is {key}.", "rejected": f"{'far ' * 1490}{key} and further"},
        {"prompt": f"{'so ' * 40}{key}", "chosen": "Nobody knows.", "rejected": f"<{key[:20]}\u200b{key[20:]}>"},
        {"prompt": "What is blue?", "chosen": "The sky.", "rejected": "Grass."},
    ]
    save(tmp_path / "p.jsonl", rows)
    folder = run_of(tmp_path, PAIRS, "dataset.secrets=drop")().folder
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert key[:16] not in page
    assert "What is [key]?" in Tables(page).text
    assert "Nobody knows." in page
    assert len(pairs_of(folder)) == 1, "only the sky and the grass are exported"


def test_a_run_and_an_audit_stand_next_to_each_other(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    audit = tmp_path / "mine"
    audit.mkdir()
    (audit / "certificate.json").write_bytes((undisturbed / "audit/certificate.json").read_bytes())
    assert called("report", undisturbed, audit) == 0
    assert f"{undisturbed.name}-and-mine.html" in capsys.readouterr().out
    page = Tables((tmp_path / f"{undisturbed.name}-and-mine.html").read_text(encoding="utf-8"))
    run, other = read_document(undisturbed), read_document(audit)
    assert (run.kind, other.kind) == ("run", "audit")
    assert page.text.count(run.conclusions[0].sentence) == 2
    assert "No such figures." in page.text, "an audit has no funnel"


def test_a_report_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(3)])
    (tmp_path / "run/report.html").mkdir(parents=True)
    said = Said()
    result = run_of(tmp_path, PAIRS, progress=said)()
    assert len(result.dataset["train"]) == 3
    assert [line for line in said.lines if "report.html was not written" in line]


def test_a_folder_without_figures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("report", tmp_path) == 2
    assert "no summary.json and no certificate.json" in capsys.readouterr().err
    (tmp_path / "certificate.json").write_text("{")
    assert called("report", tmp_path) == 2
    assert "certificate.json: not readable JSON" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run.yaml", "constitutions/rules.json"])
def test_a_damaged_file_of_a_run_is_named_by_its_report(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(3)])
    folder = run_of(tmp_path, PAIRS)().folder
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("[]" if name == "run.yaml" else "{}")
    assert called("report", folder) == 2
    assert f"{name}: expected" in " ".join(capsys.readouterr().err.split())


def test_a_plot_shows_the_numbers_of_its_table() -> None:
    rows = [
        IntervalRow("judge", Estimate(0.756, 0.698, 0.8049, 120, 60)),
        IntervalRow("few", Estimate(1.0, math.nan, math.nan, 3, 3)),
    ]
    plot = Intervals(title="Agreement", rows=rows, reference=(0.5, "a coin"), limits=(0, 100))
    assert plot.table == (
        ("figure", "value", "95 % interval", "n"),
        [("judge", "75.6 %", "69.8 to 80.5", "120"), ("few", "100.0 %", "none", "3")],
    )
    drawn = svg(plot)
    assert "75.6 % (69.8–80.5)" in drawn
    bars = svg(Bars(title="Items", rows=[("a & b <c>", {"done": 7, "lost": 2})]))
    assert "a &amp; b &lt;c&gt;" in bars
    assert "7 + 2" in bars


def test_a_figure_that_was_not_measured_is_none() -> None:
    assert estimate({"value": None, "low": None, "high": None, "n": 0}) is None
    assert estimate(None) is None
    measured = estimate({"value": 1, "low": None, "high": None, "n": 4, "clusters": 4})
    assert measured is not None
    assert math.isnan(measured.low)


def test_pairs_that_no_judge_labelled_are_not_said_to_be_judged_and_the_largest_change_is_a_headline(
    tmp_path: Path,
) -> None:
    def scored(principle: str, before: float, after: float) -> list[Figure]:
        rise = after - before
        values = {"base": Estimate(before, 0, 1, 40, 40), "dpo": Estimate(after, 0, 1, 40, 40)}
        change = {"dpo": Estimate(rise, rise - 0.1, rise + 0.1, 40, 40)}
        about = {"principle": principle}
        return [
            *by_label("kept", "policy", values, "share", **about),
            *by_label("kept", "policy", change, "points", **about, less="base"),
        ]

    evaluate = Result(figures=(*scored("r/short", 0.5, 0.75), *scored("r/kind", 0.9, 0.5)))
    stages = {
        "inputs": {"figures": [], "funnels": [{"what": "prompts", "came_in": 9, "remained": 9}]},
        "judging": {},
        "dataset": {
            "figures": [{"name": name, "value": count} for name, count in (("train_pairs", 1), ("test_pairs", 0))]
        },
        "evaluate": evaluate.to_json(),
    }
    Workspace(tmp_path).write("dataset/train", Preference, [pair(REVISION, OTHER, 1.0, "construction")])
    (tmp_path / "judging").mkdir()
    (tmp_path / "judging/report.json").write_text(json.dumps({"judges": {"strict": {}}}))
    (tmp_path / "summary.json").write_text(json.dumps({**HEAD, "stages": stages}))
    document = read_document(tmp_path)
    pairs, who, _, changed = (answer for _, answer in document.lines)
    assert pairs == "1 to train on and 0 held out (prompts: 9)."
    assert who == "All by construction. A judge was measured and decided none: strict."
    kind = "Answers that keep r/kind, from “base” to “dpo”: 90.0 % → 50.0 %, -40.0 points (-50.0 to -30.0; n = 40)."
    assert changed == kind


def test_the_facts_that_decide_come_first_with_their_counts_and_not_those_of_a_judge_that_decided_nothing(
    tmp_path: Path,
) -> None:
    def written(decided_by: str) -> list[str]:
        by_verifier = [pair(EVIL[0], EVIL[1], 1.0, "verifier"), pair(EVIL[1], EVIL[0], 1.0, "verifier")]
        rows = [pair(REVISION, OTHER, 0.75, decided_by), pair(FOX[0], FOX[1], 0.75, decided_by), *by_verifier]
        judged = [judgement((REVISION, OTHER), 0.75, consistent=True), judgement(FOX, 0.75, consistent=False)]
        workspace = Workspace(tmp_path)
        workspace.write("dataset/train", Preference, rows)
        workspace.write("judging/judgements", Judgement, judged)
        return [*read_document(tmp_path).before_use]

    def shown(question: str) -> str:
        return dict(read_document(tmp_path).lines)[question]

    principles = [{"id": name, "statement": f"Be {name}."} for name in ("safe", "kind")]
    longer = Estimate(1 / 12, 0.0, 0.3, 12, 12)
    files: dict[str, dict[str, object]] = {
        "constitutions/c.json": {"id": "c", "principles": principles},
        "audit/certificate.json": {
            "judges": [{"name": "j", "position": {"consistency": None, "prefers_first": None}}],
            "conclusions": [{"judge": "j", "sentence": "No.", "form": "do not use", "flips": None}],
            "gates": [{"judge": "j", "check": "order", "outcome": "FAIL", "found": "too often"}],
            "gate": {"outcome": "FAIL", "checks": [{"check": "people", "outcome": "FAIL"}]},
        },
        "summary.json": {
            **HEAD,
            "simulated": "Simulated.",
            "models": {"sft": "", "dpo": ""},
            "stages": {
                "judging": {},
                "audit": {},
                "dataset": {"figures": [{"name": "cut_at_max_tokens", "value": 3, "of": {"answers": "rejected"}}]},
                # 1 - 1/12 of the held-out pairs: the shorter answer is right in 11 of 12
                "dpo": Result(figures=(Figure(name="longer_answer_is_right", value=longer),)).to_json(),
            },
            "warnings": [],
        },
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    assert written("judge") == [
        "Simulated.",
        "The labels fail the gate before training (people), but dpo trained on them anyway.",
        "j fails the gate order: too often.",
        # the fox: 1 of the 2 pairs that the judge decided
        "The judge's verdicts in the two orders disagree on 1 of the 2 pairs that it decided (50.0 %); "
        "judging.disagreement: drop would leave 1.",
        "Only 4 pairs are for training, too few to learn much from: provide 20 or more.",
    ]
    by_code = "Code decided 2 of them. It does not know whether an answer is true or useful."
    assert by_code in shown("Who decided them?")
    assert (
        shown("May I train on them?")
        == "The gate before training says FAIL (people). License of the prompts: none on record (4)."
    )
    (chapter,) = [chapter for chapter in read_document(tmp_path).chapters if chapter.id == "pairs"]
    lengths, certainty = (plot.table[1] for plot in chapter.plots)
    assert [sum(int(row[side]) for row in lengths) for side in (1, 2)] == [4, 4]
    assert list(certainty)[2] == ("0.7 to 0.8", "1", "1"), "one of the judge's pairs has orders that disagree"
    (tmp_path / "summary.json").write_text(json.dumps({**files["summary.json"], "simulated": None}))
    assert written("person")[1:] == [
        "Only 4 pairs are for training, too few to learn much from: provide 20 or more.",
        "3 of 4 rejected answers are cut at max_tokens, so an abrupt end gives them away.",
        "The shorter answer is right in 91.7 % of 12 held-out pairs: length alone would decide nearly all of them.",
        "Pairs by the principle that decided them: c/safe (Be safe) 4, c/kind (Be kind) none.",
    ]
