"""Sums up at the end what the simulator has done, also from several workers."""

from collections import Counter
from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for each in terminalreporter.stats.values()
        for report in each
        if getattr(report, "when", "") == "call"
    ]
    runs = _properties(reports, "simulated")
    hunts = _properties(reports, "hunted")
    if not runs and not hunts:
        return
    terminalreporter.section("simulator")
    if runs:
        _tell_runs(terminalreporter, runs)
    for each in sorted(hunts, key=lambda hunt: (hunt["mutant"], hunt["steps"])):
        caught = "caught" if each["caught"] else "NOT CAUGHT"
        terminalreporter.write_line(
            f"  {each['mutant']:<52}{caught} after {each['steps']:>5} steps"
        )
    if hunts:
        caught = sum(each["caught"] for each in hunts)
        terminalreporter.write_line(f"{caught} of {len(hunts)} planted bugs caught")


def _tell_runs(reporter: pytest.TerminalReporter, runs: list[dict[str, Any]]) -> None:
    faults: Counter[str] = Counter()
    for run in runs:
        faults.update(run["faults"])
    steps = sum(run["steps"] for run in runs)
    hours = sum(run["hours"] for run in runs)
    seconds = sum(run["seconds"] for run in runs)
    reporter.write_line(
        f"{steps} steps in {len(runs)} runs, {hours:.0f} virtual hours, "
        f"{seconds:.0f} CPU seconds ({hours / max(seconds, 0.001):.1f} hours a second)"
    )
    for name in sorted(faults):
        share = 100 * faults[name] / max(steps, 1)
        reporter.write_line(f"  {name:<16}{faults[name]:>8} {share:6.1f} %")


def _properties(reports: list[Any], wanted: str) -> list[dict[str, Any]]:
    return [
        value
        for report in reports
        for name, value in report.user_properties
        if name == wanted
    ]
