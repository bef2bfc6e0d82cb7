"""Run every check of a node in order."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from federation.ports import Clock
from node.config import NodeConfig, load_config
from node.control.client import NotServingError, ask
from node.control.request import ControlRequest
from node.doctor.audit_checks import AuditCheck
from node.doctor.backup_checks import BackupCheck, JournalCheck
from node.doctor.database_checks import (
    ClockCheck,
    DatabaseCheck,
    DeliveryCheck,
    MailCheck,
    SqliteCheck,
)
from node.doctor.facts import DatabaseFacts, read_facts
from node.doctor.finding import Check, Finding, Severity, Subject
from node.doctor.folder_checks import (
    DiskCheck,
    LoopbackCheck,
    ReachabilityCheck,
    ServingCheck,
)
from node.doctor.key_checks import KeyBackupCheck, KeyChangeCheck, KeyCheck
from node.doctor.limit_checks import LimitsCheck
from node.errors import ConfigInvalidError, NodeError
from node.web.i18n import gettext as _

CHECKS: Final[tuple[Check, ...]] = (
    DatabaseCheck(),
    SqliteCheck(),
    KeyCheck(),
    KeyBackupCheck(),
    KeyChangeCheck(),
    BackupCheck(),
    JournalCheck(),
    AuditCheck(),
    LoopbackCheck(),
    ServingCheck(),
    ReachabilityCheck(),
    ClockCheck(),
    DeliveryCheck(),
    LimitsCheck(),
    MailCheck(),
    DiskCheck(),
)

# A process that takes longer over a ping hangs, or is as good as hanging.
PING_SECONDS: Final = 5.0


def examine(
    folder: Path,
    *,
    clock: Clock,
    environ: Mapping[str, str],
    only: Collection[str] = (),
) -> list[Finding]:
    """Check the node in `folder`; nothing is changed.

    Args:
        folder: The node's folder.
        clock: The time.
        environ: The environment, which may hold settings.
        only: Ids of the checks that are made, beside that of the settings; all of
            them if it is empty.
    """
    try:
        config = load_config(folder, environ)
    except ConfigInvalidError as error:
        return [
            _settings(Severity.ERROR, f"{fault.path}: {fault.in_words(_)}")
            for fault in error.faults
        ]
    except NodeError as error:
        message, fix = error.in_words(_)
        return [_settings(Severity.ERROR, message, fix=fix)]
    subject = Subject(
        folder=folder,
        config=config,
        facts=_facts(folder, config),
        serving=_is_serving(folder),
        now=clock.now(),
    )
    chosen = [check for check in CHECKS if not only or check.id in only]
    read = _settings(Severity.OK, _("The settings are read; none is unknown."))
    return [read, *(found for check in chosen for found in check.findings(subject))]


def _settings(severity: Severity, message: str, *, fix: str = "") -> Finding:
    if severity is not Severity.OK:
        fix = fix or _("Correct node.toml, or the variable of the environment.")
    return Finding("settings", _("Settings"), severity, message, fix)


def _facts(folder: Path, config: NodeConfig) -> DatabaseFacts | None:
    try:
        return asyncio.run(read_facts(folder, config.database.url))
    except (OSError, SQLAlchemyError, NodeError):
        return None


def _is_serving(folder: Path) -> bool:
    try:
        ask(folder, ControlRequest("ping"), answer_seconds=PING_SECONDS)
    except (NotServingError, NodeError):
        return False
    return True
