"""What is known of a judge: votes of people and models in, a certificate with intervals out; and probes of it."""

from amendment.audit.arguing import argued_for
from amendment.audit.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.audit.family import Family, family_of_tests
from amendment.audit.marks import marks_of
from amendment.audit.probe_report import Answered, gate_rows, probe_lines, probe_report
from amendment.audit.probes import PROBES, ProbeQuestion, Subject, questions
from amendment.audit.rulings import Gate
from amendment.audit.telling import certificate_lines
from amendment.audit.votes import Item, Vote

__all__ = [
    "CERTIFICATE_FORMAT",
    "PROBES",
    "Answered",
    "Certificate",
    "Family",
    "Gate",
    "Item",
    "ProbeQuestion",
    "Subject",
    "Vote",
    "argued_for",
    "audit",
    "certificate_lines",
    "family_of_tests",
    "gate_rows",
    "marks_of",
    "probe_lines",
    "probe_report",
    "questions",
]
