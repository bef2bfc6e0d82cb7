"""Checks of the folder, the machine and the running process."""

import http.client
import shutil
from collections.abc import Iterable
from typing import ClassVar, Final
from urllib.parse import urlsplit

from node.control.lock_holder import lock_holder
from node.doctor.finding import Finding, Severity, Subject
from node.web.i18n import gettext as _

DISK_WARNING_BYTES: Final = 1024**3
DISK_ERROR_BYTES: Final = 100 * 1024**2
REACH_SECONDS: Final = 5.0
_GIBIBYTE: Final = 1024**3
_HTTP_OK: Final = 200


class LoopbackCheck:
    """A real node never talks to addresses of its own machine."""

    id: ClassVar[str] = "loopback"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Network")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look at the setting."""
        config = subject.config
        if config.network.allow_loopback_http and not config.demo:
            yield Finding(
                self.id,
                self.title,
                Severity.ERROR,
                _(
                    "network.allow_loopback_http is on: partners could make this "
                    "node send requests to services of its own machine."
                ),
                _("Remove it from node.toml; it is for trying on one machine only."),
            )
            return
        message = _("Only addresses of other machines, by https.")
        if config.demo:
            message = _("Demonstration: also nodes on this machine.")
        yield Finding(self.id, self.title, Severity.OK, message)


class ServingCheck:
    """The node runs, and its process answers."""

    id: ClassVar[str] = "serving"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Process")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Compare the control socket with the lock."""
        if subject.serving:
            message = _("The node runs and answers commands.")
            yield Finding(self.id, self.title, Severity.OK, message)
            return
        holder = lock_holder(subject.folder)
        if holder is None:
            yield Finding(
                self.id,
                self.title,
                Severity.NOTE,
                _("The node does not run."),
                f"spalier serve --node {subject.folder}",
            )
            return
        yield Finding(
            self.id,
            self.title,
            Severity.ERROR,
            _(
                "Process %(process)s holds the node's folder and answers no commands.",
                process=holder,
            ),
            _("Look into the node's log; stop that process if it hangs."),
        )


class ReachabilityCheck:
    """The node's public address leads to it."""

    id: ClassVar[str] = "address"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Address")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Ask the node through its public address."""
        if not subject.serving:
            return
        problem = _problem_of(subject.config.base_url)
        if problem is None:
            message = _("%(url)s leads to this node.", url=subject.config.base_url)
            yield Finding(self.id, self.title, Severity.OK, message)
            return
        yield Finding(
            self.id,
            self.title,
            Severity.WARNING,
            _(
                "%(url)s cannot be reached from here: %(problem)s.",
                url=subject.config.base_url,
                problem=problem,
            ),
            _("Check DNS, certificate and reverse proxy, best from another network."),
        )


def _problem_of(base_url: str) -> str | None:
    """Return why `/actor` below the address does not answer, None if it does.

    Not `/readyz`, which a reverse proxy keeps to this machine, and which any node
    answers: the door of the actor refuses another Host.
    """
    parts = urlsplit(base_url)
    kind = (
        http.client.HTTPSConnection
        if parts.scheme == "https"
        else http.client.HTTPConnection
    )
    connection = kind(parts.hostname or "", parts.port, timeout=REACH_SECONDS)
    try:
        connection.request("GET", "/actor")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if status == _HTTP_OK else f"HTTP {status}"


class DiskCheck:
    """There is room to write."""

    id: ClassVar[str] = "disk"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Space")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Measure the free space of the folder's file system."""
        free = shutil.disk_usage(subject.folder).free
        message = _("%(free)s GiB free.", free=f"{free / _GIBIBYTE:.1f}")
        if free < DISK_ERROR_BYTES:
            severity = Severity.ERROR
        else:
            severity = Severity.WARNING if free < DISK_WARNING_BYTES else Severity.OK
        fix = "" if severity is Severity.OK else _("Make room on this disk.")
        yield Finding(self.id, self.title, severity, message, fix)
