"""Local sockets and ports: where a socket may lie, and who has taken a place already."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import ConfigError
from bridge.system.own_folder import folder_name

LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes of a Unix socket's path: sockaddr_un has room for one more, the closing zero (unix(7))."""


def fits(path: str | Path) -> bool:
    """Whether a socket can have this path."""
    return len(os.fsencode(path)) <= LONGEST_PATH


def check_path(path: str | Path, setting: str) -> None:
    """Raises ConfigError for a path that no socket can have."""
    if not fits(path):
        raise ConfigError(
            f"{setting}: {path} has {len(os.fsencode(path))} bytes, and a socket's path may have {LONGEST_PATH}: "
            "choose a shorter one"
        )


def socket_folder(prefix: str, file: str) -> Path:
    """A name for a folder of one's own in which a socket called `file` fits: in TMPDIR, or where paths are shorter.

    Raises ConfigError when there is no such place. The folder is not made.
    """
    name = folder_name(prefix)
    places = [temporary_folder(), os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"]
    for place in places:
        folder = Path(place) / name
        if place and fits(folder / file) and os.access(place, os.W_OK | os.X_OK):
            return folder
    raise ConfigError(
        f"no folder for a local socket: {places[0] or 'TMPDIR'} is too long (a socket's path may have {LONGEST_PATH} "
        "bytes) or cannot be written, and so are the other places for such files; set TMPDIR to a short path that can "
        "be written"
    )


def temporary_folder() -> str:
    """Where files may lie that are gone with the process; empty where there is no such place."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # not even the current folder can be written
        return ""


def clear_socket(path: str | Path) -> None:
    """Remove what a process that ended left at a socket's path. Raises ConfigError when somebody listens there."""
    path = Path(path)
    if not path.is_socket():
        if path.exists():
            raise ConfigError(f"{path} is there already, and is no socket: it is left alone; choose another path")
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ConfigError(f"{path}: somebody may be listening there: {error.strerror or error}") from None
        raise ConfigError(f"{path} is taken: {_peer(probe)} listens there")


def _peer(probe: socket.socket) -> str:
    with contextlib.suppress(OSError, AttributeError):
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return described(pid)
    return "another process"


def described(pid: int) -> str:
    """A process as a person would look for it: its number and command line, cut to a line."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        line = " ".join(word.decode(errors="replace") for word in words if word)
        return f"process {pid} ({line[:100]})" if line else f"process {pid}"
    return f"process {pid}"


def check_port(host: str, port: int) -> None:
    """Raises ConfigError when a port is taken, even by somebody who would share it (SO_REUSEPORT), saying by whom."""
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            there = ", ".join(map(described, listeners(port)))
            who = f": {there} listens there" if there else ""
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}{who}") from None


def listeners(port: int) -> list[int]:
    """The processes that listen on this TCP port of this machine, as far as the system tells us."""
    sockets = set(_listening(port))
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if sockets and _has(entry, sockets)]


def _listening(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


def _has(process: Path, sockets: set[str]) -> bool:
    with contextlib.suppress(OSError):
        return any(_target(entry) in sockets for entry in (process / "fd").iterdir())
    return False


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:
        return ""
