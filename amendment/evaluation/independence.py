"""Judges of the same family as the writers whose answers they compare, reported before a run and after it; judges of an
evaluation that made the labels themselves; and judges that are to be measured on labels which the run does not have.

Covered: models that the run file names, a policy of the run by its base; the names under which vendors and the Hugging
Face Hub know the larger families, and models made from them that keep the name. Not covered: models that hide what they
were made from, answers that come from files, and the simulated world, where the truth is known.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from amendment.critique.chain import CritiqueConfig
from amendment.curation.construction import ConstructConfig, Contrast
from amendment.curation.contrast import CONFIRMING_PROTOCOL, unchecked
from amendment.data.sources import ModelSource
from amendment.evaluation.settings import ANOTHER_JUDGE, NO_JUDGE, RELATED_JUDGE, SAME_JUDGE
from amendment.llm.specs import AnthropicSpec, LocalSpec, OpenAISpec, RegisteredSpec, located
from amendment.preference.settings import JudgeEntry, JudgingConfig
from amendment.stages.contract import POLICY_STAGES, RunSettings
from amendment.text import plain

_FAMILIES = {
    "openai": "gpt chatgpt davinci",
    "anthropic": "claude",
    "google": "gemini gemma palm",
    "llama": "llama vicuna alpaca tulu",
    "qwen": "qwen qwq",
    "mistral": "mistral mixtral ministral magistral codestral zephyr",
    "deepseek": "deepseek",
    "phi": "phi",
    "cohere": "command aya",
    "xai": "grok",
    "glm": "glm chatglm",
    "yi": "yi",
    "olmo": "olmo",
    "falcon": "falcon",
    "amazon": "nova",
    "granite": "granite",
    "moonshot": "kimi",
    "pythia": "pythia",
    "smollm": "smollm",
    "internlm": "internlm",
    "baichuan": "baichuan",
}
"""The words by which models of a family are known, with spaces between."""
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words.split()}
_NUMBERED = re.compile(r"o\d\b")
"""OpenAI's models o1, o3, o4-mini."""


def kinship_warnings(config: RunSettings, *, decides: bool = True) -> list[str]:
    """Return a sentence for each judge and writer of one family, by their models' names, and one for `judge_labelled`
    without a label. None where nobody judges. `decides` is False where no judge decided a pair: then whose answers it
    prefers is in no label."""
    judging = config.part(JudgingConfig)
    judges = [entry.model for entry in judging.every_judge] if judging and decides else []
    critique = config.part(CritiqueConfig)
    sources = config.parts(ModelSource)
    writers = [*([critique.model] if critique else []), *(source.model for source in sources)]
    warnings = []
    if judging and judging.judge_labelled and not (config.pairs or config.verdicts or config.parts(ConstructConfig)):
        warnings.append(
            "judging.judge_labelled changes nothing: the run has no verdicts or pairs of your own that the judge could "
            "be measured on, and constructs none; name people's labels under verdicts, or leave it out"
        )
    for judge in dict.fromkeys(judges):
        for writer in dict.fromkeys(writers):
            if why := _relation(config, judge, writer):
                warnings.append(
                    f"The judge {_named(config, judge)} and the writer {_named(config, writer)} {why}, so a preference "
                    "for its own answers cannot be told apart from better quality. Use a judge from another family, or "
                    "a jury, and have people label some comparisons."
                )
    return warnings


def _relation(config: RunSettings, first: str, second: str) -> str | None:
    """Return how the models behind two short names are related, such as "are the same model"; None where they are
    not."""
    one = _find_model(config, first)
    other = _find_model(config, second)
    if not (one and other and are_related(one, other)):
        return None
    return "are the same model" if one == other else f"are both of the family {find_family(one)}"


def _find_model(config: RunSettings, name: str) -> str | None:
    """Return the model behind a short name; None in the simulated world, and for a model that the run makes from
    nothing."""
    if name not in POLICY_STAGES:
        spec = config.models.get(name)
        return spec.model if spec and spec.provider != "simulated" else None
    base = getattr(getattr(config, name, None), "base", None)
    return _find_model(config, base) if base in POLICY_STAGES else base


def independence(config: RunSettings, entry: JudgeEntry, base: Path) -> dict[str, str]:
    """Return who judges an evaluation, and how near that is to the judges that made the run's labels.

    `same judge` is the same model at the same host, whatever it is called here and whatever it is asked by; `related
    judge` is of one family by the models' names. `base` is the folder of the run file.
    """
    judge = {"model": entry.model, "protocol": entry.protocol}
    judges = _labellers(config, base)
    if not judges:
        return {**judge, "standing": NO_JUDGE, "why": "no judge of this run made its labels"}
    asked = _identity(config, entry.model, base)
    if same := [labeller for labeller in judges if _identity(config, labeller.model, base) == asked]:
        is_same_protocol = any(labeller.protocol == entry.protocol for labeller in same)
        how = "" if is_same_protocol else f", there by protocol {same[0].protocol}"
        why = f"{_named(config, same[0].model)} also made the labels{how}"
        return {**judge, "standing": SAME_JUDGE, "why": why}
    for labeller in judges:
        if _relation(config, labeller.model, entry.model):
            why = f"{_named(config, labeller.model)}, of the same family, made labels"
            return {**judge, "standing": RELATED_JUDGE, "why": why}
    made = ", ".join(dict.fromkeys(_named(config, labeller.model) for labeller in judges))
    return {**judge, "standing": ANOTHER_JUDGE, "why": f"labels were made by {made}"}


def _labellers(config: RunSettings, base: Path) -> list[JudgeEntry]:
    """Return the judges that decide pairs, without those that are only measured on constructed ones."""
    judging = config.part(JudgingConfig)
    compares = config.candidates or config.pairs or config.verdicts
    labellers = [*judging.every_judge] if judging and compares else []
    for contrast in config.parts(Contrast):
        if unchecked(config.constitutions_in(base), contrast.principles):
            labellers.append(JudgeEntry(model=contrast.confirming, protocol=CONFIRMING_PROTOCOL))
    return labellers


def _identity(config: RunSettings, name: str, base: Path) -> Any:
    """Return the model behind a short name, and where it answers: two names with the same one are one judge."""
    spec = located(config.models[name], base)
    if isinstance(spec, OpenAISpec | AnthropicSpec | RegisteredSpec):
        return spec.host, spec.model
    return ("", spec.model) if isinstance(spec, LocalSpec) else spec.persona().id


def _named(config: RunSettings, name: str) -> str:
    """Return a short name with the model behind it, where there is one."""
    model = _find_model(config, name)
    return f"{plain(name)} ({plain(model)})" if model else plain(name)


def find_family(model: str) -> str | None:
    """Return the family of a model by its name, such as `llama` for `meta-llama/Llama-3.1-8B-Instruct`; None for a name
    that says nothing. The model's own name decides before that of its owner, and its first part before later ones."""
    for part in reversed(model.lower().split("/")):
        for word in re.findall(r"[a-z]+", part):
            if family := _FAMILY_OF.get(word):
                return family
        if _NUMBERED.match(part):
            return "openai"
    return None


def are_related(first: str, second: str) -> bool:
    """Return whether two models are of one family by their names; models of equal names are."""
    family = find_family(first)
    return first == second or (family is not None and family == find_family(second))
