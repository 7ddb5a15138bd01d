"""A server with faults for each test of the way out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vendors.server import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Healthy, and with empty books."""
    with FaultServer() as started:
        yield started
