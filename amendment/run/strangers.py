"""Prompts that a simulated model would have to answer and does not know.

Covered: whoever writes answers to prompts of any source, files of pairs and verdicts among them. Not covered: judges,
which toss a coin outside their world; prompts beyond the first rows of a dataset on the Hub, of which a check reads no
more.
"""

from __future__ import annotations

from collections.abc import Iterator

from amendment.data.sources import ModelSource
from amendment.records import Prompt, text_of
from amendment.run.runfile.config import RunFile
from amendment.simulator import knows
from amendment.stages.construct import ConstructConfig
from amendment.yamlfile import Loc

__all__ = ["Strangers"]


class Strangers:
    """The prompts of a run, as they come, by whether the simulated world knows them."""

    def __init__(self) -> None:
        self._count = self._unknown = 0
        self._first: Prompt | None = None
        self._before = 0
        """Prompts before the first one that is unknown."""

    def look(self, prompt: Prompt) -> None:
        """Look at the next prompt."""
        if not knows(text_of(prompt.messages)):
            self._unknown += 1
            if self._first is None:
                self._first, self._before = prompt, self._count
        self._count += 1

    def problems(self, config: RunFile) -> Iterator[tuple[Loc, str]]:
        """Simulated models that would have to answer prompts outside their world, each with its place in the file."""
        if self._first is None:
            return
        asked = self._asked(config)
        for name, spec in config.models.items():
            if name in asked and spec.provider == "simulated":
                told = f"knows the prompts of Lilliput alone, and {self._found(self._first)}"
                yield ("models", name), f"{told}; name a real model, or take theirs alone: prompts: [{{lilliput: 100}}]"

    def _found(self, first: Prompt) -> str:
        if self._unknown == self._count:
            return "none of yours is one"
        source = f", such as those of {first.source}" if first.source else ""
        return f"{self._unknown} of your {self._count} are none{source}"

    def _asked(self, config: RunFile) -> set[str]:
        """The models that write answers to all prompts, or to as many that the first unknown one is among them."""
        sources = [source for source in config.candidates if isinstance(source, ModelSource)]
        asked = {source.model for source in sources if source.take is None or source.take > self._before}
        asked |= {config.critique.model} if config.critique else set()
        asked |= {side.model for source in config.parts(ConstructConfig) for side in source.sides}
        return asked
