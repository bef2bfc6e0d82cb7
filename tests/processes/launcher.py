"""Starts processes of a node within milliseconds: imports once, forks for each.

What runs in a child is `node.app.serve` or `node.app.work`, the same functions that
`spalier serve` and `spalier worker` call; only the interpreter's start and the
command line's parsing are left out. One line of JSON on standard input starts one
child, whose process id is answered:

    {"what": "serve", "folder": "…", "log": "…", "environ": {…}, "limits": {…}}
"""

import asyncio
import datetime
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import admin_ui.routes
import node.storage.postgres_database
import node.web.server  # noqa: F401
from node import app, limits
from node.clock import SystemClock
from node.config import load_config
from node.exchange import delivery, shared_work
from node.logs import configure_logs
from node.web import i18n
from node.web.i18n import Languages

_USERS = (limits, shared_work, delivery)


def main() -> None:
    # Nobody waits for the children; the kernel removes them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for package in (i18n, admin_ui):
        folder = Path(package.__file__ or "").parent / "translations"
        Languages("de", folders=[folder])  # compiled once
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        print(pid, flush=True)


def _become(order: dict[str, Any]) -> None:
    """Run what was ordered; never return."""
    code = 1
    try:
        os.setsid()  # Ctrl-C is for the tests
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.update(order.get("environ", {}))
        for name, seconds in order.get("limits", {}).items():
            for module in _USERS:
                if hasattr(module, name):
                    setattr(module, name, datetime.timedelta(seconds=seconds))
        folder = Path(order["folder"])
        configure_logs(load_config(folder).log, clock=SystemClock())
        match order["what"]:
            case "serve":
                asyncio.run(app.serve(folder))
            case "doors":
                asyncio.run(app.serve(folder, with_worker=False))
            case "worker":
                asyncio.run(app.work(folder))
        code = 0
    except BaseException:  # noqa: BLE001 - the log is all that is left of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
