"""The dataset's card, written from the run: what a reader has to know before building on it.

What is generated stands between two marks; text around them is the publisher's and survives the next push.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from amendment.constitutions import Constitution
from amendment.markdown import table
from amendment.publishing.configs import CONFIGS
from amendment.publishing.judge_sft import lessons_of
from amendment.publishing.licenses import source_licenses, things_to_look_at, writers
from amendment.publishing.tables import Tables
from amendment.publishing.text import code, fenced, tame
from amendment.records import Sampling
from amendment.run.runfile.publish import PublishSettings
from amendment.run.wording import evaluation_lines, stage_lines

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["BEGIN", "END", "card_body", "with_body"]

BEGIN = "<!-- amendment: generated from here; text above stays, text in between is written anew with each push -->"
END = "<!-- amendment: generated up to here; text below stays -->"
COLUMNS = {
    "prompt, chosen, rejected": "lists of messages, as TRL's trainers take them",
    "tools, chat_template_kwargs": "of the prompt, where some prompt has them",
    "p_chosen": "P(chosen is better) as used in training",
    "p_chosen_raw": "the judge's own",
    "p_chosen_calibrated": "after calibration on people; null where there was none",
    "decided_by": "judge, verifier, person, construction or unknown: who decided which is better",
    "weight": "training weight",
    "comparison_id, prompt_id, chosen_id, rejected_id": "hashes of the content; the comparison's does not say who won",
    "chosen_model, rejected_model": "who wrote the answers, where it is known",
    "raters": "who judged; people are person-1, person-2 ...",
    "principle_ids, constitutions": "`constitution/principle`, and `id@version#hash`",
    "decisive": "the principle that decided; null for ties, and where no principle was asked by",
    "first": "chosen or rejected: the answer that comes first in the pair's source file, if its order is known",
    "category, source, license": "of the prompt; those of the answers stand in `candidates`",
}
DECIDERS = {
    "judge": "a model judge",
    "person": "people",
    "verifier": "a verifier",
    "construction": "construction",
    "unknown": "raters that are not known to be people or models",
}
HELD_OUT = ("reward_model", "dpo")


def card_body(
    tables: Tables,
    settings: PublishSettings,
    configs: Mapping[str, DatasetDict],
    constitutions: list[Constitution],
    certificate: str | None,
) -> str:
    """The generated part of the card, with its marks. `certificate` is Markdown, without names of people."""
    parts = [
        *_opening(tables),
        *_loading(settings.repo, configs),
        *_columns(),
        *_constitutions(constitutions),
        *_models(tables),
        *_licenses(tables, settings),
        *_judging(tables, certificate),
        *_figures(tables),
        *_limits(tables),
        *_making(tables),
        *_citation(tables, settings),
    ]
    return "\n".join([BEGIN, "", *parts, END])


def with_body(existing: str, body: str) -> str:
    """A card's text with its generated part put in place of the old one, or below what somebody wrote by hand."""
    start, end = existing.find(BEGIN), existing.rfind(END)
    if start < 0 or end < start:
        return f"{existing.strip()}\n\n{body}\n" if existing.strip() else f"{body}\n"
    return f"{existing[:start]}{body}{existing[end + len(END) :]}".strip("\n") + "\n"


def _opening(tables: Tables) -> Iterator[str]:
    yield f"# {tables.config.name}"
    yield ""
    if tables.manifest["simulated"]:
        yield from (f"> {tables.manifest['simulated']}", "")
    rows = {split: len(found) for split, found in tables.preferences.items()}
    deciders = sorted({row.decided_by for found in tables.preferences.values() for row in found})
    who = " and ".join(DECIDERS[one] for one in deciders)
    yield (
        f"Preference pairs: two answers to one prompt and which of them is better, decided by {who}. "
        f"{rows.get('train', 0)} pairs for training and {rows.get('test', 0)} held out; no prompt stands on both sides."
    )
    yield ""


def _loading(repo: str, configs: Mapping[str, DatasetDict]) -> Iterator[str]:
    yield from ("## Load it", "", "```python", "from datasets import load_dataset", "")
    for name in configs:
        argument = "" if name == "default" else f', "{name}"'
        yield f'{"pairs" if name == "default" else name} = load_dataset("{repo}"{argument})'
    yield from ("```", "")
    sizes = [[str(len(dataset.get(side, ()))) for side in ("train", "test")] for dataset in configs.values()]
    rows = [[code(name), CONFIGS[name], *size] for name, size in zip(configs, sizes, strict=True)]
    yield from table([["config", "what it holds", "train", "test"], *rows])
    yield ""
    yield "Pairs go into TRL's reward, DPO and KTO trainers as they are, `sft` and `judge_sft` into its SFT trainer."
    yield ""


def _columns() -> Iterator[str]:
    yield from ("## Columns of the pairs", "")
    rows = [[", ".join(code(one) for one in names.split(", ")), meaning] for names, meaning in COLUMNS.items()]
    yield from table([["columns", "meaning"], *rows])
    yield ""


def _constitutions(constitutions: list[Constitution]) -> Iterator[str]:
    if not constitutions:
        return
    yield from ("## Constitution", "")
    yield "Word for word what the models were given; the whole, with questions and examples, is in `constitutions/`."
    yield ""
    for one in constitutions:
        yield from (f"### {code(one.reference, longest=200)}", "")
        yield from fenced(one.title)
        yield f"License of these texts: {code(one.license)}."
        yield ""
        for principle in one.principles:
            rationale = [f"Why: {principle.rationale}"] if principle.rationale else []
            yield from (f"{code(principle.id)}, weight {principle.weight:g}", "")
            yield from fenced("\n".join([principle.rule, *rationale]))
            yield ""


def _models(tables: Tables) -> Iterator[str]:
    found = writers(tables)
    if not found:
        return
    yield from ("## Models", "")
    rows = [
        [code(one.model), code(one.host or one.provider or "imported"), str(one.texts), str(one.judged)]
        for one in found
    ]
    yield from table([["model", "host", "texts written", "verdicts"], *rows])
    yield ""
    yield "The terms of a host, and the license of a model, may limit what its output may be used for: look at them."
    yield ""
    sampling = [f"{name}: {_sampling(spec)}" for name, spec in tables.configuration["models"].items()]
    if sampling:
        yield from ("How they were asked to draw, by their names in the run file:", "")
        yield from fenced("\n".join(sampling))
        yield ""


def _sampling(spec: Mapping[str, Any]) -> str:
    names = ("provider", "model", *Sampling.model_fields)
    return ", ".join(f"{name} {spec[name]}" for name in names if name in spec)


def _licenses(tables: Tables, settings: PublishSettings) -> Iterator[str]:
    name = f" ({code(settings.license_name)})" if settings.license == "other" and settings.license_name else ""
    yield from ("## Licenses", "", f"The dataset: {code(settings.license)}{name}. What it was made from:", "")
    rows = [
        [one.what, code(one.source or "not on record"), code(one.license or "not on record"), str(one.number)]
        for one in source_licenses(tables)
    ]
    yield from table([["what", "source", "license", "how many"], *rows])
    yield ""
    notes = things_to_look_at(tables, settings.license)
    if notes:
        yield from ("To look at:", "")
        yield from fenced("\n".join(f"- {note}" for note in notes))
        yield ""


def _judging(tables: Tables, certificate: str | None) -> Iterator[str]:
    yield from ("## The judge", "")
    yield from _orders(tables)
    if certificate:
        yield from (re.sub(r"^#", "###", tame(certificate).strip(), flags=re.MULTILINE), "")
    else:
        yield "No certificate comes with this dataset: nobody has measured here how far its judge agrees with people."
        yield ""


def _orders(tables: Tables) -> Iterator[str]:
    """What the judge's two orders say of it, of the comparisons that were read in both."""
    if not tables.judgements:
        return
    both = [one.consistent for one in tables.judgements if one.consistent is not None]
    firsts = [p for verdict in tables.judged if (p := verdict.p_first()) is not None]
    position = (
        f"the answer shown first got a mean P of {fmean(firsts):.3f} (0.5: position does not count)" if firsts else ""
    )
    if both:
        yield (
            f"Of {len(tables.judgements)} comparisons {len(both)} were read in both displayed orders, which agree on "
            f"the winner in {fmean(both):.1%} of them; over all readable verdicts {position}."
        )
    elif firsts and tables.config.judging and tables.config.judging.orders == "random":
        yield (
            f"Each of {len(tables.judgements)} comparisons was shown in one order, drawn at random: over {len(firsts)} "
            f"readable verdicts {position}."
        )
    else:
        yield "Comparisons were read in one order, so nothing is known of a preference for the first answer shown."
    yield ""


def _figures(tables: Tables) -> Iterator[str]:
    stages = tables.shown_stages
    lines: list[str] = []
    for name in HELD_OUT:
        held_out = stages.get(name, {}).get("counts", {}).get("held out")
        if held_out:
            lines += [name, *stage_lines({"held out": held_out}), ""]
    if "evaluate" in stages:
        by_people = stages.get("evaluate_labels", {}).get("counts")
        lines += ["evaluate", *evaluation_lines(stages["evaluate"]["counts"], by_people)]
    if lines:
        yield from ("## Held-out figures", "", "Models trained on these pairs, on prompts that no training saw:", "")
        yield from fenced("\n".join(lines).strip())
        yield ""


def _limits(tables: Tables) -> Iterator[str]:
    yield from ("## Known limits", "")
    yield "- The better of two answers need not be a good one, and the prompts are no sample of what people ask."
    rows = [row for found in tables.preferences.values() for row in found]
    if any(row.decided_by == "judge" for row in rows):
        yield "- Labels of a model judge carry its preferences, for length and style among them."
    is_raw = tables.config.dataset.probabilities == "raw"
    if any(row.decided_by == "judge" and (is_raw or row.p_chosen_calibrated is None) for row in rows):
        yield "- `p_chosen` is the judge's own probability, not calibrated on people."
    gate = tables.counts("audit").get("gate")
    if gate in ("FAIL", "WARN", "not measured"):
        yield f"- The judge's gate says {gate}: see its certificate above."
    left_out = tables.counts("dataset").get("left out", {})
    if left_out:
        told = ", ".join(f"{code(str(reason))} {count}" for reason, count in left_out.items())
        yield f"- Comparisons that became no pair: {told}."
    lessons = lessons_of(tables)
    if lessons.kept and lessons.left_out:
        told = ", ".join(f"{code(str(reason))} {count}" for reason, count in lessons.left_out.items())
        yield f"- Verdicts that are not in `judge_sft`: {told}."
    if len(tables.people):
        yield "- Names of raters are replaced; nobody has looked for names inside prompts and answers."
    yield ""


def _making(tables: Tables) -> Iterator[str]:
    manifest = tables.manifest
    yield from ("## How it was made", "")
    yield (
        f"With amendment {manifest['toolkit']}, seed {manifest['seed']}. `manifest.json` has the resolved settings, "
        "the versions of libraries, the counts of every stage and the hashes of all files; `amendment verify DIR` "
        "compares a downloaded copy with it, and every row's ids with its content."
    )
    yield ""


def _citation(tables: Tables, settings: PublishSettings) -> Iterator[str]:
    yield from ("## Citation", "")
    key = settings.repo.replace("/", "-").lower()
    lines = [
        f"@misc{{{key},",
        f"  title = {{{tables.config.name}}},",
        f"  author = {{{settings.repo.partition('/')[0]}}},",
        f"  howpublished = {{https://huggingface.co/datasets/{settings.repo}}},",
        f"  note = {{made with amendment {tables.manifest['toolkit']}}},",
        "}",
    ]
    yield from fenced("\n".join(lines), "bibtex")
    yield ""
