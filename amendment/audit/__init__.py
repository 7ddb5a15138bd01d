"""What is known of a judge: votes of people and models in, a certificate with intervals out; and probes of it."""

from amendment.audit.bias import marks_of
from amendment.audit.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.audit.gates import Gate
from amendment.audit.probe_report import Answered, gate_rows, probe_lines, probe_report
from amendment.audit.probes import PROBES, ProbeQuestion, Subject, questions
from amendment.audit.stance import argued_for
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

__all__ = [
    "CERTIFICATE_FORMAT",
    "PROBES",
    "Answered",
    "Certificate",
    "Gate",
    "Item",
    "ProbeQuestion",
    "Subject",
    "Vote",
    "argued_for",
    "audit",
    "certificate_lines",
    "gate_rows",
    "marks_of",
    "probe_lines",
    "probe_report",
    "questions",
]
