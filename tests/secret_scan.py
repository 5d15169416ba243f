"""A pytest plugin that fails the whole run if a secret shows up in anything that was put out.

It sees what tests log and print, the text of each error of ours, each entry of the emulator's journal, what
the test harnesses hand to Airflow (see `look`), and every file of every Airflow home: logs and database, with
what Airflow encrypts there. Variables are none of its business: a test may hold a secret, and send it.

It knows planted secrets, the emulator's tokens and temporary keys, keys of storage accounts, and signatures
of signed URLs.
"""

from __future__ import annotations

import functools
import os
import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from structlog import BoundLoggerBase

from airflow_batch_provider import errors
from airflow_batch_provider.emulator.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLIENT_SECRET = "planted-secret-of-a-client"
SECRET_KEY = "planted-secret-of-an-access-key"
IAM_PASSWORD = "planted-secret-of-an-iam-user"
HUAWEI_ACCOUNT = f"{{access_keys: {{PLANTEDACCESSKEY0000: {SECRET_KEY}}}, password: {IAM_PASSWORD}}}"
"""For the section ``modelarts`` of an emulator's set-up file."""
FERNET_KEY = "cGxhbnRlZCwgYW5kIGtub3duIHRvIHRoZSBzY2FuISE="
"""Of the Airflows under test, so that what they encrypt can be read here."""

_SECRET = re.compile(
    r"(?P<planted>planted-secret|S3CR3T|TOPSECRET)"
    r"|(?P<token>\bemu_[\w-]{20,})"
    r"|(?P<key>(?<![\w+/])[A-Za-z0-9+/]{86}==)"  # how Azure writes the 64 bytes of an account's key
    r"|(?P<signature>(?<![a-z])sig=[\w%+/=-]{12,})"
)
_ENCRYPTED = re.compile(r"gAAAA[\w-]{60,}={0,2}")
_SHOWN = 60


@dataclass(frozen=True)
class Leak:
    """Where a secret was seen; the secret itself is not repeated."""

    test: str
    where: str
    kind: str
    before: str

    def __str__(self) -> str:
        return f"{self.where}: a {self.kind} secret after {self.before!r}, in {self.test or 'no test'}"


LEAKS: list[Leak] = []


def look(where: str, *seen: Any, test: str = "") -> None:
    """Look for secrets in what was put out.

    Args:
        where: What it is, for the report.
        *seen: Texts, or values whose representation is looked at.
        test: Who put it out, if not the test that runs.
    """
    test = test or os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    for value in seen:
        text = value if isinstance(value, str) else repr(value)
        for match in _SECRET.finditer(text):
            before = text[max(0, match.start() - _SHOWN) : match.start()]
            LEAKS.append(Leak(test, where, str(match.lastgroup), _SECRET.sub("***", before)))


def keep_triggers(home: Path) -> None:
    """Keep what triggers are given in the database of an Airflow, which deletes it when they have fired."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        database.executescript(
            "create table given_to_triggers (kwargs text);"
            "create trigger keep after insert on trigger begin"
            " insert into given_to_triggers values (new.kwargs); end"
        )


def look_into(home: Path) -> None:
    """Look into every file of an Airflow home, and into the rows of its database, encrypted ones, too."""
    for path in home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            look(str(path), path.read_bytes().decode("latin-1"))
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = "\n".join(database.iterdump())
    look("rows of an Airflow database", rows, *_decrypted(rows))


def _decrypted(text: str) -> Iterator[str]:
    fernet = Fernet(FERNET_KEY)
    for token in _ENCRYPTED.findall(text):
        with suppress(InvalidToken):  # of another Airflow
            yield fernet.decrypt(token).decode()


# --- What is looked at without a test's help ----------------------------------------------------------------


def pytest_configure() -> None:
    """Look at each event of structlog, each error of ours, and each entry of the emulator's journal."""
    _watch(BoundLoggerBase, "_proxy_to_logger", lambda _, method, *event, **more: look("log", event, more))
    _watch(Journal, "add", lambda _, entry: look("journal of the emulator", entry))
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.BatchError) and "__init__" in vars(kind):
            _watch_errors(kind)


def _watch(owner: type, name: str, see: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        see(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, watched)


def _watch_errors(kind: type) -> None:
    original = kind.__init__

    @functools.wraps(original)
    def watched(self: errors.BatchError, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self).__init__ is watched:  # A base's part is done before the error can be shown.
            look("error", str(self), repr(self))

    kind.__init__ = watched


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at what a test printed and logged."""
    for where, text in report.sections:
        if where.endswith(report.when or ""):  # Each report repeats those of the test's phases before.
            look(where, text, test=report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look into the Airflow homes that tests left, and fail the run if anything was found."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:  # One of several processes, below whose controller's folder its own is.
        told["leaks"] = [asdict(leak) for leak in LEAKS]
        return
    for database in session.config._tmp_path_factory.getbasetemp().rglob("airflow.db"):
        look_into(database.parent)
    if LEAKS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one of several processes has seen."""
    LEAKS.extend(Leak(**leak) for leak in getattr(node, "workeroutput", {}).get("leaks", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name where secrets were seen."""
    if LEAKS:
        terminalreporter.section("secrets were put out", red=True)
        for leak in dict.fromkeys(LEAKS):
            terminalreporter.line(str(leak))
