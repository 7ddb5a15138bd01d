"""Judges of the same family as the writers whose answers they compare, said before a run and after it; and judges that
are to be measured on labels which the run does not have.

Covered: models that the run file names, a policy of the run by its base. Not covered: answers that come from files, and
the simulated world, where the truth is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from amendment.pipeline.runfile.config import POLICY_STAGES, RunFile
from amendment.pipeline.runfile.sources import ModelSource
from amendment.preference import are_related, family_of
from amendment.terminal import plain

__all__ = ["kinship_warnings"]


def kinship_warnings(config: RunFile) -> list[str]:
    """A sentence for each judge and writer of one family, by their models' names, and one for `labelled: judge` without
    a label. None where nobody judges."""
    judges = [entry.model for entry in config.judging.every_judge] if config.judging else []
    found = [*_unlabelled(config)]
    for judge in dict.fromkeys(judges):
        for writer in _writers(config):
            names = _model_of(config, judge), _model_of(config, writer)
            if names[0] and names[1] and are_related(names[0], names[1]):
                found.append(_warning(judge, names[0], writer, names[1]))
    return found


def _unlabelled(config: RunFile) -> Iterator[str]:
    if config.judging and config.judging.labelled == "judge" and not (config.pairs or config.verdicts):
        yield (
            "judging.labelled: judge changes nothing: the run has no verdicts or pairs of your own that the judge "
            "could be measured on; name people's labels under verdicts, or leave it out"
        )


def _warning(judge: str, judging: str, writer: str, writing: str) -> str:
    family = family_of(judging)
    why = "are one model" if judging == writing else f"are both of the family {family}"
    return (
        f"judge {plain(judge)} ({plain(judging)}) and writer {plain(writer)} ({plain(writing)}) {why}: that it prefers "
        "its own cannot be told from quality. Judge with another family, or in a jury, and label some by people"
    )


def _writers(config: RunFile) -> Iterator[str]:
    """The models that write what is compared, by their short names."""
    names = [config.critique.model] if config.critique else []
    names += [source.model for source in config.candidates if isinstance(source, ModelSource)]
    yield from dict.fromkeys(names)


def _model_of(config: RunFile, name: str) -> str | None:
    """What a short name stands for; None in the simulated world, and for a model that the run makes from nothing."""
    if name not in POLICY_STAGES:
        spec = config.models.get(name)
        return spec.model if spec and spec.provider != "simulated" else None
    base = getattr(getattr(config, name), "base", None)
    return _model_of(config, base) if base in POLICY_STAGES else base
