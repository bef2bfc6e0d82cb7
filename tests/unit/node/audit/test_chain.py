"""The chain of the audit log: what was done to it is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from node.audit.chain import BEGINNING, Damage, first_damage, follow, told_as
from node.audit.model import AuditHead, AuditNote, AuditRecord, SubjectKind

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


def rows(number: int) -> list[AuditRecord]:
    made: list[AuditRecord] = []
    head = BEGINNING
    for index in range(number):
        note = AuditNote(
            id=f"{index:026d}",
            at=START + timedelta(microseconds=index),
            event="we_paused",
            person_id="olivia",
            subject_kind=SubjectKind.PARTNER,
            subject_id="p",
            reason=f"Grund {index}",
            before={"state": "active"},
            after={"state": "paused"},
        )
        record = follow(head, note)
        made.append(record)
        head = AuditHead(record.number, record.hash)
    return made


def head_of(made: list[AuditRecord]) -> AuditHead:
    return AuditHead(made[-1].number, made[-1].hash)


def test_what_was_written_fits() -> None:
    made = rows(5)
    assert [each.number for each in made] == [1, 2, 3, 4, 5]
    assert first_damage(made, head_of(made)) is None
    assert first_damage([], BEGINNING) is None
    second = AuditHead(made[1].number, made[1].hash)
    assert first_damage(made[2:], head_of(made), after=second) is None


def test_erased_details_leave_the_chain_whole() -> None:
    made = rows(3)
    made[1] = replace(made[1], details=None)
    assert first_damage(made, head_of(made)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"at": START - timedelta(days=1)},
        {"event": "we_resumed"},
        {"person_id": None},
        {"person_id": "erika"},
        {"subject_kind": SubjectKind.PERSON},
        {"subject_id": "q"},
        {"details": {"id": "x", "reason": "anders", "before": None, "after": None}},
        {"details_hash": "0" * 64},
        {"previous": "0" * 64},
        {"hash": "f" * 64},
    ],
)
def test_a_changed_row_is_named(change: dict[str, object]) -> None:
    made = rows(5)
    head = head_of(made)
    made[2] = replace(made[2], **change)  # type: ignore[arg-type]
    assert first_damage(made, head) == Damage(3, missing=False)


def test_a_row_that_was_written_anew_does_not_fit_the_next() -> None:
    made = rows(5)
    head = head_of(made)
    before = AuditHead(made[1].number, made[1].hash)
    note = AuditNote(id="x", at=START, event="we_paused")
    made[2] = follow(before, note)
    assert first_damage(made, head) == Damage(4, missing=False)


def test_a_missing_row_is_named() -> None:
    made = rows(5)
    head = head_of(made)
    assert first_damage(made[:2] + made[3:], head) == Damage(3, missing=True)
    assert first_damage(made[1:], head) == Damage(1, missing=True)
    assert first_damage(made[:4], head) == Damage(5, missing=True)
    assert first_damage([], head) == Damage(1, missing=True)


def test_a_chain_that_was_written_anew_as_a_whole_has_another_head() -> None:
    made = rows(3)
    head = head_of(made)
    forged = rows(2)
    last = AuditHead(forged[-1].number, forged[-1].hash)
    forged.append(follow(last, AuditNote(id="x", at=START, event="we_paused")))
    assert first_damage(forged, head) == Damage(3, missing=False)


def test_two_receipts_do_not_show_that_nothing_was_decided_between() -> None:
    head = head_of(rows(1))
    assert told_as(head, "a") != told_as(head, "b")
    assert told_as(head, "a") == told_as(head, "a")
