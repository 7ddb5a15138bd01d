"""Measure a judge: votes of people and models in, a certificate with intervals out; and probe it."""

from amendment.audit.bias import marks_of
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
    "marks_of",
]
