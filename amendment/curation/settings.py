"""How a run's pairs become its dataset, as the run file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from amendment.curation import Mix
from amendment.curation.diversity import Embed
from amendment.data.inputs import read_inputs
from amendment.data.pseudonyms import portable
from amendment.data.source_rows import source_state
from amendment.data.sources import FileSource
from amendment.data.verdict_files import DataSources
from amendment.errors import ConfigError, MissingExtra
from amendment.llm.embeddings import Embeddings, embeddings_state
from amendment.records import Candidate, Part, Prompt, last_text

REFERENCE = "people"
"""The set of the answers that people wrote."""


class DiversitySettings(Part):
    """What the diversity of answers is compared with."""

    reference: FileSource | None = None
    """Answers that people wrote to prompts like yours: `prompt` and `candidate`, or their `columns`. Chosen answers are
    compared with them by the gate against collapse, and rounds are measured by how well they predict them."""
    embeddings: str | None = Field(default=None, min_length=1)
    """A model of sentence embeddings for the Vendi score: all-minilm-l6-v2, a folder, or a model of the Hub. By default
    words and pairs of words are counted."""

    def key(self, base: Path) -> dict[str, Any]:
        """Return what of files and models changes the figures."""
        key: dict[str, Any] = {"reference": source_state(self.reference, base)} if self.reference else {}
        if self.embeddings:
            key["embeddings"] = embeddings_state(self.embeddings, base)
        return key

    def read_people_answers(self, base: Path, *, glimpse: bool = False) -> dict[str, tuple[Prompt, Candidate]]:
        """Return the reference: the first answer to each prompt, by its id; empty where the run file names none. Raises
        DataError for rows that cannot be used."""
        if self.reference is None:
            return {}
        inputs = read_inputs(DataSources(name=REFERENCE, candidates=(self.reference,)), base, glimpse=glimpse)
        answers = reversed(inputs.candidates.values())
        return {answer.prompt_id: (inputs.prompts[answer.prompt_id], answer) for answer in answers}

    def read_people_texts(self, base: Path) -> dict[str, str]:
        people = self.read_people_answers(base)
        return {prompt_id: last_text(answer.messages) for prompt_id, (_, answer) in people.items()}

    def embed(self, base: Path) -> tuple[Embed | None, str]:
        """Return what makes the vectors of the Vendi score, None for words, and its name or why it is missing."""
        if self.embeddings is None:
            return None, "words"
        try:
            return Embeddings.load(self.embeddings, base).embed, portable(self.embeddings)
        except (ConfigError, MissingExtra):
            return None, f"words, since {portable(self.embeddings)} cannot be loaded"


class DatasetConfig(DiversitySettings):
    """The dataset."""

    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the prompts that no training stage sees. If `evaluate` has prompts of its own, it is the share of the
    pairs, and at most half of them are held out."""
    ties: Literal["drop", "keep"] = "drop"
    """For imported pairs on which raters are evenly split: keep writes them with P = 0.5; trainers on hard
    labels leave them out. `judging` has its own."""
    probabilities: Literal["raw", "calibrated"] = "raw"
    """Which P(chosen is better) training sees in `p_chosen`: the judge's own, or the one calibrated on people's labels.
    Both have columns of their own. Calibrated ones trained no better model, in the simulator and on real text."""
    secrets: Literal["drop", "keep", "stop"] = "stop"
    """Rows with a text that looks like a key or a token. stop ends the run and lists them before anything is exported;
    drop leaves them out and counts them; keep exports them, but a push still needs --allow-secrets."""
    mix: Mix = ()
    """Shares of the pairs for training: one entry `source: run` for this run's own, and files or datasets of people's
    pairs. As many pairs are taken as the shares allow."""

    @property
    def is_mixed(self) -> bool:
        """Pairs of other sources join the run's own."""
        return len(self.mix) > 1
