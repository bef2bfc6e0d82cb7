"""What the tests with real processes share."""

from collections.abc import Iterator

import pytest

from tests.processes.running import Launcher


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Forks processes of nodes; started by the first test that needs it."""
    started = Launcher()
    yield started
    started.close()
