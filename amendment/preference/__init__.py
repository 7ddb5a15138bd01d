"""Judges, judgements and pairs: which of two answers is better, and how sure that is."""

from amendment.preference.aggregate import RaterVote, aggregate_verdicts, decide, majority, take_majority
from amendment.preference.folder import load_judge_folder, shipped_judges
from amendment.preference.judge import Compared, Judge, JudgeSettings
from amendment.preference.pairs import PairSettings, make_pairs
from amendment.preference.panel import escalate
from amendment.preference.parsers import Parsed
from amendment.preference.protocols import JudgeProtocol, JudgeQuestion, JudgeRequest, register_protocol
from amendment.preference.ranking import Compare, rank_adaptively
from amendment.preference.reward import JudgeReward, VerifierReward
from amendment.records import Criterion

__all__ = [
    "Compare",
    "Compared",
    "Criterion",
    "Judge",
    "JudgeProtocol",
    "JudgeQuestion",
    "JudgeRequest",
    "JudgeReward",
    "JudgeSettings",
    "PairSettings",
    "Parsed",
    "RaterVote",
    "VerifierReward",
    "aggregate_verdicts",
    "decide",
    "escalate",
    "load_judge_folder",
    "majority",
    "make_pairs",
    "rank_adaptively",
    "register_protocol",
    "shipped_judges",
    "take_majority",
]
