"""The record store of a task that its trigger runs: its submission and the account of its tries, as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from airflow_batch_provider.jobs import JobRef, Submission
from airflow_batch_provider.triggers.tries import Ended, Tries, begin, submission_in, tries_in


class _Store(Protocol):
    """What `records.XComRecords` is."""

    async def load(self) -> Mapping[str, Any] | None: ...

    async def save(self, record: Mapping[str, Any]) -> None: ...

    async def alone(self, *, ever: bool = False) -> bool: ...


class TryRecords:
    """A record store for `jobs.submit_once`, which adds the account of the tries to whatever it keeps.

    Make one with `begin`.

    Attributes:
        tries: The account.
        again: Whether an earlier try has left its traces.
        nothing_sent: Whether no earlier try can have submitted anything.
        goes_on: Whether this very try was about to submit something before.
    """

    def __init__(self, store: _Store, kept: Mapping[str, Any] | None, number: int, retries: int) -> None:
        before = tries_in(kept)
        self.tries: Tries = begin(before, number, retries)
        self.again = before is not None and before.number != number
        self.goes_on = self.tries.sent
        self.nothing_sent = submission_in(kept) is None and (number <= 1 or kept is not None)
        self._store = store
        self._kept: Mapping[str, Any] = kept or {}

    @classmethod
    async def begin(cls, store: _Store, number: int, retries: int) -> TryRecords:
        """Begin a try, or go on with it.

        Args:
            store: Where the record is.
            number: Of the try.
            retries: Of the task.
        """
        records = cls(store, await store.load(), number, retries)
        if records.again:
            await records._keep(records._kept)
        return records

    @property
    def ref(self) -> JobRef | None:
        """The job that this try has already."""
        ref = self._recorded()
        return ref if ref and ref.id and ref.id == self.tries.job else None

    async def load(self) -> Mapping[str, Any] | None:
        """Return the record of the submission, or ``None``."""
        self._kept = await self._store.load() or {}
        return submission_in(self._kept)

    async def save(self, record: Mapping[str, Any]) -> None:
        """Keep a record, with the account."""
        new, old = record.get("ref") or {}, self._recorded()
        # A job that was found is not this try's yet: it may have to make way for another.
        mine = new.get("id") and record.get("max_tries") == self.tries.clears
        if mine and (old is None or old.id != new["id"]):
            self.tries = replace(self.tries, job=new["id"])
        if record.get("ref") is None:
            self.tries = replace(self.tries, sent=True)
        await self._keep(record)

    async def _keep(self, record: Mapping[str, Any]) -> None:
        kept = self.tries.kept_in(record)
        await self._store.save(kept)
        self._kept = kept

    async def alone(self, *, ever: bool = False) -> bool:
        """Say whether no other task instance can be submitting the same now."""
        return await self._store.alone(ever=ever)

    async def take(self, ref: JobRef) -> None:
        """Keep that this try has a job."""
        if self.tries.job != ref.id:
            self.tries = replace(self.tries, job=ref.id)
            await self._keep(self._kept)

    async def end(self, how: Ended) -> None:
        """Keep how the try ended."""
        self.tries = replace(self.tries, ended=how)
        await self._keep(self._kept)

    def _recorded(self) -> JobRef | None:
        submission = submission_in(self._kept)
        return Submission.from_dict(submission).ref if submission else None
