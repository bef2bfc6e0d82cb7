"""What `doctor` says of backups and of the erasure journal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.backup.status import note
from node.clock import SystemClock, SystemRandom
from node.config import load_config
from node.doctor import Finding, Severity
from node.doctor.backup_checks import BackupCheck, JournalCheck
from node.doctor.finding import Subject
from node.erasure.decisions import PartnerDecision, to_line
from node.erasure.journal import JOURNAL_FILE, ErasureJournal
from node.initialise import initialise

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def subject(tmp_path: Path) -> Subject:
    folder = tmp_path / "node"
    await initialise(
        folder,
        base_url="https://nord.example",
        name="Cluster Nord",
        office_email="office@nord.example",
        clock=SystemClock(),
        random=SystemRandom(),
    )
    return Subject(
        folder=folder,
        config=load_config(folder, {}),
        facts=None,
        serving=False,
        now=NOW,
    )


def backups(subject: Subject) -> list[Finding]:
    return list(BackupCheck().findings(subject))


def severities(subject: Subject) -> list[Severity]:
    return [each.severity for each in backups(subject)]


def with_folder(subject: Subject, named: str, **more: object) -> Subject:
    backup = subject.config.backup.model_copy(update={"folder": named, **more})
    config = subject.config.model_copy(update={"backup": backup})
    return replace(subject, config=config)


def test_a_node_without_a_backup(subject: Subject) -> None:
    assert severities(subject) == [Severity.WARNING]
    demo = replace(subject, config=subject.config.model_copy(update={"demo": True}))
    assert severities(demo) == [Severity.NOTE]


@pytest.mark.parametrize(
    ("hours", "every", "severity"),
    [
        (1, 1, Severity.OK),
        (47, 1, Severity.OK),
        (49, 1, Severity.WARNING),
        (49, 48, Severity.OK),
        (97, 48, Severity.WARNING),
    ],
)
def test_how_old_the_last_one_may_be(
    subject: Subject, hours: int, every: int, severity: Severity
) -> None:
    note(subject.folder, made_at=NOW - timedelta(hours=hours), bytes=1)
    found = with_folder(subject, "", every_hours=every)
    assert severities(found) == [severity]


def test_a_failed_trial_is_an_error_until_the_next_success(subject: Subject) -> None:
    made = NOW - timedelta(hours=1)
    note(subject.folder, made_at=made, failed_at=NOW, failure="trial-failed")
    error, age = backups(subject)
    assert (error.severity, age.severity) == (Severity.ERROR, Severity.OK)
    assert "trial-failed" in error.message
    note(subject.folder, made_at=made, failed_at=None, failure=None)
    assert severities(subject) == [Severity.OK]


def test_where_they_lie(subject: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    note(subject.folder, made_at=NOW, bytes=1)
    gone = with_folder(subject, str(folder))
    assert severities(gone) == [Severity.OK, Severity.ERROR]
    folder.mkdir()
    assert severities(gone) == [Severity.OK, Severity.NOTE]  # the same disk
    note(subject.folder, bytes=10**15)
    assert severities(gone) == [Severity.OK, Severity.NOTE, Severity.WARNING]


def test_the_journal(subject: Subject) -> None:
    def severity() -> Severity:
        (found,) = JournalCheck().findings(subject)
        return found.severity

    path = subject.folder / JOURNAL_FILE
    assert severity() is Severity.NOTE
    path.write_bytes(to_line(PartnerDecision(id="p", hidden=True)))
    assert severity() is Severity.OK
    path.write_bytes(b"no line of ours\n")
    assert severity() is Severity.ERROR
    assert ErasureJournal(subject.folder).set_damage_aside() == 1
    assert severity() is Severity.WARNING
    path.unlink()
    path.mkdir()
    assert severity() is Severity.ERROR
