"""What is known of a judge: votes of people and models in, a certificate with intervals out; and probes of it."""

from amendment.audit.arguing import argued_for
from amendment.audit.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.audit.family import Family, family_of_tests
from amendment.audit.marks import marks_of
from amendment.audit.probes_answered import Answered
from amendment.audit.probes_asking import (
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
from amendment.audit.probes_report import gate_rows, probe_lines, probe_report
from amendment.audit.rulings import Gate
from amendment.audit.telling import certificate_lines
from amendment.audit.votes import Item, Vote

__all__ = [
    "CERTIFICATE_FORMAT",
    "PLAIN",
    "PROBES",
    "RATIONALE",
    "Answered",
    "Asking",
    "Certificate",
    "Family",
    "Gate",
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
