"""People check the judge: the sample, their labels, calibrated probabilities, the gate and amendments."""

from amendment.calibration.calibrating import calibrate
from amendment.calibration.drawing import draw_sample
from amendment.calibration.report import SpotCheck, spot_check_report
from amendment.calibration.samples import Label, SpotCheckSettings
from amendment.calibration.serving import serve_page
from amendment.calibration.store import Labels

__all__ = [
    "Label",
    "Labels",
    "SpotCheck",
    "SpotCheckSettings",
    "calibrate",
    "draw_sample",
    "serve_page",
    "spot_check_report",
]
