"""Says at the end of a run where its seconds went, folder by folder."""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

# tests/unit/node/test_x.py counts for tests/unit.
DEPTH = 2


class SecondsByFolder:
    """Adds up set-up, call and tear-down of each test."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.tests: defaultdict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = PurePosixPath(report.location[0].replace("\\", "/"))
        folder = "/".join(path.parts[:-1][:DEPTH]) or "."
        self.seconds[folder] += report.duration
        self.tests[folder] += report.when == "setup"

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        if not self.seconds:
            return
        terminalreporter.write_sep("-", "seconds by folder")
        for folder, seconds in sorted(
            self.seconds.items(), key=lambda item: item[1], reverse=True
        ):
            terminalreporter.write_line(
                f"{seconds:8.1f} s  {self.tests[folder]:5d} tests  {folder}"
            )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SecondsByFolder(), "spalier-seconds-by-folder")
