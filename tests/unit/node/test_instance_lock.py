import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node.errors import ConflictError, UnavailableError
from node.instance_lock import acquire

HOLDER = """
import sys
from pathlib import Path
from node.instance_lock import acquire
lock = acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with acquire(tmp_path):
        with pytest.raises(ConflictError) as caught:
            acquire(tmp_path)
        assert caught.value.code == "node-in-use"
        assert f"process {os.getpid()}" in caught.value.message
    acquire(tmp_path).release()
    assert stat.S_IMODE((tmp_path / "node.lock").stat().st_mode) == 0o600


def test_release_twice_does_not_close_somebody_elses_file(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    lock.release()
    with (tmp_path / "other").open("w") as other:
        lock.release()
        other.write("still open")


def test_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match=f"process {process.pid}"):
            acquire(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    acquire(tmp_path).release()


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ):
        lock.release()
        acquire(tmp_path).release()


def test_garbage_in_the_file_names_nobody(tmp_path: Path) -> None:
    with acquire(tmp_path):
        (tmp_path / "node.lock").write_text("\x1b[2Jroot")
        with pytest.raises(ConflictError, match="another process"):
            acquire(tmp_path)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        acquire(tmp_path / "missing")
    assert caught.value.path == str(tmp_path / "missing" / "node.lock")
