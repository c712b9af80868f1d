"""What tests of the run folder share."""

from __future__ import annotations

import pytest
from tests.run.rereading import Run


@pytest.fixture
def run(resources, settings):
    """Make the run of a request."""
    return lambda **request: Run(resources, settings, **request)
