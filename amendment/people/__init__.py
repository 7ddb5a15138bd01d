"""People check the judge: the sample, their labels, calibrated probabilities, the gate and amendments."""

from amendment.people.calibrating import calibrate
from amendment.people.drawing import draw_sample
from amendment.people.report import PeopleReport, spot_check_report
from amendment.people.samples import Label, SpotCheckSettings
from amendment.people.serving import serve_page
from amendment.people.store import Labels

__all__ = [
    "Label",
    "Labels",
    "PeopleReport",
    "SpotCheckSettings",
    "calibrate",
    "draw_sample",
    "serve_page",
    "spot_check_report",
]
