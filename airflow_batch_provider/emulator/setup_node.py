"""One place in a set-up file: reads values and, when one is wrong, says where, what and how to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class SetupError(ValueError):
    """A set-up file is not valid; the text names the file, the key, the value and the fix."""


@dataclass(frozen=True)
class Node:
    """A value in a set-up file.

    Args:
        file: The file.
        path: The keys from the top to here.
        value: What is there.
    """

    file: Path
    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        """The last key."""
        return self.path[-1]

    def wrong(self, fix: str) -> SetupError:
        """Return the error that this value is not what it must be."""
        key = ".".join(self.path) or "the file"
        return SetupError(f"{self.file}: {key} is {self.value!r}, but must be {fix}.")

    def child(self, key: str) -> Node:
        """Return the value under a key; None if there is none."""
        return Node(self.file, (*self.path, key), self.value.get(key))

    def only(self, keys: set[str]) -> None:
        """Refuse keys that are not among these."""
        for key in self.value:
            if key not in keys:
                known = ", ".join(sorted(keys))
                where = ".".join([*self.path, str(key)])
                raise SetupError(f"{self.file}: {where} is not a known key. Known here: {known}.")

    def mapping(self, key: str) -> Node:
        """Return the object under a key, empty if it is missing."""
        node = self.child(key)
        if node.value is None:
            return Node(node.file, node.path, {})
        if not isinstance(node.value, dict):
            raise node.wrong("a mapping of keys to values")
        return node

    def named(self, key: str, values: type | tuple[type, ...] = dict) -> list[Node]:
        """Return the members of the object under a key, each checked to be of a type."""
        section = self.mapping(key)
        members = [
            Node(self.file, (*section.path, str(name)), value) for name, value in section.value.items()
        ]
        for member in members:
            if not isinstance(member.value, values):
                raise member.wrong("a mapping of keys to values" if values is dict else "text")
        return members

    def matches_name(self, pattern: str, rule: str) -> None:
        """Refuse a name that does not fit a pattern."""
        if not re.fullmatch(pattern, self.name):
            raise SetupError(f"{self.file}: {'.'.join(self.path)}: the name {self.name!r} must be {rule}.")

    def as_text(self) -> str:
        """Return this value as text; a number counts as its digits."""
        if isinstance(self.value, str) and self.value.strip():
            return self.value
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return str(self.value)
        raise self.wrong("text")

    def text(self, key: str, default: str) -> str:
        """Return the text under a key, or the default if it is missing."""
        node = self.child(key)
        return default if node.value is None else node.as_text()

    def texts(self, key: str) -> dict[str, str]:
        """Return the object under a key with its values as text."""
        return {node.name: node.as_text() for node in self.named(key, values=(str, int, float))}

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Return the text under a key, which must be one of some, in any case."""
        node = self.child(key)
        if node.value is None:
            return default
        if str(node.value).lower() not in allowed:
            raise node.wrong(f"one of {', '.join(allowed)}")
        return str(node.value).lower()

    def number(self, key: str, least: float, default: float) -> float:
        """Return the number under a key, which must not be below a limit."""
        node = self.child(key)
        if node.value is None:
            return default
        if isinstance(node.value, bool) or not isinstance(node.value, int | float) or node.value < least:
            raise node.wrong(f"a number from {least:g}")
        return float(node.value)

    def whole(self, key: str, least: int, default: int) -> int:
        """Return the whole number under a key, which must not be below a limit."""
        number = self.number(key, least, default)
        if number != int(number):
            raise self.child(key).wrong(f"a whole number from {least}")
        return int(number)

    def existing(self) -> Path:
        """Return the local path that this value names, relative to the file; something must be there."""
        path = self.file.parent / self.as_text()
        if not path.exists():
            raise self.wrong(f"a path relative to the file's folder; {path} does not exist")
        return path.resolve()


def read_yaml(file: Path) -> Node:
    """Read a set-up file.

    Raises:
        SetupError: It cannot be read, is no YAML, or its top is no mapping.
    """
    try:
        value = yaml.safe_load(file.read_text())
    except OSError as error:
        raise SetupError(f"{file}: the set-up file cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise SetupError(f"{file}: the set-up file is not valid YAML: {error}") from error
    top = Node(file, (), {} if value is None else value)
    if not isinstance(top.value, dict):
        raise top.wrong("a mapping with keys such as 'endpoints'")
    return top
