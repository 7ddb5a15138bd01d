"""Measure a judge: votes of people and models in, a certificate with intervals out; and probe it."""

from amendment.audit.bias import count_marks
from amendment.audit.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.audit.gates import Gate
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote

__all__ = [
    "CERTIFICATE_FORMAT",
    "Certificate",
    "ComparisonInfo",
    "Gate",
    "Vote",
    "audit",
    "certificate_lines",
    "count_marks",
]
