"""To the serving node if there is one, else open the node here."""

import asyncio
import time
from pathlib import Path
from typing import Any

from node.cli.wording import gettext as _
from node.control.client import NotServingError, ask
from node.control.lock_holder import lock_holder
from node.control.request import ControlRequest
from node.errors import ConflictError, NotFoundError, UnavailableError

LOCK_WAIT_SECONDS = 20.0  # a command before ours, or a node that is starting
_POLL_SECONDS = 0.1
_IN_USE = "node-in-use"


def perform(
    folder: Path, request: ControlRequest, *, debug: bool = False
) -> tuple[dict[str, Any], bool]:
    """Run one command on the node in `folder`.

    Returns:
        The command's document, and whether a serving node ran it.

    Raises:
        NodeError: It was refused or failed, or the node cannot be opened.
    """
    if not (folder / "node.toml").exists():
        raise NotFoundError(
            _("There is no node in %(folder)s.", folder=folder),
            code="node-missing",
            path=str(folder),
            hint=_(
                "Name the folder of a node with --node, or set one up: spalier init"
            ),
        )
    queue = _Queue(folder)
    while True:
        try:
            return ask(folder, request), True
        except NotServingError:
            pass
        if queue.is_free():
            try:
                return _directly(folder, request, debug=debug), False
            except ConflictError as error:
                if error.code != _IN_USE:
                    raise
        time.sleep(_POLL_SECONDS)


class _Queue:
    """Commands on a node that does not serve run one after the other.

    Whoever holds the folder gets `LOCK_WAIT_SECONDS`; the next holder as much.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder: str | None = None
        self._since = time.monotonic()

    def is_free(self) -> bool:
        """Whether it is worth trying to take the folder.

        Raises:
            UnavailableError: One process has held it too long.
        """
        holder = lock_holder(self._folder)
        now = time.monotonic()
        if holder is None or holder != self._holder:
            self._holder, self._since = holder, now
        elif now - self._since > LOCK_WAIT_SECONDS:
            raise _silent(self._folder, holder)
        return holder is None


def _directly(folder: Path, request: ControlRequest, *, debug: bool) -> dict[str, Any]:
    from node.clock import SystemClock
    from node.config_sections import LogConfig
    from node.control.direct import run_directly
    from node.logs import configure_logs

    level = LogConfig(level="debug" if debug else "warning", format="console")
    configure_logs(level, clock=SystemClock())

    return asyncio.run(run_directly(folder, request))


def _silent(folder: Path, holder: str) -> UnavailableError:
    return UnavailableError(
        _(
            "The node in %(folder)s is in use by process %(process)s, which answers "
            "no commands.",
            folder=folder,
            process=holder,
        ),
        code="node-silent",
        path=str(folder),
        hint=_("Wait until it has started or finished, or look into the node's log."),
    )
