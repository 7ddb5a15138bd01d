"""The stage judging: which comparisons are asked, juries, cascades and rankings in whole runs, what a plan counts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.data.store import Workspace
from amendment.errors import ConfigError, Transient
from amendment.llm.client import Calls
from amendment.llm.model import Ending
from amendment.llm.provider import Provider
from amendment.llm.requests import Reply, Request
from amendment.preference import Judge
from amendment.preference.panel import JudgedComparison
from amendment.preference.ranking import Ranking
from amendment.records import Candidate, Comparison, Judgement, Message, Preference, Prompt, Verdict, last_text, user
from amendment.run import Run, RunResult, load_run_file, plan_run
from amendment.run.chain import list_stages
from amendment.run.checks import check_run_file
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.stages.contract import PromptItem, Stage
from tests.run.conftest import SMALL
from tests.run.small_runs import replies

JUDGES = """\
  judges:
    - {model: second, protocol: label-tokens}
    - {model: third, protocol: verdict}
    - {model: fourth, protocol: verdict}
"""
MODELS = """\
  second: {provider: simulated}
  third: {provider: simulated, noise: 2.0}
  fourth: {provider: simulated, biases: {position: 3.0}}
"""
Write = Callable[..., Path]


def jury_text(judging: str, *, prompts: int, per_prompt: int) -> str:
    """A run file with three judges of different worth, whose part `judging` is given."""
    text = SMALL.replace("  second: {provider: simulated}\n", MODELS)
    text = text.replace("lilliput: 12", f"lilliput: {prompts}").replace("per_prompt: 2", f"per_prompt: {per_prompt}")
    before, _, rest = text.partition("judging:\n")
    return f"{before}judging:\n{judging}dataset:{rest.partition('dataset:')[2]}"


@pytest.fixture
def jury_file(run_file: Write) -> Write:
    """Writes such a file."""
    return lambda judging, prompts=12, per_prompt=2: run_file(
        jury_text(judging, prompts=prompts, per_prompt=per_prompt)
    )


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three judges, of whose comparisons people have decided none."""
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "run.yaml").write_text(jury_text(JUDGES, prompts=30, per_prompt=2))
    return made(folder / "run.yaml", folder / "run").folder


def made(file: Path, folder: Path) -> RunResult:
    return Run.from_file(file, folder=folder)(until="judging")


def table(folder: Path, name: str, kind: type[Any]) -> list[Any]:
    return Workspace(folder).read(name if "/" in name else f"judging/{name}", kind)


def collect_answers(folder: Path) -> dict[str, Candidate]:
    names = ("critique/candidates", "candidates/candidates")
    return {one.id: one for name in names for one in table(folder, name, Candidate)}


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "judging/report.json").read_text())
    return found


def test_the_same_answers_in_another_order_make_the_same_bytes(
    jury_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = jury_file(JUDGES + "  jury: majority\n  ranking: adaptive\n", prompts=6, per_prompt=4)
    first = made(file, tmp_path / "first")
    ask, late = Calls.ask, []

    async def delayed(self: Calls, provider: Provider, transport: Any, request: Request) -> Reply:
        """Every third answer comes back after many others."""
        late.append(request.id)
        for _ in range(40 if len(late) % 3 == 0 else 0):
            await asyncio.sleep(0)
        return await ask(self, provider, transport, request)

    monkeypatch.setattr(Calls, "ask", delayed)
    second = made(file, tmp_path / "second")
    assert late
    assert first.summary == second.summary
    for path in sorted((tmp_path / "first/judging").iterdir()):
        assert path.read_bytes() == (tmp_path / "second/judging" / path.name).read_bytes(), path.name


def test_a_cascade_asks_second_judges_only_about_what_the_first_are_unsure_of(jury_file: Write, folder: Path) -> None:
    cascade = """\
  judges: [{model: third, protocol: verdict}]
  cascade: [{model: second, protocol: label-tokens}]
  confidence: 0.5
"""
    counts = made(jury_file(cascade), folder).results["judging"]
    judgements, verdicts = table(folder, "judgements", Judgement), table(folder, "verdicts", Verdict)
    asked = Counter(verdict.rater for verdict in verdicts)
    # Written verdicts in two orders, each 0, 1/2 or 1: P is their mean, and |2P - 1| is 1/2 at least unless the orders
    # disagree or both say tie.
    first = [one for one in judgements if one.raters == ("third/verdict@2.0.0",)]
    second = [one for one in judgements if one.raters == ("second/label-tokens@2.1.0",)]
    assert len(first) + len(second) == len(judgements) == 20
    assert {one.p_a for one in first} <= {0.0, 0.25, 0.75, 1.0}
    assert asked["third/verdict@2.0.0"] == 40
    assert asked["second/label-tokens@2.1.0"] == 2 * len(second) == 2 * counts.count("asked_second_judges") > 0
    assert counts.count("unsure") == sum(abs(2 * one.p_a - 1) < 0.5 for one in second)
    assert sum(tier["kept"] for tier in report(folder)["cascade"].values()) == 20


def test_a_ranking_compares_fewer_and_always_its_best_with_its_worst(jury_file: Write, folder: Path) -> None:
    judging = "  judges: [{model: second, protocol: label-tokens}]\n  ranking: adaptive\n  pairs: best_worst\n"
    file = jury_file(judging, prompts=4, per_prompt=6)
    results = Run.from_file(file, folder=folder)(until="dataset").results
    rankings = {one.prompt_id: one for one in table(folder, "rankings", Ranking)}
    judgements = table(folder, "judgements", Judgement)
    spared = sum(one.possible for one in rankings.values()) - len(judgements)
    assert results["judging"].count("comparisons_spared") == spared > 0
    compared = {(one.prompt_id, frozenset((one.a, one.b))) for one in judgements}
    known = [one for one in rankings.values() if one.best and one.worst]
    assert known
    assert all((one.prompt_id, frozenset((one.best, one.worst))) in compared for one in known)
    pairs = [row for side in ("train", "test") for row in table(folder, f"dataset/{side}", Preference)]
    assert pairs
    for row in pairs:
        assert (row.chosen_id, row.rejected_id) == (rankings[row.prompt_id].best, rankings[row.prompt_id].worst)
    assert len(pairs) + sum(results["dataset"].funnels[0].left_out.values()) == len(judgements)


def labelled(jury_file: Write, tmp_path: Path, folder: Path, count: int) -> Path:
    """A run file whose people have labelled so many of the first comparisons that a run has judged, by their texts."""
    answers = collect_answers(folder)
    prompts = {one.id: last_text(one.messages) for one in table(folder, "inputs/prompts", Prompt)}
    rows = [
        {
            "prompt": prompts[one.prompt_id],
            "a": last_text(answers[one.a].messages),
            "b": last_text(answers[one.b].messages),
            "anna": "A" if (one.p_a or 0) >= 0.5 else "B",
        }
        for one in table(folder, "judgements", Judgement)[:count]
    ]
    (tmp_path / "people.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    file = jury_file(JUDGES + "  jury: weighted\n  judge_labelled: true\n", prompts=30)
    columns = "{prompt: prompt, a: a, b: b, votes: [anna]}"
    file.write_text(f"{file.read_text()}verdicts: [{{path: people.jsonl, columns: {columns}, kind: person}}]\n")
    return file


def test_judges_are_weighed_on_the_comparisons_that_people_decided(
    jury_file: Write, tmp_path: Path, unlabelled: Path
) -> None:
    file = labelled(jury_file, tmp_path, unlabelled, 40)
    made(file, tmp_path / "run")
    told = report(tmp_path / "run")
    weights = {name: one["weight"] for name, one in told["judges"].items()}
    assert all(weight > 0 for weight in weights.values())


def test_too_few_labels_end_the_run_before_a_judge_is_asked(jury_file: Write, tmp_path: Path, unlabelled: Path) -> None:
    file = labelled(jury_file, tmp_path, unlabelled, 29)
    Run.from_file(file, folder=tmp_path / "run")(until="candidates")
    before = replies(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"found 29 .*expected 30 at least"):
        made(file, tmp_path / "run")
    assert replies(tmp_path / "run") == before


PROMPT = Prompt(messages=user("how much"))
Open = Callable[..., RunContext]


@pytest.fixture
def opened(small: Path, tmp_path: Path) -> Iterator[Open]:
    """A context over the small run file, with what people have decided: P(a) by comparison."""
    contexts: list[RunContext] = []

    def make(*overrides: str, decided: Sequence[Judgement] = ()) -> RunContext:
        loaded = load_run_file(small, [*overrides])
        contexts.append(RunContext(loaded.config, loaded.base, RunFolder(tmp_path / "run"), QuietProgress()))
        contexts[-1].workspace.write("inputs/judgements", Judgement, decided)
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


def answers(count: int) -> list[Candidate]:
    said = [(Message(role="assistant", content=f"answer {number}"),) for number in range(count)]
    return [Candidate(prompt_id=PROMPT.id, messages=messages, kind="imported") for messages in said]


def worth(candidate: Candidate) -> int:
    return int(last_text(candidate.messages).split()[1])


class Panel:
    """Prefers the answer with the larger number, or sees no difference, or is away."""

    judges = (SimpleNamespace(name="one", model=SimpleNamespace(concurrency=2)),)

    def __init__(self, way: str = "sure") -> None:
        self.way = way
        self.asked: list[Comparison] = []

    async def compare(self, prompt: Prompt, a: Candidate, b: Candidate, *, at_most: bool) -> JudgedComparison:
        comparison = Comparison.between(a, b)
        self.asked.append(comparison)
        if self.way == "away":
            return JudgedComparison(comparison, [], Ending("pending", "away"))
        is_a = comparison.a == max(a, b, key=worth).id
        p_a = 0.5 if self.way == "even" else 0.9 if is_a else 0.1
        return JudgedComparison(comparison, [], Ending("done"), Judgement(**comparison._asdict(), p_a=p_a))


def judging_of(context: RunContext) -> Stage:
    return next(stage for stage in list_stages(context.config) if stage.name == "judging")


@pytest.fixture
def judged(opened: Open, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What comes of one prompt with so many answers."""

    def make(panel: Panel, count: int, ranking: str, decided: Sequence[Judgement] = ()) -> Any:
        monkeypatch.setattr("amendment.stages.judging._panel", lambda context, config: panel)
        context = opened(f"judging.ranking={ranking}", decided=decided)
        step = judging_of(context).begin(context)
        return asyncio.run(step.work(PromptItem(0, PROMPT, {"inputs/candidates": answers(count)})))

    return make


def every_two(count: int) -> list[Comparison]:
    found = answers(count)
    return [Comparison.between(a, b) for i, a in enumerate(found) for b in found[i + 1 :]]


def decision(comparison: Comparison, p_a: float) -> Judgement:
    return Judgement(**comparison._asdict(), p_a=p_a, rater_kind="person")


def test_every_two_are_asked_once_but_those_that_people_decided(judged: Callable[..., Any]) -> None:
    panel = Panel()
    judged(panel, 4, "all_pairs", [decision(comparison, 0.5) for comparison in every_two(4)[:2]])
    assert panel.asked == every_two(4)[2:]


def test_what_people_decided_counts_in_a_ranking(judged: Callable[..., Any]) -> None:
    first, *_, last = answers(5)  # people say that the answer that the judge likes least is better than every other one
    decided = [decision(pair, float(pair.a == first.id)) for pair in every_two(5) if first.id in (pair.a, pair.b)]
    panel = Panel()
    ranking = judged(panel, 5, "adaptive", decided).ranking
    assert not {pair.id for pair in panel.asked} & {row.comparison_id for row in decided}
    assert (ranking.best, ranking.possible) == (first.id, 10)
    assert ranking.worst != last.id


def test_a_pending_comparison_ends_the_ranking(judged: Callable[..., Any]) -> None:
    compared = judged(Panel("away"), 6, "adaptive")
    assert compared.ranking is None
    assert [one.ending.outcome for one in compared.judged] == ["pending"]


def test_no_judge_goes_on_after_the_comparison_was_left_pending(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: set[int] = set()
    is_begun = asyncio.Event()

    async def verdicts(judge: Judge, *_: object, **__: object) -> list[Verdict]:
        if judge.samples == 1:
            await is_begun.wait()
            raise Transient("h: no reply", kind="transport")
        at_work.add(judge.samples)
        is_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            at_work.discard(judge.samples)
        return []

    monkeypatch.setattr(Judge, "verdicts", verdicts)
    judges = "[{model: second, protocol: label-tokens}, {model: second, protocol: verdict, samples: 2}]"
    context = opened(f"judging.judges={judges}")

    async def judge() -> list[str]:
        compared = (
            await judging_of(context).begin(context).work(PromptItem(0, PROMPT, {"inputs/candidates": answers(2)}))
        )
        assert at_work == set()
        return [one.ending.outcome for one in compared.judged]

    assert asyncio.run(judge()) == ["pending"]


RUN = """\
name: planned
constitution: helpful-honest
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, base_url: URL, model: w, api_key_env: null, max_tokens: 40}
  cheap: {provider: openai, base_url: URL, model: c, api_key_env: null, max_tokens: 40}
  strong: {provider: openai, base_url: URL, model: s, api_key_env: null, max_tokens: 40}
candidates: [{model: writer, per_prompt: 6}]
judging:
  judges: [{model: cheap, protocol: verdict}]
"""


@pytest.mark.parametrize("orders", ["both", "first"])
def test_a_cascade_is_planned_as_if_the_first_judges_were_never_sure(
    written: Callable[..., Path], folder: Path, orders: str
) -> None:
    text = RUN.replace("per_prompt: 6", "per_prompt: 3") + "  cascade: [{model: strong}]\n"
    plan = plan_run(load_run_file(written(text + f"  orders: {orders}\n", prompts=10)), folder)
    calls = {one.model: one.calls for one in plan.asks if one.stage == "judging"}
    count = 10 * 3 * (2 if orders == "both" else 1)  # three pairs a prompt
    assert calls == {"cheap": count, "strong": count}


def test_a_ranking_is_planned_at_its_most(written: Callable[..., Path], folder: Path) -> None:
    plan = plan_run(load_run_file(written(RUN + "  ranking: adaptive\n", prompts=5)), folder)
    most = 2 * 6 + 1  # two for each of six, and the best with the worst
    assert [asks.calls for asks in plan.asks if asks.stage == "judging"] == [5 * most * 2]


def test_a_changed_copy_of_a_judge_that_would_sign_alike_is_refused(written: Callable[..., Path]) -> None:
    file = written(RUN.replace("protocol: verdict}", "protocol: verdict}, {model: cheap, protocol: ./mine}"))
    shutil.copytree(str(files("amendment.preference") / "judges" / "verdict"), file.parent / "mine")
    with pytest.raises(ConfigError, match=r"run.yaml:10:\d+: judging.judges\[1\].protocol: cheap has the name"):
        check_run_file(load_run_file(file))
