"""What a plan rests on, said in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.llm.ledger_reading import Latency
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.run.planning.figures import AT_ONCE, FIRST, PER_SECOND, measured
from amendment.run.planning.made_up import TEXT_TOKENS, VERDICT_TOKENS
from amendment.run.planning.performing import Setting
from amendment.run.planning.plan import Asks
from amendment.run.planning.portions import Portion
from amendment.run.planning.rehearsal import ENOUGH_ANSWERS, Rehearsal
from amendment.stages.config_rounds import round_step

__all__ = ["assumptions"]


def assumptions(
    portions: Sequence[Portion], likely: Rehearsal, setting: Setting, asks: Sequence[Asks], times: Sequence[Latency]
) -> tuple[str, ...]:
    """Only what bears on this plan: where nothing is left to be asked, nothing is assumed."""
    left = [one for one in asks if one.calls]
    if not left:
        return ()
    return (
        *_sample(portions),
        *_judging(left, setting),
        *_guards(left),
        *_answers(left, likely, setting),
        *_bounds(left, setting),
        *_money(left, setting),
        *_time(left, setting, times),
    )


def _is_hosted(name: str, setting: Setting) -> bool:
    return isinstance(setting.config.models.get(name), OpenAISpec | AnthropicSpec)


def _sample(portions: Sequence[Portion]) -> Iterator[str]:
    rehearsed = sum(portion.size for portion in portions)
    total = round(sum(portion.size * portion.weight for portion in portions))
    if rehearsed < total:
        yield f"counted with {rehearsed:,} of {total:,} prompts, spread over all sorts of them, and scaled up"


def _judging(left: Sequence[Asks], setting: Setting) -> Iterator[str]:
    """Where what is asked depends on what was answered."""
    stage = setting.config.judging
    if stage is None or not any(one.stage == "judging" for one in left):
        return
    if all(setting.config.models[entry.model].provider == "simulated" for entry in stage.judges):
        return
    if stage.cascade:
        yield "judging: at most, as if the first judges were sure of nothing and the second were always asked"
    if stage.ranking != "all_pairs":
        yield f"judging: at most, since ranking: {stage.ranking} may need fewer comparisons"


def _guards(left: Sequence[Asks]) -> Iterator[str]:
    """How often a training's judge is asked follows from what its policy says."""
    for stage in dict.fromkeys(one.stage for one in left):
        place = round_step(stage)
        if stage == "dpo" or (place and place.step == "dpo"):
            yield f"{stage}: at most, as if no guard tripped and every answer were a long one of its own"


def _answers(left: Sequence[Asks], likely: Rehearsal, setting: Setting) -> Iterator[str]:
    if all(getattr(setting.config.models.get(one.model), "provider", None) == "simulated" for one in left):
        return
    yield (
        "answers that are not in the ledger are taken for different from each other, whole and readable: refusals and "
        "equal answers make fewer calls, cut answers and unreadable verdicts more"
    )
    measured_lengths = [
        (place, kind, lengths) for (place, kind), lengths in likely.lengths.items() if lengths.seen >= ENOUGH_ANSWERS
    ]
    for place, kind, lengths in measured_lengths:
        if kind != "label" and any((one.stage, one.model) == place for one in left):
            yield f"{place.stage}: a {kind} of {place.model} is as long as the {lengths.seen:,} in the ledger"
    yield (
        f"where fewer than {ENOUGH_ANSWERS} answers were seen, a text has {TEXT_TOKENS} tokens and a written verdict "
        f"{VERDICT_TOKENS}, or max_tokens where that is less; a token is about four characters of English"
    )
    yield from _thoughts(left, setting)
    trained = [one.model for one in left if one.model in setting.config.policies]
    if trained:
        yield f"answers of {', '.join(dict.fromkeys(trained))} are not known before the training"


def _thoughts(left: Sequence[Asks], setting: Setting) -> Iterator[str]:
    """What thinking models are taken to think, which is paid as output."""
    for name in dict.fromkeys(one.model for one in left if _is_hosted(one.model, setting)):
        spec = setting.config.models[name]
        if getattr(spec, "thinking_budget", None):
            yield f"{name}: uses up its thinking_budget in every answer, until {ENOUGH_ANSWERS} answers were seen"
        elif getattr(spec, "thinks", False):
            yield f"{name}: how long it thinks is not known until {ENOUGH_ANSWERS} answers were seen; it is not counted"


def _bounds(left: Sequence[Asks], setting: Setting) -> Iterator[str]:
    if any(one.most_calls > one.calls for one in left):
        yield (
            "at most: every answer is cut at max_tokens and asked for again with twice the limit (at_length), and each "
            "written verdict cannot be read at first and is asked for again"
        )
    priced = [one for one in left if _is_hosted(one.model, setting) and setting.prices.get(one.model)]
    if any(one.most_usd is not None for one in priced):
        yield (
            "at most: a token for each byte that is sent, answers as long as max_tokens allows, and no faults; a call "
            "that breaks after it was sent may be billed, too"
        )
    names = dict.fromkeys(
        one.model for one in left if one.most_output_tokens is None and _is_hosted(one.model, setting)
    )
    for name in names:
        yield f"{name}: nothing bounds its answers, so nothing bounds its cost; set max_tokens"


def _money(left: Sequence[Asks], setting: Setting) -> Iterator[str]:
    if any(one.cached_tokens for one in left):
        yield "with cache: the vendor still has each prefix of 1,024 tokens and more when the next call comes"
    batched = [
        name
        for name, spec in setting.config.models.items()
        if isinstance(spec, OpenAISpec | AnthropicSpec)
        and spec.mode == "batch"
        and any(one.model == name for one in left)
    ]
    for name in batched:
        price = setting.prices[name]
        if price:
            yield f"{name}: by batch, {price.batch_discount:.0%} off; a batch is back within a day, each step its own"


def _time(left: Sequence[Asks], setting: Setting, times: Sequence[Latency]) -> Iterator[str]:
    hosted = [one for one in left if one.seconds is not None and _is_hosted(one.model, setting)]
    known = [one for one in hosted if measured(setting.config.models[one.model], one.stage, times) is not None]
    for one in known:
        yield f"{one.stage}: a call to {one.model} takes as long as those in the ledger"
    if len(known) < len(hosted):
        yield f"a call takes {FIRST:g} s and a second for each {PER_SECOND:g} tokens of its answer"
    specs = [setting.config.models[one.model] for one in hosted]
    if any(isinstance(spec, OpenAISpec | AnthropicSpec) and spec.concurrency is None for spec in specs):
        yield f"without a concurrency, {AT_ONCE} calls are in flight; a run begins there and goes faster where it can"
    if len(hosted) > 1:
        yield "times are added up, and stages overlap in a run"
