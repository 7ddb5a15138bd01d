"""Read a run's folder, finished or not, into the records of `records`.

Covered: drafts and revisions, sampled, constructed and imported answers; verdicts of judges and people of every scale;
later rounds; pairs that were mixed in, whose prompts are numbered after the run's own. A stage counts once it is
done: tables of a stage that is at work, or that is out of date, are left out. People are under the pseudonyms that they
have in everything that leaves the run, once it is finished.

Not covered: sealed labels, of which only the number is said; what models answered on held-out prompts (`evaluate`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from amendment.data.pseudonyms import MAYBE_PEOPLE, Pseudonyms, run_pseudonyms
from amendment.data.store import ITEMS, ItemName, Split, Workspace, iter_records, read_columns
from amendment.errors import AmendmentError, ConfigError
from amendment.files import read_json
from amendment.hashing import HASH_PREFIX, content_id
from amendment.llm.ledger_reading import Reader
from amendment.llm.replies import shown, text_in
from amendment.preference.verified import VerifiedAnswer
from amendment.records import (
    Candidate,
    Critique,
    ItemEnding,
    Judgement,
    Preference,
    Prompt,
    PromptOrigin,
    Record,
    Try,
    Verdict,
)
from amendment.report.records import AnswerKind, PairView, PromptStory, Records, Side, VerdictView, matching
from amendment.report.story import PairRow, StoryTables, WrittenAnswer, tell
from amendment.text import plain
from amendment.yamlfile import read_yaml

R = TypeVar("R", bound=Record)
_ROUND = re.compile(r"round-(\d+)-.+")
_SIDES: tuple[Side, ...] = ("train", "test")
_KIND_OF: dict[str, AnswerKind] = {"draft": "draft", "revision": "revision", "policy": "candidate"}


class RunReader:
    """A run's folder, opened to look at what is in it. Raises ConfigError when it is no run's folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._workspace = Workspace(self.folder)
        status = load_status(self.folder)
        self.name = str(status["name"])
        self.done: tuple[str, ...] = tuple(status["done"])
        """The stages that are done and up to date."""
        self.out_of_date: tuple[str, ...] = tuple(status.get("out of date", ()))
        """The stages whose tables are there and are left out, because settings or inputs have changed since."""
        self.to_do = tuple(name for name in status["stages"] if name not in (*self.done, *self.out_of_date))
        """The stages that have not been done."""
        self._rounds = sorted({int(match[1]) for name in self.done if (match := _ROUND.fullmatch(name))})

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return the run file with all its defaults. Raises ConfigError where it is damaged."""
        path = self.folder / "run.yaml"
        data = read_yaml(path).data
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: expected settings, found {type(data).__name__}; run again to rewrite it")
        return data

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return int(self.settings.get("seed", 0))

    @cached_property
    def prompt_ids(self) -> tuple[str, ...]:
        """Return the ids of all prompts; the first one's number is 1. Prompts that only mixed-in pairs have come
        last."""
        ids: dict[str, None] = {}
        places = (("inputs", "inputs/prompts", "id"), *(("dataset", f"dataset/{side}", "prompt_id") for side in _SIDES))
        for stage, artefact, column in places:
            if path := self._path(stage, artefact):
                ids |= dict.fromkeys(str(row[0]) for row in read_columns(path, column))
        return tuple(ids)

    @cached_property
    def own_prompts(self) -> int:
        """Return the number of prompts of the run itself; those after them are of mixed-in pairs alone."""
        path = self._path("inputs", "inputs/prompts")
        return len({row[0] for row in read_columns(path, "id")}) if path else 0

    @property
    def count_shown(self) -> str:
        """Return how many prompts there are, such as `116 prompts, 6 of them mixed in`."""
        mixed = len(self.prompt_ids) - self.own_prompts
        return f"{len(self.prompt_ids):,} prompts{f', {mixed:,} of them mixed in' if mixed else ''}"

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.prompt_ids, start=1)}

    def find(self, name: str) -> str:
        """Return the id of the prompt that a number, an id, the beginning of an id or an item of the user's files
        names.

        Digits are a number where there is such a prompt. Raises ConfigError where no prompt or several are meant.
        """
        ids = self.prompt_ids
        asked = name.strip().removeprefix("#")
        if asked.isascii() and asked.isdigit() and 1 <= int(asked) <= len(ids):
            return ids[int(asked) - 1]
        if of_item := next(
            (row.prompt_id for row in self._read("inputs", ITEMS, ItemName, None) if row.name == asked), None
        ):
            return of_item
        beginning = HASH_PREFIX + asked.removeprefix(HASH_PREFIX)
        found = [number for number, prompt_id in enumerate(ids, start=1) if prompt_id.startswith(beginning)]
        expected = f"expected a number from 1 to {len(ids)}, an id, the beginning of one, or an item of your files"
        if not ids:
            raise ConfigError(f"{self.folder}: no prompts have been read yet; start the run first: amendment run FILE")
        if not found or beginning == HASH_PREFIX:
            raise ConfigError(f"{self.folder}: no prompt {plain(name)!r}; {expected}")
        if len(found) > 1:
            several = ", ".join(map(str, found[:5])) + (" and others" if len(found) > 5 else "")
            raise ConfigError(f"{self.folder}: the ids of {len(found)} prompts begin with {plain(name)} ({several})")
        return ids[found[0] - 1]

    def drawn(self, ids: Collection[str], count: int) -> list[str]:
        """`count` of these prompts, or all where they are fewer, drawn with the run's seed; in the order of the run."""
        ranked = sorted(ids, key=lambda prompt_id: content_id(["show", self.seed, prompt_id]))
        return sorted(ranked[:count], key=self._numbers.__getitem__)

    def prompts(
        self,
        ids: Collection[str] | None = None,
        *,
        disputed: bool | None = None,
        flipped: bool | None = None,
        invalid: bool | None = None,
    ) -> Records[PromptStory]:
        """Return the stories of all prompts, or of those with these ids, in the order of the run.

        `disputed`: raters disagree on two of the answers; `flipped`: a judge prefers another answer in the other order;
        `invalid`: a verdict could not be read. False asks for the opposite.
        """
        return Records(matching(self._stories(ids), disputed=disputed, flipped=flipped, invalid=invalid))

    def verdicts(
        self, *, disputed: bool | None = None, flipped: bool | None = None, invalid: bool | None = None
    ) -> Records[VerdictView]:
        """Return all verdicts of judges and people. `disputed`: on answers on which raters disagree; `flipped`: the
        other order of the same answers gave another preference; `invalid`: those that could not be read."""
        every = (verdict for story in self._stories(None) for verdict in story.verdicts)
        return Records(matching(every, disputed=disputed, flipped=flipped, invalid=invalid))

    def pairs(self) -> Records[PairView]:
        """Return the pairs of the dataset, with those of later rounds."""
        return Records(pair for story in self._stories(None) for pair in story.pairs)

    def last_replies(self, count: int) -> tuple[str, list[tuple[str, str]]] | None:
        """Return the last stage that has begun and is not done, and its newest replies, one line each, with the ids of
        their requests. They are only in the ledger: the stage's tables have what could be read once the stage is done.

        Raises LedgerError for a ledger that cannot be read.
        """
        path = self.folder / "ledger.sqlite"
        if not path.is_file():
            return None
        with Reader(path, leave_no_trace=True) as ledger:
            for stage in reversed(self.to_do):
                if replies := ledger.newest(stage, count):
                    return stage, [(request, shown(text_in(raw))) for request, raw in replies]
        return None

    def _path(self, stage: str, artefact: str) -> Path | None:
        """Return the file of a table, where its stage is done and made it."""
        path = self._workspace.path(artefact)
        return path if stage in self.done and path.is_file() else None

    def _read(self, stage: str, artefact: str, kind: type[R], ids: Collection[str] | None) -> Iterator[R]:
        path = self._path(stage, artefact)
        return iter_records(path, kind, prompts=ids) if path else iter(())

    def _stories(self, ids: Collection[str] | None) -> Iterator[PromptStory]:
        tables = self._tables(ids)
        for item in self._read("inputs", ITEMS, ItemName, ids):
            tables[item.prompt_id].items.append(item.name)
        for origin in self._read("generate", "generate/origins", PromptOrigin, ids):
            tables[origin.prompt_id].origin = origin
        for row in self._read("verify", "verify/answers", VerifiedAnswer, ids):
            tables[row.prompt_id].verified.append(row)
        prompts = {prompt.id: prompt for prompt in self._read("inputs", "inputs/prompts", Prompt, ids)}
        splits = {row.prompt_id: row.split for row in self._read("inputs", "inputs/split", Split, ids)}
        wanted = self.prompt_ids if ids is None else sorted(set(ids), key=self._numbers.__getitem__)
        for prompt_id in wanted:
            of_prompt = tables[prompt_id]
            own = prompts.get(prompt_id)
            prompt = own or _read_prompt(of_prompt.pairs[0].row)
            pseudonym = self._people.of if of_prompt.has_people else str
            yield tell(
                self._numbers[prompt_id],
                prompt,
                splits.get(prompt_id),
                of_prompt,
                is_own=own is not None,
                failures=self._failures,
                numbers=self._numbers,
                pseudonym=pseudonym,
            )

    def _tables(self, ids: Collection[str] | None) -> dict[str, StoryTables]:
        """Return the records of these prompts, or of all, by prompt."""
        tables: dict[str, StoryTables] = defaultdict(StoryTables)
        for stage, artefact, kind, round_ in self._answer_tables:
            for answer in self._read(stage, artefact, Candidate, ids):
                written = WrittenAnswer(answer, kind or _KIND_OF.get(answer.kind, "imported"), round_)
                tables[answer.prompt_id].answers.append(written)
        for critique in self._read("critique", "critique/critiques", Critique, ids):
            tables[critique.prompt_id].critiques.append(critique)
        for tried in self._read("construct", "construct/tries", Try, ids):
            tables[tried.prompt_id].tries.append(tried)
        for stage, artefact in self._verdict_tables:
            for verdict in self._read(stage, artefact, Verdict, ids):
                of_prompt = tables[verdict.prompt_id]
                (of_prompt.sealed if artefact == "labels/sealed" else of_prompt.verdicts).append(verdict)
        for stage, artefact in self._judgement_tables:
            for judgement in self._read(stage, artefact, Judgement, ids):
                of_prompt = tables[judgement.prompt_id]
                (of_prompt.imported if stage == "inputs" else of_prompt.judged).append(judgement)
        for stage, artefact, side, round_ in self._pair_tables:
            for row in self._read(stage, artefact, Preference, ids):
                tables[row.prompt_id].pairs.append(PairRow(row, side, round_))
        for stage in ("critique", "candidates", "construct"):
            endings = (row for row in self._read(stage, f"{stage}/endings", ItemEnding, None) if row.outcome != "done")
            for ending in endings:
                prompt_id, _, asked = ending.item_id.partition("/")
                tables[prompt_id].endings.append(f"{stage} {_ended(ending)}{f' ({asked})' if asked else ''}")
        return tables

    # Tables with the stage that makes each.

    @property
    def _answer_tables(self) -> Iterator[tuple[str, str, AnswerKind | None, int]]:
        """Yield each with the kind of its answers, None where they say it themselves, and their round."""
        yield "critique", "critique/candidates", None, 1
        yield "candidates", "candidates/candidates", None, 1
        yield "construct", "construct/candidates", "constructed", 1
        yield "inputs", "inputs/candidates", "imported", 1
        for number in self._rounds:
            yield f"round-{number}-candidates", f"rounds/{number}/candidates/candidates", None, number

    @property
    def _verdict_tables(self) -> Iterator[tuple[str, str]]:
        yield from (("judging", "judging/verdicts"), ("inputs", "inputs/verdicts"))
        yield from (("labels", "labels/open"), ("labels", "labels/sealed"))
        yield from ((f"round-{n}-judging", f"rounds/{n}/judging/verdicts") for n in self._rounds)

    @property
    def _judgement_tables(self) -> Iterator[tuple[str, str]]:
        yield from (("judging", "judging/judgements"), ("inputs", "inputs/judgements"))
        yield from ((f"round-{n}-judging", f"rounds/{n}/judging/judgements") for n in self._rounds)

    @property
    def _pair_tables(self) -> Iterator[tuple[str, str, Side, int]]:
        """Yield each with its side of the split and its round."""
        yield from (("dataset", f"dataset/{side}", side, 1) for side in _SIDES)
        yield from ((f"round-{n}-dataset", f"rounds/{n}/dataset/pairs", "train", n) for n in self._rounds)

    @cached_property
    def _failures(self) -> dict[str, str]:
        """Why comparisons have no judgement, by their ids."""
        stages = [("judging", "judging"), *((f"round-{n}-judging", f"rounds/{n}/judging") for n in self._rounds)]
        endings = (row for stage, folder in stages for row in self._read(stage, f"{folder}/endings", ItemEnding, None))
        return {row.item_id: _ended(row) for row in endings if row.outcome != "done"}

    @cached_property
    def _people(self) -> Pseudonyms:
        """Return the pseudonyms of everybody who rated: those of the card and the certificate, once both could be
        written."""
        rows = [row for side in _SIDES for row in self._read("dataset", f"dataset/{side}", Preference, None)]
        with suppress(AmendmentError, LookupError):  # the certificate is missing yet, or a part of the run file
            return run_pseudonyms(self.folder, self.settings, rows)
        names = {name for row in rows if row.decided_by in MAYBE_PEOPLE for name in row.raters}
        for stage, artefact in (("inputs", "inputs/verdicts"), ("labels", "labels/open")):
            verdicts = self._read(stage, artefact, Verdict, None)
            names |= {verdict.rater for verdict in verdicts if verdict.rater_kind in MAYBE_PEOPLE}
        return Pseudonyms(names)


def _read_prompt(row: Preference) -> Prompt:
    """Return the prompt of a pair that was mixed in."""
    return Prompt(
        messages=row.prompt,
        tools=row.tools,
        chat_template_kwargs=row.chat_template_kwargs,
        category=row.category,
        source=row.source or "dataset.mix",
    )


def _ended(ending: ItemEnding) -> str:
    return f"{ending.outcome}: {ending.reason}" if ending.reason else ending.outcome


def load_status(folder: Path) -> dict[str, Any]:
    """Return the content of a run's `status.json`. Raises ConfigError where there is none."""
    path = folder / "status.json"
    try:
        status = read_json(path)
    except OSError:
        if (folder / "certificate.json").is_file():
            advice = "run its description, amendment run study.yaml, and look at runs/study"
            raise ConfigError(f"{folder}: an audit's folder, which holds figures and no texts; {advice}") from None
        raise ConfigError(f"{folder}: no status.json here; expected a run's folder, such as runs/NAME") from None
    except ValueError as fault:
        raise ConfigError(f"{path}: not JSON ({fault}); run again to rewrite it") from None
    is_whole = isinstance(status, dict) and {"name", "stages", "running", "done"} <= status.keys()
    lists = [status.get(key, []) for key in ("done", "out of date", "stages")] if is_whole else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise ConfigError(f"{path}: not a run's status; run again to rewrite it")
    return dict(status)
