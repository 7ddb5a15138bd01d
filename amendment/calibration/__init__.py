"""What is known of a judge: votes of people and models in, a certificate with intervals out; and probes of it."""

from amendment.calibration.arguing import argued_for
from amendment.calibration.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.calibration.family import Family, family_of_tests
from amendment.calibration.marks import marks_of
from amendment.calibration.probes.answered import Answered
from amendment.calibration.probes.asking import (
    PLAIN,
    PROBES,
    RATIONALE,
    Asking,
    Subject,
    Unasked,
    askings,
    can_be_probed,
    left_out,
)
from amendment.calibration.probes.report import gate_rows, probe_lines, probe_report
from amendment.calibration.telling import certificate_lines
from amendment.calibration.votes import Item, Vote

__all__ = [
    "CERTIFICATE_FORMAT",
    "PLAIN",
    "PROBES",
    "RATIONALE",
    "Answered",
    "Asking",
    "Certificate",
    "Family",
    "Item",
    "Subject",
    "Unasked",
    "Vote",
    "argued_for",
    "askings",
    "audit",
    "can_be_probed",
    "certificate_lines",
    "family_of_tests",
    "gate_rows",
    "left_out",
    "marks_of",
    "probe_lines",
    "probe_report",
]
