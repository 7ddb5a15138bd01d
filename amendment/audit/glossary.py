"""Every term of a certificate and every gate's rule, in short sentences: printed with it."""

from __future__ import annotations

from amendment.audit.agreement import FEWEST_SHARED
from amendment.audit.alarm import RULE
from amendment.audit.gates import RULES
from amendment.audit.people import Q
from amendment.audit.position import LEAST_BALANCED
from amendment.audit.slices import FEW_ITEMS, MOST
from amendment.statistics import Resampling
from amendment.statistics.alternative_annotators import FEWEST_ITEMS
from amendment.statistics.intervals import FEW, FEWEST
from amendment.statistics.length_difficulty import FEWEST_SYSTEMS
from amendment.statistics.misclassification import MOST_DRAWS
from amendment.statistics.sides import HALF

__all__ = ["glossary"]


def glossary(draws: Resampling) -> dict[str, str]:
    """Term by term."""
    return {
        "intervals": (
            f"At level {draws.level:g}, clustered by prompt. Shares: Wilson's interval with n divided by the "
            "design effect, and Student's t; if all rows are alike, a correlation of 0.1 within prompts is assumed. "
            "Differences of agreement: Student's t. Kappa, alpha, AC1 and position index: percentiles of "
            f"{draws.draws} draws of whole prompts, seed {draws.seed}. Asymmetries: at most {MOST_DRAWS} draws, the "
            f"wider of the percentile and the normal interval. With fewer than {FEWEST} prompts no figure has an "
            f"interval; with fewer than {FEW} it has a note."
        ),
        "verdicts": (
            "A is the item's first answer, whatever was shown first. both_bad counts as a tie. Repeated votes, "
            "samples and principles of one rater, item and order are combined: unanimous votes decide; otherwise "
            f"the mean of P(A is better) does (a tie is 0.5), and within {HALF:g} of 0.5 it is a tie. A verdict that "
            "could not be read is never a tie."
        ),
        "majority of people": (
            "The most frequent of A, tie and B on the item, each person counted once; a draw is a tie. A run decides "
            "by the same rule."
        ),
        "ties": (
            "left out: items that the judge or people call a tie are dropped. a class (strict): a tie is a class "
            "like A and B. half: a tie against a decision scores 0.5."
        ),
        "verdicts of a judge": (
            "label: all its verdicts on an item combined; orders that disagree are a tie, and one unreadable order "
            "makes the item unreadable. each call: every displayed order counts separately, as for a judge that is "
            "asked once; if each item was asked in one order, this equals the label."
        ),
        "agreement": (
            "Each judge's first row is the headline: its label against the majority of people, ties left out; n "
            "counts the items on which both choose a side. The other rows state their variant: with the majority, "
            "with one person (on each item the mean over people), or with the majority of all people but one. A gap "
            "is the judge's figure minus that of two people, or of the person left out, on the same items."
        ),
        "kappa": "Cohen's, over A, tie and B; undefined if both always give the same verdict.",
        "alpha": "Krippendorff's, nominal over A, tie and B, on items with at least two readable verdicts.",
        "AC1": (
            "Gwet's, over A, tie and B as the possible classes, on the same items as kappa or alpha. When nearly "
            "all verdicts are of one class, kappa and alpha fall to 0 although raters agree; AC1 does not."
        ),
        "ceiling": (
            "On each item with two people or more, the share of pairs of people who agree; the mean over items. "
            "Compared with it: the mean agreement of the judge's label with single people on the same items. "
            f"Needs {FEWEST_SHARED} such items."
        ),
        "leaving one person out": (
            "Each person of an item in turn is left out and compared with the most frequent verdict of the others; "
            "if several verdicts are equally frequent, agreement is 1 over their number. The judge's label is "
            "compared with the same others. A tie is a class; each item counts once; needs two people on an item."
        ),
        "alternative annotator test": (
            "Calderon, Reichart and Dror (2025). Each person in turn is compared with the judge: who agrees more "
            "with the other people of the item? as good: share of items on which the "
            "judge agrees at least as much; rho: the mean of this over people, by which judges are compared. p: for "
            "the hypothesis that the person is better by epsilon or more, the advantage that people get for their "
            "cost: 0.1 for a crowd, 0.15 for skilled people, 0.2 for experts; t test clustered by prompt. A person "
            f"with fewer than {FEWEST_ITEMS} items is not measured. won: rejected, at a false discovery rate of "
            f"{Q:g} over people under any dependence. omega: share of people that the judge wins against; it passes "
            "from one half. With three people this is strict, so read p and rho as well."
        ),
        "by annotator and confidence": (
            "Each label of a person counts once, against other people's labels of the item and against the judge's "
            "label; with several others, the mean over them. unsure, fairly sure, sure: confidence up to 1/3, up to "
            "2/3, above."
        ),
        "shown once more": (
            "Share of a person's repeated verdicts that choose the same answer as the first verdict, whichever was "
            "displayed first. All other figures use only the first verdict."
        ),
        "position": (
            "consistent: same verdict on content in both displayed orders. primacy, recency: the first, the second "
            "shown wins both times. soft: a tie in one order only. index: (recency - primacy) / (recency + primacy). "
            "rate: (recency - primacy) / pairs. p: exact binomial test of recency and primacy at one half, which "
            "treats items as independent. prefers first: decided calls for the answer shown first. one order: the "
            "same for items asked in one order only, over pairs of systems of which each is shown first in at least "
            f"{100 * LEAST_BALANCED:g} %, with equal weight for both orders of a pair; if no column names the "
            "systems, the answers' columns replace them. Votes without a known order are excluded."
        ),
        "asked again": (
            "same verdict: share of repeated draws of one order that say what most of them say. two draws agree: of "
            "one order, and of different orders; order alone: the former minus the latter, which is the disagreement "
            "between orders that noise does not explain."
        ),
        "biases": (
            "Decided calls on items of which one answer has more of a feature: length; headers, lists, bold (together: "
            "format) and citations, counted in the texts; self is an answer by the judge's own model. Against people, "
            "only items that their majority decided too. judge prefers it, people do: shares of these calls, so that "
            "an item asked in both orders counts twice. asymmetry: P(judge prefers more | less is better) - P(judge "
            "prefers less | more is better). Which answer is better is not observed: the model assumes one error rate "
            "for all people and both sides, estimated from their agreement with each other, and errors independent of "
            "the judge's; it is fitted by EM (Dawid and Skene 1979). Needs two people on an item. at equal length: the "
            "mean of two asymmetries, of items whose answer with more of the feature is the longer one and of items "
            "where it is the shorter one. A judge that values what people do not fails the test of anything correlated "
            "with it: this is observational."
        ),
        "reasoning": (
            "The last sentence of a verdict's reasoning that plainly calls one answer better, compared with the "
            "verdict. Sentences with a condition, a concession or a negation are ignored."
        ),
        "equal lengths": (
            "A system's mean P(better) by logit P = theta + phi tanh(difference in length / its standard deviation) + "
            "psi difficulty of the prompt, at difference 0 (Dubois et al. 2024). Difficulty and mean phi are fitted "
            f"over all systems where {FEWEST_SYSTEMS} or more were compared with one on its prompts; a ridge holds phi "
            "at that mean and psi at 1. Otherwise there is no difficulty, and the ridge holds phi at 0. Interval by a "
            f"bootstrap over prompts, {MOST_DRAWS} draws at most, which takes difficulty and mean as given. Read it "
            "together with the raw rate, and ignore it where a caution is printed: it penalises answers that are "
            "longer because they are better."
        ),
        "votes": (
            "of all: items with a vote of this rater, of all items. both orders: items asked in both. with people: "
            "items on which this rater and at least one (other) person are readable."
        ),
        "slices": (
            f"By call, the {MOST} values of each kind with most items; fewer than {FEWEST} items get no slice, fewer "
            f"than {FEW_ITEMS} are marked small. By principle: votes by that principle, people's also by none. By "
            "model: items with an answer of it."
        ),
        "alarm": f"Raised for {RULE}.",
        **{f"gate {name}": f"{rule}." for name, rule in RULES.items()},
    }
