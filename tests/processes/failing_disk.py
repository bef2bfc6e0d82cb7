"""A node on a disk that goes read-only under it; run in a mount namespace of its own.

The disk is a file with ext4 on it. `mount -o remount,abort` does to it what a failing
device does: from then on every write is refused (EROFS), also to files that are open.
It prints one JSON document of what it has found. Nobody outside sees the mount, and
it ends with the process.

    unshare --mount --propagation private python -m tests.processes.failing_disk FOLDER
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from node.control.request import CommandFailedError
from tests.cli.conftest import make_node, spalier, wait_until
from tests.processes.running import Launcher, answers, command, ended, publish
from tests.processes.test_disk import PUBLIC, get

DISK_MIB = 48


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def main(folder: Path) -> dict[str, Any]:
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MIB * 1024 * 1024)
    run("mkfs.ext4", "-q", "-F", image)
    run("mount", "-o", "loop,errors=remount-ro", image, disk)
    node = make_node(disk / "nord", "Nord")
    log = folder / "nord.log"
    launcher = Launcher()
    found: dict[str, Any] = {}
    process = launcher.start("serve", node.folder, log=log)
    with ended([process]):
        wait_until(lambda: answers(node.folder))
        shown = publish(node.folder, audience=PUBLIC)["id"]
        found["before"] = get(f"{node.base_url}/readyz").status
        run("mount", "-o", "remount,abort", disk)
        try:
            publish(node.folder, audience=PUBLIC)
        except CommandFailedError as error:
            found["refused"] = error.code
        time.sleep(1.1)  # what was found before holds for a second (NOD-008)
        ready = get(f"{node.base_url}/readyz")
        found["ready"] = [ready.status, ready.text.strip()]
        found["livez"] = get(f"{node.base_url}/livez").status
        found["shown"] = get(shown).status
        found["listed"] = len(command(node.folder, "entry.list")["entries"])
        process.stop()
    found["log"] = log.read_text()
    run("umount", disk)
    # 1: errors were mended; the journal of the disk is read then.
    subprocess.run(["fsck.ext4", "-p", str(image)], check=False, capture_output=True)
    run("mount", "-o", "loop,ro", image, disk)
    started = spalier("serve", "--node", node.folder, "--json")
    found["started_read_only"] = [started.code, started.error["code"]]
    run("umount", disk)
    run("mount", "-o", "loop", image, disk)
    process = launcher.start("serve", node.folder, log=log)
    with ended([process]):
        wait_until(lambda: answers(node.folder))
        found["after"] = get(f"{node.base_url}/readyz").status
        entries = command(node.folder, "entry.list")["entries"]
        found["kept"] = [each["id"] for each in entries] == [shown]
        publish(node.folder, audience=PUBLIC)
    launcher.close()
    run("umount", disk)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
