"""`spalier` on a machine whose DNS knows the names below `.spalier.test`.

Nothing else is different: the node and its commands are the real ones. The address
guard stays; `network.allow_loopback_http` opens it for 127.0.0.1.
"""

import socket
import sys
from typing import Any

TEST_DOMAIN = ".spalier.test"

_getaddrinfo = socket.getaddrinfo


def _resolve(host: Any, *arguments: Any, **named: Any) -> Any:
    is_ours = isinstance(host, str) and host.endswith(TEST_DOMAIN)
    return _getaddrinfo("127.0.0.1" if is_ours else host, *arguments, **named)


if __name__ == "__main__":
    socket.getaddrinfo = _resolve

    from node.cli import main

    sys.exit(main())
