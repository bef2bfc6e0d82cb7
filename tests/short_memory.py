"""Lets a long run hold nothing of the tests that are over.

Python looks for garbage among everything that there is. What tests leave behind, and
what was collected before the first, would take more of that time with every test.
"""

import gc
import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what lasts as long as the run out of the search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Forget the applications of a test, with their nodes.

    aiohttp remembers what it put together for the last 1,024 handlers; a program
    that serves has one application, a run of tests has thousands.
    """
    if (web_app := sys.modules.get("aiohttp.web_app")) is not None:
        web_app._cached_build_middleware.cache_clear()
