"""A PostgreSQL of its own for one run: in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


class NoPostgresError(Exception):
    """There is no server to run; the text says what is missing."""


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """Run a server; give the SQLAlchemy URL of its database and the process id.

    Raises:
        NoPostgresError: It is not installed, or there is nobody to run it as.
    """
    programs = _programs()
    as_user = _as_user()
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder, socket.socket() as probe:
        if as_user:
            owner = pwd.getpwnam(_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        data = f"{folder}/data"
        control = [*as_user, str(programs / "pg_ctl"), "--pgdata", data]
        settings = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c max_connections=300"
        initdb = [
            *as_user,
            str(programs / "initdb"),
            "--pgdata",
            data,
            "--auth",
            "trust",
            "--username",
            _USER,
        ]
        _done(initdb)
        _done([*control, "--wait", "--log", f"{folder}/log", "--options", settings, "start"])
        try:
            pid = int(Path(data, "postmaster.pid").read_text().split()[0])
            yield f"postgresql+psycopg2://{_USER}@127.0.0.1:{port}/{_USER}", pid
        finally:
            _done([*control, "--wait", "--mode", "fast", "stop"])


def _programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    raise NoPostgresError("PostgreSQL's server is not installed (on Debian: apt-get install postgresql)")


def _as_user() -> list[str]:
    if os.geteuid():
        return []
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        raise NoPostgresError("PostgreSQL does not run as root, and there is no user 'postgres'") from None
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--"]


def _done(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/")
