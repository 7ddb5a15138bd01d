"""Files by which spot checks go to other tools, and labels come back."""

from amendment.calibration.exchange.formats import (
    LABEL_FORMATS,
    LabelFormatName,
    format_of_path,
    format_of_row,
    read_labels,
    write_labels,
)
from amendment.calibration.exchange.items import page_order
from amendment.calibration.exchange.label_studio import LABEL_STUDIO_CONFIG
from amendment.calibration.exchange.leaving import Leaving

__all__ = [
    "LABEL_FORMATS",
    "LABEL_STUDIO_CONFIG",
    "LabelFormatName",
    "Leaving",
    "format_of_path",
    "format_of_row",
    "page_order",
    "read_labels",
    "write_labels",
]
