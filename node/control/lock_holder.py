"""Who holds a node's folder, without taking it."""

import fcntl
import os
from pathlib import Path

from node.instance_lock import LOCK_FILE

_PID_CHARACTERS_MAX = 20


def lock_holder(folder: Path) -> str | None:
    """Return the process id of the lock's holder, None if nobody holds it.

    The file's content is read only while somebody holds the lock; afterwards it
    names a process of the past.
    """
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # Shared, and given back at once: nothing in the file changes.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _PID_CHARACTERS_MAX, 0)
        return holder.decode("ascii", "replace").strip() or "?"
    else:
        return None
    finally:
        os.close(descriptor)
