"""What is known of a judge: votes of people and models in, a certificate with intervals out."""

from amendment.calibration.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.calibration.telling import certificate_lines
from amendment.calibration.votes import Item, Vote

__all__ = ["CERTIFICATE_FORMAT", "Certificate", "Item", "Vote", "audit", "certificate_lines"]
