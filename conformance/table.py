"""The page that tells how the clients got on: written by a run, never by hand."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

HEAD = """\
# Conformance

What the vendors' own clients do with the emulator. A run of `make conformance` wrote this page: edits would
be lost, and a test would find them. An operation that is to be refused passes if it is refused as by the
service.
"""
_SECTION = re.compile(r"^## (?P<name>\S+) (?P<version>\S+)$", re.MULTILINE)
_ROW = re.compile(r"^\| (?P<operation>.+) \| (?P<mark>[✓✗]) \|$", re.MULTILINE)
_SEAL = re.compile(r"<!-- seal: (?P<seal>[0-9a-f]{64}) -->\n\Z")
_MARKS = {True: "✓", False: "✗"}


@dataclass
class Client:
    """What one client did.

    Args:
        name: Of its distribution.
        version: That was installed.
        operations: Each with whether it passed, in the order of the run.
    """

    name: str
    version: str
    operations: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many operations passed."""
        return sum(passed for _, passed in self.operations)


def write(clients: list[Client]) -> str:
    """Return the page.

    Args:
        clients: In any order.
    """
    clients = sorted(clients, key=lambda client: client.name)
    sums = [f"| {one.name} | {one.version} | {one.passed} of {len(one.operations)} |" for one in clients]
    parts = [HEAD, "\n".join(["| Client | Version | Operations passed |", "|---|---|---|", *sums, ""])]
    parts += [_section(one) for one in clients]
    text = "\n".join(parts) + "\n"
    return f"{text}<!-- seal: {_seal(text)} -->\n"


def read(text: str) -> list[Client]:
    """Return the clients that a page tells of; none if it is empty."""
    places = list(_SECTION.finditer(text))
    ends = [place.start() for place in places[1:]] + [len(text)]
    return [
        Client(place["name"], place["version"], _rows(text[place.end() : end]))
        for place, end in zip(places, ends, strict=True)
    ]


def is_sealed(text: str) -> bool:
    """Say whether a page is as it was written."""
    seal = _SEAL.search(text)
    return seal is not None and seal["seal"] == _seal(text[: seal.start()])


def _section(client: Client) -> str:
    rows = [f"| {_escaped(name)} | {_MARKS[passed]} |" for name, passed in client.operations]
    return "\n".join([f"## {client.name} {client.version}", "", "| Operation | |", "|---|---|", *rows, ""])


def _rows(section: str) -> list[tuple[str, bool]]:
    rows = _ROW.finditer(section)
    return [(row["operation"].replace("\\|", "|"), row["mark"] == _MARKS[True]) for row in rows]


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")


def _seal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
