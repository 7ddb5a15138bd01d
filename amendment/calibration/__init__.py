"""People check the judge: the sample, their labels, calibrated probabilities, the gate and amendments."""

from amendment.calibration.answering import Answer, Rate, answer_all, answer_here
from amendment.calibration.beside import agreement_with_people
from amendment.calibration.calibrating import LabelledItem, calibrate, calibration_refused, labelled_items
from amendment.calibration.drawing import LEAST_UNIFORM, Sample, SampleSettings, draw_sample
from amendment.calibration.flips import expected_flip_rate, flip_rows
from amendment.calibration.gate import GateLimits, unreadable_gate, worst
from amendment.calibration.label_plan import LabelPlan, label_plan
from amendment.calibration.labels import LABEL_SOURCE, Label, alike_names, is_kept_name, tidy_name, verdict_of
from amendment.calibration.queue import labels_missing
from amendment.calibration.reliability import hard_line, reliability_svg
from amendment.calibration.samples import PLAIN_QUESTION, AskedOf, LabelQuestion, PrincipleText, Purpose, SampledItem
from amendment.calibration.serving import serve_page
from amendment.calibration.spot_check import ExportedP, SpotCheck, spot_check
from amendment.calibration.spot_check_lines import gate_lines, preview_lines, spot_check_json, spot_check_lines
from amendment.calibration.store import Labels
from amendment.calibration.strata import Exported
from amendment.calibration.votes_of_labels import heard_items

__all__ = [
    "LABEL_SOURCE",
    "LEAST_UNIFORM",
    "PLAIN_QUESTION",
    "Answer",
    "AskedOf",
    "Exported",
    "ExportedP",
    "GateLimits",
    "Label",
    "LabelPlan",
    "LabelQuestion",
    "LabelledItem",
    "Labels",
    "PrincipleText",
    "Purpose",
    "Rate",
    "Sample",
    "SampleSettings",
    "SampledItem",
    "SpotCheck",
    "agreement_with_people",
    "alike_names",
    "answer_all",
    "answer_here",
    "calibrate",
    "calibration_refused",
    "draw_sample",
    "expected_flip_rate",
    "flip_rows",
    "gate_lines",
    "hard_line",
    "heard_items",
    "is_kept_name",
    "label_plan",
    "labelled_items",
    "labels_missing",
    "preview_lines",
    "reliability_svg",
    "serve_page",
    "spot_check",
    "spot_check_json",
    "spot_check_lines",
    "tidy_name",
    "unreadable_gate",
    "verdict_of",
    "worst",
]
