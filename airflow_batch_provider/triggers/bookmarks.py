"""Watermarks in Airflow's asset state store.

What depends on how Airflow 3.3.2 hands the store to a trigger is here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Protocol

from airflow_batch_provider.bounds import bounded
from airflow_batch_provider.triggers.watermark import Watermark, common

_SECONDS = 10.0
"""For one answer of the store: a triggerer that shuts down gives its triggers no more."""

_log = logging.getLogger(__name__)


class Store(Protocol):
    """The state of one asset; the shape of Airflow's ``AssetStateStoreAccessor``."""

    async def aget(self, key: str, default: Any = None) -> Any:
        """Return what is stored."""

    async def aset(self, key: str, value: Any) -> None:
        """Store a value."""


class Bookmark:
    """Where one watermark is stored: with each asset that the trigger watches for.

    Args:
        stores: The states of the assets. Without any, nothing is remembered beyond the process.
        what: Says what is watched; another watch has another watermark.
    """

    def __init__(self, stores: Sequence[Store], what: str) -> None:
        self._stores = stores
        self._key = f"airflow_batch_provider-{sha256(what.encode()).hexdigest()[:20]}"
        self._stored: Watermark | None = None
        self.broken = False
        """Whether what was told last is uncertain, so that the watermark has to be loaded again."""

    async def load(self) -> Watermark:
        """Return the watermark; of several assets, what is known for each that has one.

        Raises:
            Exception: Airflow did not answer.
        """
        marks = []
        for store in self._stores:
            stored = await bounded(store.aget(self._key), _SECONDS)
            mark = Watermark.read(stored)
            if mark is None and stored is not None:
                _log.warning("%r holds no watermark under %s: starting anew.", store, self._key)
            marks += [] if mark is None else [mark]
        self._stored = common(marks)
        return self._stored

    def is_news(self, mark: Watermark) -> bool:
        """Say whether another watermark is stored."""
        return mark != self._stored

    async def save(self, mark: Watermark) -> None:
        """Store the watermark.

        Raises:
            Exception: Airflow did not answer.
        """
        for store in self._stores:
            await bounded(store.aset(self._key, mark.to_dict()), _SECONDS)
        self._stored = mark


def stores_of(accessors: Any) -> list[Store]:
    """Return the state of each asset that a trigger watches for.

    Args:
        accessors: ``asset_state_store`` of the trigger; ``None`` where nobody set it.
    """
    # There is no other way: a trigger is not told its assets, and the shortcuts are for a single one.
    return list(accessors._by_name.values()) if accessors is not None else []  # noqa: SLF001
