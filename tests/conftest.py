"""What every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["servers.fixtures"]


@pytest.fixture(autouse=True)
def _a_log_of_its_own() -> Iterator[None]:
    """Forget where a test has sent the log: commands log to the standard error of their test, which is closed after it."""
    yield
    structlog.reset_defaults()
