"""What a process tells the systemd that started it.

With `Type=notify` "started" means that the doors are open and not that a program
was begun: `systemctl start` waits for it, and an upgrade that does not come up is
seen at once. The protocol is one datagram, so it needs no library.

Source: sd_notify(3).
"""

import socket
from collections.abc import Mapping
from typing import Final

from node.cli.wording import gettext as _
from node.errors import UnavailableError
from node.sentence import system_reason

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"


def tell_ready(environ: Mapping[str, str]) -> None:
    """Say that the process has started; does nothing without a systemd that asks.

    Args:
        environ: The environment, in which systemd names its socket: a path, or after
            `@` a name in the abstract namespace.

    Raises:
        UnavailableError: Nobody listens there; systemd would wait in vain.
    """
    address = environ.get(SOCKET_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    place = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        ) as wire:
            wire.connect(place)
            wire.sendall(b"READY=1")
    except OSError as error:
        raise UnavailableError(
            _(
                "The socket %(name)s of systemd takes no message: %(reason)s.",
                name=address,
                reason=system_reason(error).translated(_),
            ),
            code="notify-failed",
            path=SOCKET_VARIABLE,
        ) from error
