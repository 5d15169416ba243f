"""Faults on demand: which requests go wrong, and how."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from airflow_batch_provider.emulator.database import Database

Action = Literal[
    "latency", "status", "drop_before", "drop_after", "truncate", "not_json", "html", "expire_tokens"
]
_ACTIONS = get_args(Action)
_MATCH_KEYS = ("method", "path", "plane")


@dataclass
class Fault:
    """One rule.

    Attributes:
        action: What goes wrong. ``latency`` answers late; ``status`` answers with *status*, *headers* and
            *body*; ``drop_before`` and ``drop_after`` close the connection before or after the request took
            effect; ``truncate``, ``not_json`` and ``html`` spoil the answer of a request that took effect;
            ``expire_tokens`` ends all tokens before the request is looked at.
        match: ``method``, ``path`` (a regular expression, searched) and ``plane``; all given ones must fit.
        times: How many requests it still hits; None for all.
        skip: How many matching requests pass first.
        probability: The share of matching requests that it hits.
        seed: Makes the choice repeatable.
        seconds: The delay of ``latency``.
        status: The HTTP status of ``status``.
        headers: Headers of ``status``, such as ``Retry-After``.
        body: The body of ``status``: JSON, or a string sent as plain text.
        effect: Whether ``status`` lets the request take effect before its answer is replaced, and ``latency``
            before the delay.
    """

    action: Action
    match: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int | None = None
    seconds: float = 0.0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    effect: bool = False

    def fits(self, method: str, path: str, plane: str) -> bool:
        """Whether the rule is about such a request."""
        wanted = self.match
        return (
            wanted.get("method", method).upper() == method
            and wanted.get("plane", plane) == plane
            and re.search(wanted.get("path", ""), path) is not None
        )


def read_fault(value: Any) -> Fault:
    """Read a rule from JSON.

    Raises:
        ValueError: It is no valid rule; the text names the field, the value and what is right.
    """
    if not isinstance(value, dict):
        example = "{'action': 'status', 'status': 503}"
        raise ValueError(f"A fault is an object such as {example}, not {value!r}.")  # noqa: TRY004 - bad JSON, not a bad call
    unknown = set(value) - set(Fault.__dataclass_fields__)
    if unknown:
        raise ValueError(f"Unknown field of a fault: {', '.join(sorted(unknown))}.")
    if value.get("action") not in _ACTIONS:
        raise ValueError(
            f"The action of a fault is one of {', '.join(_ACTIONS)}, not {value.get('action')!r}."
        )
    fault = Fault(**value)
    _check_match(fault.match)
    _check_number("times", fault.times, 1, None)
    _check_number("skip", fault.skip, 0, None)
    _check_number("probability", fault.probability, 0, 1)
    _check_number("seconds", fault.seconds, 0, None)
    _check_number("status", fault.status, 100, 599)
    return fault


def _check_match(match: Any) -> None:
    if not isinstance(match, dict) or set(match) - set(_MATCH_KEYS):
        raise ValueError(f"The match of a fault is an object with {', '.join(_MATCH_KEYS)}, not {match!r}.")
    try:
        re.compile(match.get("path", ""))
    except re.error as error:
        raise ValueError(
            f"The path {match['path']!r} of a fault is no regular expression: {error}."
        ) from None


def _check_number(name: str, value: Any, least: float, most: float | None) -> None:
    if value is None and name == "times":
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value < least
        or (most and value > most)
    ):
        limits = f"from {least:g}" + (f" to {most:g}" if most else "")
        raise ValueError(f"The {name} of a fault is a number {limits}, not {value!r}.")


class FaultStore:
    """The rules in force. Their counters survive a restart; random choices start again from their seeds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._faults: list[Fault] = []
        self._choices: list[random.Random] = []
        self.replace([Fault(**fault) for fault in database.recall("faults", [])])

    def replace(self, faults: list[Fault]) -> None:
        """Put these rules in force instead of the old ones."""
        self._faults = faults
        self._choices = [random.Random(fault.seed) for fault in faults]  # noqa: S311 - chaos, not secrets
        self._save()

    def shown(self) -> list[dict[str, Any]]:
        """Return the rules as JSON, with what is left of their counters."""
        return [asdict(fault) for fault in self._faults]

    def hit(self, method: str, path: str, plane: str) -> list[Fault]:
        """Return the rules that strike this request, and count them: any delays, and at most one other."""
        struck: list[Fault] = []
        for fault, choice in zip(self._faults, self._choices, strict=True):
            if fault.action != "latency" and any(other.action != "latency" for other in struck):
                continue
            if fault.times != 0 and fault.fits(method, path, plane) and self._falls(fault, choice):
                struck.append(fault)
        return struck

    def _falls(self, fault: Fault, choice: random.Random) -> bool:
        if fault.skip > 0:
            fault.skip -= 1
            self._save()
            return False
        if choice.random() >= fault.probability:
            return False
        if fault.times is not None:
            fault.times -= 1
            self._save()
        return True

    def _save(self) -> None:
        self._database.remember("faults", self.shown())
