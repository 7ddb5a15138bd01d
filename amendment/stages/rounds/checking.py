"""What `rounds` cannot mean beside the rest of a run file, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator

from amendment.calibration.settings import SpotCheckSettings
from amendment.stages.config_rounds import RoundsStage
from amendment.stages.configs import RunFile
from amendment.stages.rounds.deriving import drawn_from
from amendment.yamlfile import Loc

__all__ = ["round_problems"]


def round_problems(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Rounds without what every round does, or with nothing to do it on."""
    rounds = config.rounds
    if rounds is None:
        return
    for name, why in (("judging", "judges the policy's answers"), ("dpo", "trains the policy on them")):
        if getattr(config, name) is None:
            yield ("rounds",), f"each round {why}, and the run has no stage {name}; add it"
    if rounds.n > 1:
        yield from _draws_too_little(config)
        yield from _jury_without_labels(config)
        yield from _no_people(config, rounds)


def _draws_too_little(config: RunFile) -> Iterator[tuple[Loc, str]]:
    source = drawn_from(config, 2)
    if source is None:
        told = "no policy of the run is among candidates, so that nothing says how the last one is asked"
        yield ("rounds",), f"{told}; add candidates here, such as candidates: {{per_prompt: 4}}"
    elif source.per_prompt < 2:
        told = f"the policy under candidates draws {source.per_prompt} answer a prompt, and a round compares two"
        yield ("rounds",), f"{told}; add candidates here, such as candidates: {{per_prompt: 4}}"


def _jury_without_labels(config: RunFile) -> Iterator[tuple[Loc, str]]:
    if config.judging and config.judging.jury == "weighted":
        told = (
            "weighted learns from comparisons that people have decided, and of further rounds' answers there are none"
        )
        yield ("judging", "jury"), f"{told}; take another jury, or leave rounds out"


def _no_people(config: RunFile, rounds: RoundsStage) -> Iterator[tuple[Loc, str]]:
    """A share of people's pairs where the run has nowhere to take one from."""
    people = config.part(SpotCheckSettings)
    decides = people is not None and people.decide
    if rounds.keep_human and not (config.pairs or config.verdicts or len(config.dataset.mix) > 1 or decides):
        told = f"found {rounds.keep_human:g}, and the run has no pairs that people decided"
        yield (
            ("rounds", "keep_human"),
            f"{told}; add pairs, verdicts or dataset.mix, let people check some, or leave it out",
        )
