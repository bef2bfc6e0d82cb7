"""The units of deploy/systemd: sound, closed, and a node works under their rules."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node.app import STOP_SECONDS
from node.limits import CONNECTIONS_MAX
from tests.cli.conftest import (
    clean_environment,
    entry_file,
    is_ready,
    make_node,
    serving,
    wait_until,
)
from tests.deploy.confined import directives
from tests.deploy.programs import DEPLOY, program

UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
SERVING = [path for path in SERVICES if "backup" not in path.name]
PROGRAM = "/opt/spalier/current/bin/spalier"
# systemd-analyze: 0 is closed, 10 is open; below 2 it says OK.
EXPOSURE_MAX = 2.0


def named(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as on a server, their program being one that exists here."""
    folder = tmp_path_factory.mktemp("units")
    for path in UNITS.iterdir():
        text = path.read_text().replace(PROGRAM, sys.executable)
        (folder / path.name).write_text(text)
    for path in UNITS.glob("*@.*"):
        text = (folder / path.name).read_text().replace("%i", "nord")
        instance = path.name.replace("@.", "@nord.")
        (folder / instance).write_text(text)
    return folder


def test_units_are_sound(installed: Path) -> None:
    units = [
        path for path in installed.iterdir() if path.suffix in {".service", ".timer"}
    ]
    assert len(units) > 10
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:"},
    )
    # Known from systemd 254 on, as the unit says.
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if str(installed) in line
        and not re.search(r"RestartSteps|RestartMaxDelaySec", line)
    ]
    assert said == []


@pytest.mark.parametrize("unit", SERVICES, ids=named)
def test_units_are_closed(unit: Path) -> None:
    done = subprocess.run(
        [
            *(program("systemd-analyze"), "security", "--no-pager", "--offline=true"),
            f"--threshold={EXPOSURE_MAX * 10:.0f}",
            str(unit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("unit", SERVING, ids=named)
def test_units_leave_a_node_its_time_and_its_connections(unit: Path) -> None:
    settings = directives(unit)
    assert int(settings["TimeoutStopSec"][0]) > 2 * STOP_SECONDS
    assert int(settings["LimitNOFILE"][0]) > 4 * CONNECTIONS_MAX
    assert settings["Restart"] == ["always"]
    assert settings["Type"] == ["notify"]


def test_units_of_one_and_of_several_nodes_are_alike() -> None:
    def of_instance(text: str) -> str:
        kept = "\n".join(
            line
            for line in text.splitlines()
            if not line.startswith(("#", "Description", "After"))
        )
        return (
            kept.replace(" $SERVE_OPTIONS", "")
            .replace("spalier-%i", "spalier")
            .replace("%i", "node")
        )

    def settings_of(name: str) -> str:
        return of_instance((UNITS / name).read_text())

    assert settings_of("spalier@.service") == settings_of("spalier.service")
    assert settings_of("spalier-worker@.service") == settings_of(
        "spalier.service"
    ).replace("spalier serve", "spalier worker")
    assert settings_of("spalier-backup@.service") == settings_of(
        "spalier-backup.service"
    )


def test_node_works_under_the_rules_and_says_when_it_is_ready(tmp_path: Path) -> None:
    unit = UNITS / "spalier.service"
    node = make_node(tmp_path / "node", "Cluster Nord")
    address = tmp_path / "notify"
    log = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(60)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.deploy.confined", str(unit)),
                    *(sys.executable, "-m", "node.cli", "serve"),
                    *("--node", str(node.folder)),
                ],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                env=clean_environment(NOTIFY_SOCKET=str(address)),
            )
        try:
            assert listener.recv(100) == b"READY=1", log.read_text()
            # Ready means that the doors are open.
            assert is_ready(node.base_url), log.read_text()
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
            # Signs, hashes a password's parameters, writes, reads the other way.
            offer = entry_file(tmp_path, audience={"level": "public"})
            published = node.json("entry", "publish", offer)
            assert published["state"] == "published"
            backup = node.json("keys", "backup", tmp_path / "keys.json")
            assert backup["code"]
            wait_until(lambda: is_ready(node.base_url))
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(40)
        assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_rules_hold(tmp_path: Path) -> None:
    # What the test above runs under does refuse what the unit refuses.
    attempts = {
        "write-and-execute": "import mmap; mmap.mmap(-1, 4096, prot=7)",
        "other-family": "import socket; socket.socket(socket.AF_NETLINK, 3)",
        "privileged": "import os; os.chroot('/')",
        "trace": "import ctypes; l = ctypes.CDLL(None, use_errno=True); "
        "assert l.ptrace(16, 1, 0, 0) == 0 or ctypes.get_errno() != 1, 'EPERM'",
    }
    for name, attempt in attempts.items():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.deploy.confined"),
                *(str(UNITS / "spalier.service"), sys.executable, "-c", attempt),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0, name
        assert re.search(r"PermissionError|EPERM", done.stderr), (name, done.stderr)


def test_notice_goes_to_abstract_names_too(tmp_path: Path) -> None:
    from node.cli.supervisor import tell_ready

    tell_ready({})
    name = f"spalier-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        tell_ready({"NOTIFY_SOCKET": f"@{name}"})
        assert listener.recv(100) == b"READY=1"


def test_supervisor_that_is_gone_is_named(tmp_path: Path) -> None:
    from node.cli.supervisor import tell_ready
    from node.errors import UnavailableError

    gone = str(tmp_path / "gone")
    with pytest.raises(UnavailableError, match=re.escape(gone)) as caught:
        tell_ready({"NOTIFY_SOCKET": gone})
    assert caught.value.code == "notify-failed"


def test_account_of_the_service_is_the_one_of_the_unit() -> None:
    text = (UNITS / "spalier.sysusers").read_text()
    (account,) = directives(UNITS / "spalier.service")["User"]
    assert re.search(rf"^u {account} ", text, re.MULTILINE)


def test_backup_is_made_under_the_rules_while_the_node_serves(tmp_path: Path) -> None:
    unit = UNITS / "spalier-backup.service"
    node = make_node(tmp_path / "node", "Cluster Nord")
    shelf = tmp_path / "backups"
    shelf.mkdir(mode=0o700)
    (command,) = directives(unit)["ExecStart"]
    placed = command.replace("/var/lib/spalier/node", str(node.folder)).replace(
        "/var/backups/spalier/node", str(shelf)
    )
    name, *words = placed.split()
    assert name == PROGRAM
    with serving(node):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.deploy.confined", str(unit)),
                *(sys.executable, "-m", "node.cli", *words),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
        )
        assert done.returncode == 0, done.stderr
        (backup,) = shelf.iterdir()
        assert backup.stat().st_mode & 0o077 == 0
    # What it wrote can be put back: the node opens and serves.
    restored = node.run("restore", backup, "--yes", "--json")
    assert restored.code == 0, restored
    with serving(node):
        pass
