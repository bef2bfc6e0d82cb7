"""What all tests share: plugins, hypothesis profiles, the browser's path."""

import shutil
import signal

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever runs the tests in the background ignores it, and so would every process
    # that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.long_files_first",
    "tests.postgres_server",
    "tests.seconds_by_folder",
    "tests.short_memory",
]

# No deadline: a busy machine is not a wrong result. The printed blob replays a
# failure exactly.
settings.register_profile("spalier", deadline=None, print_blob=True)
settings.register_profile("soak", settings.get_profile("spalier"), max_examples=5000)
settings.load_profile("spalier")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser for Playwright's `executable_path`; see deploy/setup/browser.sh."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("Chromium is missing: run `make setup-dev`")
