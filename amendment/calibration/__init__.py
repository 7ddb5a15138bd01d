"""People check the judge: the sample, their labels, calibrated probabilities, the gate and amendments."""

from amendment.calibration.calibrating import calibrate
from amendment.calibration.drawing import SampleSettings, draw_sample
from amendment.calibration.gate import GateLimits, LabelPlan, label_plan
from amendment.calibration.labels import Label
from amendment.calibration.serving import serve_page
from amendment.calibration.spot_check import SpotCheck, spot_check
from amendment.calibration.store import Labels

__all__ = [
    "GateLimits",
    "Label",
    "LabelPlan",
    "Labels",
    "SampleSettings",
    "SpotCheck",
    "calibrate",
    "draw_sample",
    "label_plan",
    "serve_page",
    "spot_check",
]
