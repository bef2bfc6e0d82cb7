"""Each check says ok on a sound node and names its own fault on a broken one."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, text, update

from federation.limits import ENTRIES_HELD_MAX
from federation.trust import TrustState
from node import instance_lock
from node.clock import SystemClock, SystemRandom
from node.config import load_config
from node.control.lock_holder import lock_holder
from node.doctor import Finding, Severity, examine
from node.doctor.database_checks import (
    ClockCheck,
    DatabaseCheck,
    DeliveryCheck,
    MailCheck,
    SqliteCheck,
)
from node.doctor.examination import CHECKS
from node.doctor.facts import DatabaseFacts, PartnerFacts, read_facts
from node.doctor.finding import Check, Subject
from node.doctor.folder_checks import (
    DISK_ERROR_BYTES,
    DISK_WARNING_BYTES,
    DiskCheck,
    LoopbackCheck,
    ReachabilityCheck,
    ServingCheck,
)
from node.doctor.key_checks import KeyBackupCheck, KeyChangeCheck, KeyCheck
from node.doctor.limit_checks import LimitsCheck
from node.initialise import initialise
from node.keys.model import KeyState
from node.keys.rules import WAITING_DAYS
from node.node_key import create_key
from node.partners.model import HandshakeRole, Partner
from node.storage.ledger_pages import LedgerCounts
from node.storage.mail import MailCounts
from node.storage.schema import SchemaState, SchemaStatus
from node.storage.tables import mail_outbox, node_state
from tests.partner_key import first_key

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    await initialise(
        tmp_path,
        base_url="https://nord.example",
        name="Cluster Nord",
        office_email="office@nord.example",
        clock=SystemClock(),
        random=SystemRandom(),
    )
    return tmp_path


@pytest.fixture
async def subject(folder: Path) -> Subject:
    return Subject(
        folder=folder,
        config=load_config(folder, {}),
        facts=await read_facts(folder, ""),
        serving=False,
        now=SystemClock().now(),
    )


def only(check: Check, subject: Subject) -> Finding:
    (found,) = check.findings(subject)
    assert found.id == check.id
    assert found.title == check.title
    assert found.message
    return found


def partner(**changes: Any) -> Partner:
    given = Partner(
        id="p",
        base_url="https://sued.example",
        actor_id="https://sued.example/actor",
        name="Cluster Süd",
        card={},
        state=TrustState.ACTIVE,
        role=HandshakeRole.HOST,
        keys=(first_key("https://sued.example"),),
        request_id="https://sued.example/activities/x",
        check_number="4711 0815",
        created_at=NOW - timedelta(days=30),
        active_since=NOW - timedelta(days=29),
    )
    return replace(given, **changes)


def with_partner(subject: Subject, **changes: Any) -> Subject:
    assert subject.facts is not None
    each = PartnerFacts(partner(**changes), LedgerCounts(held=5, waiting_entries=12))
    return replace(subject, facts=replace(subject.facts, partners=(each,)), now=NOW)


def with_facts(subject: Subject, **changes: Any) -> Subject:
    assert subject.facts is not None
    return replace(subject, facts=replace(subject.facts, **changes))


def test_a_sound_node_has_no_error(folder: Path) -> None:
    findings = examine(folder, clock=SystemClock(), environ={})
    assert [each for each in findings if each.is_error] == []
    ids = {each.id for each in findings}
    # The address is asked only while the node serves.
    assert ids == {"settings", *(check.id for check in CHECKS)} - {"address"}


def test_the_examination_changes_nothing(folder: Path) -> None:
    def state() -> dict[str, bytes]:
        # A reader may leave empty log files of SQLite beside the database.
        return {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if not path.name.endswith(("-wal", "-shm"))
        }

    before = state()
    examine(folder, clock=SystemClock(), environ={})
    assert state() == before


def test_every_fault_of_the_settings_is_named(folder: Path) -> None:
    settings = folder / "node.toml"
    settings.write_text('naem = "x"\nbase_url = "https://nord.example"\n')
    findings = examine(folder, clock=SystemClock(), environ={"SPALIER_LISTEN__P": "1"})
    assert {each.id for each in findings} == {"settings"}
    assert all(each.is_error and each.fix for each in findings)
    messages = " ".join(each.message for each in findings)
    for name in ("naem", "name", "SPALIER_LISTEN__P"):
        assert name in messages


def test_a_missing_database_is_an_error(folder: Path) -> None:
    (folder / "node.sqlite").unlink()
    found = {each.id: each for each in examine(folder, clock=SystemClock(), environ={})}
    assert found["database"].is_error
    assert not (folder / "node.sqlite").exists()
    # The other checks go on.
    assert found["key"].severity is Severity.OK
    assert found["disk"].message


def test_a_damaged_database_is_an_error(folder: Path) -> None:
    (folder / "node.sqlite").write_bytes(b"no database " * 1000)
    found = {each.id: each for each in examine(folder, clock=SystemClock(), environ={})}
    assert found["database"].is_error


@pytest.mark.parametrize(
    ("status", "severity"),
    [
        (SchemaStatus.NEWER, Severity.ERROR),
        (SchemaStatus.OLDER, Severity.NOTE),
        (SchemaStatus.EMPTY, Severity.NOTE),
        (SchemaStatus.CURRENT, Severity.OK),
    ],
)
def test_schema(subject: Subject, status: SchemaStatus, severity: Severity) -> None:
    schema = SchemaState(status, "0099", "0001")
    found = only(DatabaseCheck(), with_facts(subject, schema=schema))
    assert found.severity is severity


async def test_a_newer_schema_is_read_as_such(folder: Path) -> None:
    engine = create_engine(f"sqlite:///{folder / 'node.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    facts = await read_facts(folder, "")
    assert facts.schema.status is SchemaStatus.NEWER
    assert facts.state is None


def test_database_of_no_node(subject: Subject) -> None:
    assert only(DatabaseCheck(), with_facts(subject, state=None)).is_error


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ((3, 40, 1), Severity.WARNING),
        ((3, 51, 2), Severity.WARNING),
        ((3, 51, 3), Severity.OK),
        ((4, 0, 0), Severity.OK),
    ],
)
def test_sqlite_version(
    subject: Subject, version: tuple[int, int, int], severity: Severity
) -> None:
    assert only(SqliteCheck(version), subject).severity is severity


def test_key_readable_by_others(subject: Subject) -> None:
    assert only(KeyCheck(), subject).severity is Severity.OK
    (subject.folder / "node.key").chmod(0o640)
    found = only(KeyCheck(), subject)
    assert found.is_error
    assert "chmod 600" in found.message
    (subject.folder / "node.key").unlink()
    assert only(KeyCheck(), subject).is_error


def test_key_file_that_is_not_the_one_of_the_database(subject: Subject) -> None:
    (subject.folder / "node.key").unlink()
    create_key(subject.folder, SystemRandom())
    found = only(KeyCheck(), subject)
    assert found.is_error
    assert "keys restore" in found.message


def test_key_file_that_the_database_does_not_know(subject: Subject) -> None:
    create_key(subject.folder, SystemRandom(), number=2)
    note, sound = KeyCheck().findings(subject)
    assert (note.severity, sound.severity) == (Severity.NOTE, Severity.OK)
    assert "node-2.key" in note.message


def test_key_file_that_has_outlived_its_key(subject: Subject) -> None:
    assert subject.facts is not None
    (first,) = subject.facts.keys
    second = create_key(subject.folder, SystemRandom(), number=2).public_key
    active = replace(first, number=2, multibase=second.multibase)
    now = replace(subject, now=NOW)
    for ended, severities in (
        ({"state": KeyState.RETIRED}, [Severity.WARNING, Severity.OK]),
        ({"state": KeyState.REVOKED, "revoked_at": NOW}, [Severity.OK]),
        (
            {"state": KeyState.REVOKED, "revoked_at": NOW - timedelta(days=31)},
            [Severity.WARNING, Severity.OK],
        ),
    ):
        keys = (replace(first, **ended), active)
        found = list(KeyCheck().findings(with_facts(now, keys=keys)))
        assert [each.severity for each in found] == severities


def test_key_without_a_database(subject: Subject) -> None:
    assert only(KeyCheck(), replace(subject, facts=None)).severity is Severity.OK
    assert list(KeyBackupCheck().findings(replace(subject, facts=None))) == []
    assert list(KeyChangeCheck().findings(replace(subject, facts=None))) == []
    (subject.folder / "node.key").unlink()
    assert only(KeyCheck(), replace(subject, facts=None)).is_error


def with_keys(subject: Subject, *changes: dict[str, Any]) -> Subject:
    """The key of the node, then a copy of it with each of the changes."""
    assert subject.facts is not None
    (first,) = subject.facts.keys
    keys = (first, *(replace(first, **each) for each in changes))
    return with_facts(subject, keys=keys)


def test_backup_of_every_key_in_use(subject: Subject) -> None:
    found = only(KeyBackupCheck(), subject)
    assert found.severity is Severity.WARNING
    assert "key 1" in found.message
    assert "keys backup" in found.fix
    assert subject.facts is not None
    (first,) = subject.facts.keys
    kept = with_facts(subject, keys=(replace(first, backed_up_at=NOW),))
    assert only(KeyBackupCheck(), kept).severity is Severity.OK
    newer = with_keys(kept, {"number": 2, "backed_up_at": None})
    assert "key 2" in only(KeyBackupCheck(), newer).message
    gone = with_keys(
        kept, {"number": 2, "backed_up_at": None, "state": KeyState.REVOKED}
    )
    assert only(KeyBackupCheck(), gone).severity is Severity.OK


def test_who_has_not_taken_the_new_key(subject: Subject) -> None:
    assert only(KeyChangeCheck(), subject).severity is Severity.OK
    announced = with_keys(
        with_partner(subject),
        {"number": 2, "state": KeyState.ANNOUNCED, "created_at": NOW},
    )
    found = only(KeyChangeCheck(), announced)
    assert (found.severity, "Cluster Süd" in found.message) == (Severity.NOTE, True)
    late = replace(announced, now=NOW + timedelta(days=WAITING_DAYS))
    assert only(KeyChangeCheck(), late).severity is Severity.WARNING
    taken = with_keys(
        with_partner(subject, told_key_number=2),
        {"number": 2, "state": KeyState.ANNOUNCED},
    )
    assert only(KeyChangeCheck(), taken).severity is Severity.OK
    ended = with_keys(
        with_partner(subject, state=TrustState.ENDED),
        {"number": 2, "state": KeyState.ANNOUNCED},
    )
    assert only(KeyChangeCheck(), ended).severity is Severity.OK


def test_who_has_to_compare_the_new_key(subject: Subject) -> None:
    told = with_partner(subject)
    assert told.facts is not None
    (first,) = told.facts.keys
    revoked = with_facts(
        told,
        keys=(
            replace(first, state=KeyState.REVOKED),
            replace(first, number=2),
        ),
    )
    found = only(KeyChangeCheck(), revoked)
    assert found.severity is Severity.WARNING
    assert first.fingerprint in found.fix
    assert "Cluster Süd" in found.message


@pytest.mark.parametrize(
    ("demo", "allowed", "severity"),
    [
        (False, False, Severity.OK),
        (False, True, Severity.ERROR),
        (True, True, Severity.OK),
    ],
)
def test_loopback_outside_the_demonstration(
    subject: Subject, *, demo: bool, allowed: bool, severity: Severity
) -> None:
    settings = (subject.folder / "node.toml").read_text()
    network = f"[network]\nallow_loopback_http = {str(allowed).lower()}"
    settings = settings.replace("[network]", network)
    (subject.folder / "node.toml").write_text(settings)
    config = load_config(subject.folder, {"SPALIER_DEMO": "true"} if demo else {})
    found = only(LoopbackCheck(), replace(subject, config=config))
    assert found.severity is severity


def test_a_process_that_holds_the_lock_and_is_silent(subject: Subject) -> None:
    assert only(ServingCheck(), subject).severity is Severity.NOTE
    with instance_lock.acquire(subject.folder):
        assert lock_holder(subject.folder) is not None
        assert only(ServingCheck(), subject).is_error
    assert lock_holder(subject.folder) is None
    running = replace(subject, serving=True)
    assert only(ServingCheck(), running).severity is Severity.OK


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_address_that_leads_nowhere(subject: Subject, closed_port: int) -> None:
    assert list(ReachabilityCheck().findings(subject)) == []
    config = SimpleNamespace(base_url=f"http://127.0.0.1:{closed_port}")
    asked: Any = replace(subject, serving=True, config=config)  # type: ignore[arg-type]
    found = only(ReachabilityCheck(), asked)
    assert found.severity is Severity.WARNING
    assert str(closed_port) in found.message
    assert found.fix


def test_clock_behind_what_was_written(subject: Subject) -> None:
    assert only(ClockCheck(), subject).severity is Severity.OK
    behind = replace(subject, now=subject.now - timedelta(hours=1))
    assert only(ClockCheck(), behind).is_error


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, Severity.OK),
        ({"attempts": 1, "checked_at": NOW - timedelta(hours=3)}, Severity.NOTE),
        ({"attempts": 40, "checked_at": NOW - timedelta(hours=26)}, Severity.WARNING),
        ({"attempts": 40}, Severity.WARNING),
        ({"attempts": 40, "state": TrustState.ENDED}, Severity.OK),
    ],
)
def test_partner_out_of_reach(
    subject: Subject, changes: dict[str, Any], severity: Severity
) -> None:
    found = only(DeliveryCheck(), with_partner(subject, **changes))
    assert found.severity is severity
    if severity is Severity.WARNING:
        assert "Cluster Süd" in found.message
        assert "12 wait" in found.message


@pytest.mark.parametrize(
    ("mails", "severity"),
    [
        (MailCounts(pending=0, sent=3, failed=1), Severity.ERROR),
        (MailCounts(pending=2, sent=3, failed=0), Severity.WARNING),
    ],
)
def test_mails_that_do_not_leave(
    subject: Subject, mails: MailCounts, severity: Severity
) -> None:
    assert only(MailCheck(), with_facts(subject, mails=mails)).severity is severity


def test_mails_that_leave(subject: Subject) -> None:
    config = load_config(
        subject.folder,
        {
            "SPALIER_MAIL__TRANSPORT": "smtp",
            "SPALIER_MAIL__SENDER": "office@nord.example",
            "SPALIER_MAIL__SMTP__HOST": "mail.nord.example",
        },
    )
    found = only(MailCheck(), replace(subject, config=config))
    assert found.severity is Severity.OK


async def test_failed_mails_are_counted(folder: Path) -> None:
    engine = create_engine(f"sqlite:///{folder / 'node.sqlite'}")
    with engine.begin() as connection:
        connection.execute(
            insert(mail_outbox).values(
                id="m",
                recipient="a@nord.example",
                kind="sign-in-link",
                language="de",
                subject="s",
                body="b",
                created_at=NOW,
                attempts=9,
                next_attempt_at=None,
                last_error="535",
            )
        )
        later = datetime.now(UTC) + timedelta(days=1)
        connection.execute(update(node_state).values(created_at=later))
    engine.dispose()
    facts = await read_facts(folder, "")
    assert facts.mails is not None
    assert facts.mails.failed == 1
    assert facts.latest == later


@pytest.mark.parametrize(
    ("free", "severity"),
    [
        (DISK_ERROR_BYTES - 1, Severity.ERROR),
        (DISK_WARNING_BYTES - 1, Severity.WARNING),
        (DISK_WARNING_BYTES, Severity.OK),
    ],
)
def test_room_on_the_disk(
    subject: Subject, free: int, severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=free))
    assert only(DiskCheck(), subject).severity is severity


def test_facts_without_a_current_schema_have_no_rows() -> None:
    schema = SchemaState(SchemaStatus.EMPTY, None, "0001")
    assert DatabaseFacts("sqlite", schema, None, (), None, 0).latest is None


def test_raised_limits_and_partners_that_fill_their_share(subject: Subject) -> None:
    assert only(LimitsCheck(), subject).severity is Severity.OK
    config = load_config(subject.folder, {"SPALIER_LIMITS__FACTOR": "1000"})
    raised = only(LimitsCheck(), replace(subject, config=config))
    assert raised.severity is Severity.WARNING
    assert "1000" in raised.message
    assert subject.facts is not None
    for remembered, severity in (
        (int(ENTRIES_HELD_MAX * 0.8) - 1, Severity.OK),
        (int(ENTRIES_HELD_MAX * 0.8), Severity.WARNING),
    ):
        each = PartnerFacts(
            partner(), LedgerCounts(held=5, waiting_entries=12), remembered
        )
        found = only(LimitsCheck(), with_facts(subject, partners=(each,)))
        assert found.severity is severity
