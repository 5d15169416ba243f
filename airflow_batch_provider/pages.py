"""Lists that come page by page: read patiently, and no further than needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from airflow_batch_provider.errors import PASSING, AuthenticationFailed
from airflow_batch_provider.flow import Flow, pause

K = TypeVar("K")

Page: TypeAlias = tuple[list[dict[str, Any]], K | None]
"""The rows of a page, and where the next one is; ``None`` behind the last."""

TRIES = 4
"""For a page, where it matters more to get the list than to get it soon."""
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Listed:
    """Some rows of a list.

    Args:
        rows: As the service describes them.
        complete: Whether the list was read to its end, or to where it is certainly too old.
    """

    rows: list[dict[str, Any]]
    complete: bool


def read_pages(
    first: K,
    read: Callable[[K], Flow[Page[K]]],
    *,
    created_at: Callable[[dict[str, Any]], float],
    since: float = 0.0,
    pages: int = 20,
    tries: int = TRIES,
) -> Flow[Listed]:
    """Read a list, page by page.

    Args:
        first: Where its first page is.
        read: Asks for the page at a place.
        created_at: Tells a row's time of creation, epoch seconds, or 0.
        since: Epoch seconds. If the list turns out to be in descending order of creation, it is not read
            past this.
        pages: How many pages to read at most.
        tries: How often to ask for a page at most.

    Raises:
        BatchError: A page cannot be had, however often it is asked for.
    """
    found: list[dict[str, Any]] = []
    following = first
    for _ in range(pages):
        rows, after = yield from _patiently(read, following, tries)
        found += rows
        if after is None or _is_past([created_at(row) for row in found], since):
            return Listed(found, complete=True)
        following = after
    return Listed(found, complete=False)


def _patiently(read: Callable[[K], Flow[Page[K]]], place: K, tries: int) -> Flow[Page[K]]:
    """Read one page. A long list takes many, so one spoilt answer must not spoil the whole look."""
    for _ in range(tries - 1):
        try:
            return (yield from read(place))
        except (*PASSING, AuthenticationFailed):
            yield from pause(_PAUSE_SECONDS)
    return (yield from read(place))


def _is_past(times: list[float], since: float) -> bool:
    return len(times) > 1 and 0 < times[-1] < since and times == sorted(times, reverse=True)
