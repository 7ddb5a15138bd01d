"""Make the two files of examples/audit_my_judge.yaml: labels of three simulated people, the log of a simulated judge.

python examples/make_labels.py        writes people.csv and judge_log.csv next to this script

The questions, answers, people and judge are Lilliput's. The judge likes the answer shown first and the longer one,
which the audit has to find out.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from amendment.simulator import Persona, draft, panel, prefer, sample_prompts

HERE = Path(__file__).resolve().parent
SEED = 7
PROMPTS = 60
WRITERS = {"plain-7b": Persona(writer="helpful-only"), "long-7b": Persona(writer="verbose")}
JUDGE = Persona(biases={"position": 1.2, "length": 0.12}, noise=0.6)


class Case(NamedTuple):
    """One comparison of the files."""

    item: str
    topic: str
    question: str
    answers: dict[str, str]


def cases() -> Iterator[Case]:
    """Two comparisons a question, as far as the writers differ."""
    rng = random.Random(SEED)  # noqa: S311 - a draw of the simulated world
    for number, prompt in enumerate(sample_prompts(PROMPTS, SEED)):
        for turn in "ab":
            answers = {name: draft(prompt.text, persona=persona, rng=rng) for name, persona in WRITERS.items()}
            if len(set(answers.values())) == len(answers):
                yield Case(f"q{number:03}{turn}", prompt.family, prompt.text, answers)


def people(rng: random.Random) -> Iterator[dict[str, str]]:
    """Labels: 1, 2 or = as people type them; the third person did only half of the work."""
    for case in cases():
        votes = [{"A": "1", "B": "2"}[vote] for vote in panel(case.question, *case.answers.values(), seed=SEED)]
        votes = ["=" if rng.random() < 0.05 else vote for vote in votes]
        votes[2] = votes[2] if rng.random() < 0.5 else ""
        names = dict(zip(("ann", "bo", "cleo"), votes, strict=True))
        replies = dict(zip(("reply_1", "reply_2"), case.answers.values(), strict=True))
        yield {"qid": case.item, "topic": case.topic, "question": case.question, **replies, **names}


def judge_log(rng: random.Random) -> Iterator[dict[str, str]]:
    """What a judge said in each order, in words that speak of the place on the screen."""
    for case in cases():
        one, two = case.answers.values()
        for order, shown in (("12", (one, two)), ("21", (two, one))):
            log_odds = prefer(case.question, *shown, persona=JUDGE, rng=rng)
            said = "first" if log_odds > 0 else "second"
            yield {"qid": case.item, "shown": order, "said": "I cannot compare these." if rng.random() < 0.03 else said}


def write(name: str, rows: Iterator[dict[str, str]]) -> None:
    found = list(rows)
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    write("people.csv", people(random.Random(SEED)))  # noqa: S311 - likewise
    write("judge_log.csv", judge_log(random.Random(SEED + 1)))  # noqa: S311 - likewise
