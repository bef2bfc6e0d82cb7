"""Runs a command under the system-call rules of a systemd unit.

    python -m tests.deploy.confined UNIT COMMAND …

systemd enforces `SystemCallFilter`, `RestrictAddressFamilies`,
`MemoryDenyWriteExecute` and `NoNewPrivileges` with seccomp and prctl; so does this,
through the same library, from the unit's own text. Folders and accounts are left out.
"""

import ctypes
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.deploy.programs import program

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1
_EQUAL, _GREATER, _MASKED = 4, 6, 7
_PROT_WRITE, _PROT_EXEC = 2, 4
_SHM_EXEC = 0o100000
_PR_SET_NO_NEW_PRIVS = 38
_UNKNOWN = -1  # __NR_SCMP_ERROR: another architecture's call


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def directives(unit: Path) -> dict[str, list[str]]:
    """Return each setting of a unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found.setdefault(name, []).append(value)
    return found


def allowed_calls(filters: Iterable[str]) -> set[str]:
    """Return the system calls that `SystemCallFilter` lines leave.

    The first line names what is allowed, a line with `~` takes away.
    """
    groups = _groups()
    allowed: set[str] = set()
    for line in filters:
        names = set(_expanded(line.removeprefix("~").split(), groups))
        allowed = allowed - names if line.startswith("~") else allowed | names
    # systemd allows these whatever a unit says: src/shared/seccomp-util.c, @default.
    return allowed | set(_expanded(["@default"], groups)) | {"execve", "exit"}


def _groups() -> dict[str, list[str]]:
    listing = subprocess.run(
        [program("systemd-analyze"), "--no-pager", "syscall-filter"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    groups: dict[str, list[str]] = {}
    name = ""
    for line in listing.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].append(line.strip())
    return groups


def _expanded(names: Iterable[str], groups: dict[str, list[str]]) -> Iterator[str]:
    for name in names:
        if name.startswith("@"):
            yield from _expanded(groups[name], groups)
        else:
            yield name


class _Filter:
    """One seccomp filter."""

    def __init__(self, library: ctypes.CDLL, *, default: int) -> None:
        self._library = library
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action: int, call: str, *conditions: _Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number <= _UNKNOWN:
            return
        array = (_Comparison * len(conditions))(*conditions)
        failed = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(conditions), array
        )
        if failed:
            raise OSError(-failed, f"seccomp_rule_add {call}")

    def load(self) -> None:
        if failed := self._library.seccomp_load(self._context):
            raise OSError(-failed, "seccomp_load")


def confine(unit: Path) -> None:
    """Take over the rules of a unit for this process and all that it starts."""
    settings = directives(unit)
    allowed = allowed_calls(settings["SystemCallFilter"])
    families = {
        int(getattr(socket, name))
        for name in " ".join(settings["RestrictAddressFamilies"]).split()
    }
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    calls = _Filter(library, default=_EPERM)
    for name in allowed:
        calls.add(_ALLOW, name)
    further = _Filter(library, default=_ALLOW)
    for family in set(range(max(families))) - families:
        further.add(_EPERM, "socket", _Comparison(0, _EQUAL, family, 0))
    further.add(_EPERM, "socket", _Comparison(0, _GREATER, max(families), 0))
    assert settings["MemoryDenyWriteExecute"] == ["yes"]
    both = _PROT_WRITE | _PROT_EXEC
    further.add(_EPERM, "mmap", _Comparison(2, _MASKED, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        further.add(_EPERM, name, _Comparison(2, _MASKED, _PROT_EXEC, _PROT_EXEC))
    further.add(_EPERM, "shmat", _Comparison(2, _MASKED, _SHM_EXEC, _SHM_EXEC))
    for value in settings.get("LimitNOFILE", []):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(value), int(value)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(settings["UMask"][0], 8))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    further.load()
    calls.load()


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
