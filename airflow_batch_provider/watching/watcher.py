"""The watcher: asks for the jobs of one endpoint, for all who wait for them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from airflow_batch_provider.errors import PASSING, BatchError, ConnectionFailed, Throttled
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.jobs import Job, JobPage, JobRef, JobState, Service, Watch
from airflow_batch_provider.watching.clock import Clock, first_wait, next_due, on_beat
from airflow_batch_provider.watching.connection import apart, copied
from airflow_batch_provider.watching.listing import Listing, reads_on

T = TypeVar("T")

_log = logging.getLogger(__name__)

_OF_ALL = (ConnectionFailed, Throttled)
"""Errors that asking for a single job would meet, too."""

_TOGETHER_SECONDS = 0.1
"""Between two looks at who is due, so that those who come together are asked for together."""
_LATE_SECONDS = 60.0
"""After the deadline, in which a last answer may come."""


class Missed:
    """Instead of an answer.

    Args:
        error: Why there is none.
        asked_at: Epoch seconds.
    """

    __slots__ = ("asked_at", "error")

    def __init__(self, error: BatchError, asked_at: float) -> None:
        self.error = error
        self.asked_at = asked_at


class Waiter:
    """One who waits for a job: what the watcher knows of it, and what it has to tell it.

    Args:
        ref: The job.
        watch: How it is waited for.
        group: Whose watcher asks for the job; see `jobs.Service.group`.
        due: When the job is to be asked for first, seconds of the event loop's clock.
    """

    __slots__ = (
        "_letters",
        "_question",
        "_reader",
        "_service",
        "clock",
        "group",
        "heard",
        "in_trouble",
        "ref",
        "watch",
    )

    def __init__(self, ref: JobRef, watch: Watch, group: str, due: float) -> None:
        self.ref = ref
        self.watch = watch
        self.group = group
        self.clock = Clock(due)
        self.heard: str | None = None
        self.in_trouble = False
        self._letters: deque[Job | Missed | Exception] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._service: Service | None = None
        self._question: Callable[[], Flow[Job]] | None = None

    def ask(self, service: Service) -> Flow[Job]:
        """Ask for the job."""
        if self._question is None or service is not self._service:
            self._service, self._question = service, service.asking(self.ref)
        return self._question()

    def post(self, letter: Job | Missed | Exception) -> None:
        """Tell the waiter something."""
        self._letters.append(letter)
        self.call()

    def call(self) -> None:
        """Have the waiter look up."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def read(self) -> Job | Missed | None:
        """Wait for the next that there is to tell; ``None`` if no answer comes though the deadline passed.

        Raises:
            Exception: What kept the watcher from asking.
        """
        loop = asyncio.get_running_loop()
        alarm = None
        if not self._letters:
            self._reader = loop.create_future()
            if self.watch.deadline is not None:
                alarm = loop.call_later(self.watch.deadline - self.watch.now() + _LATE_SECONDS, self.call)
            try:
                await self._reader
            finally:
                self._reader = None
                if alarm is not None:
                    alarm.cancel()
        letter = self._letters.popleft() if self._letters else None
        if isinstance(letter, Exception):
            raise letter
        return letter

    def set_clock(self, asked_at: float, chance: float | None = None) -> None:
        """Say when the job is to be asked for again.

        Args:
            asked_at: Seconds of the event loop's clock.
            chance: Of those that are asked for together.
        """
        age = self.watch.now() - self.ref.submitted_at
        if chance is None:
            interval = self.watch.interval(age)
        else:
            interval = self.watch.longest(age) * (0.94 + 0.05 * chance)
        self.clock.interval = interval
        # Not past the deadline, at which the job is asked for a last time.
        seconds = self.watch.until(interval)
        self.clock.due = asked_at + seconds
        if seconds == interval:
            self.clock.due = on_beat(self.clock.due, interval)

    def answer(self, job: Job) -> None:
        """Take an answer; the waiter hears of it if it is news."""
        if job.news != self.heard or self.in_trouble or job.state.done or self.watch.expired():
            self.heard = job.news
            self.in_trouble = False
            self.post(job)
        elif job.state is JobState.BLOCKED:
            self.post(job)

    def fail(self, error: Exception, asked_at: float) -> None:
        """Take an error instead of an answer.

        Args:
            error: Why there is none.
            asked_at: Epoch seconds.
        """
        if isinstance(error, BatchError):
            self.in_trouble = True
            self.post(Missed(copied(error), asked_at))
        else:
            self.post(error)


class Connection(Protocol):
    """What the watcher asks through."""

    async def poll(self, make: Callable[[Service], Flow[T]]) -> T:
        """Carry out a flow of the connection's service."""


class Watcher:
    """Asks for the jobs of one list, as long as somebody waits.

    Args:
        connection: Through which it asks.
        group: The jobs' list; empty if there is none.
    """

    def __init__(self, connection: Connection, group: str) -> None:
        self._connection = connection
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._listing = Listing(self._loop.time()) if group else None
        self._waiters: dict[Waiter, None] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading_list = False
        self._listed_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters

    @property
    def is_alone(self) -> bool:
        """Whether there is a single one who waits."""
        return len(self._waiters) == 1

    def join(self, ref: JobRef, watch: Watch) -> Waiter:
        """Begin to wait for a job."""
        now, longest = self._loop.time(), watch.longest(watch.now() - ref.submitted_at)
        waiter = Waiter(ref, watch, self._group, now + watch.until(first_wait(now, longest, self._listed_at)))
        self._waiters[waiter] = None
        if self._task is None:
            self._start()
        self._wake()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Wait no more."""
        self._waiters.pop(waiter, None)

    async def close(self) -> None:
        """End all that is under way. Nobody waits any more."""
        tasks = {*self._asking, *([self._task] if self._task else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self) -> None:
        self._task = apart(self._run())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Leave nobody waiting for a watcher that is no more."""
        self._task = None
        error = None if task.cancelled() else task.exception()
        for waiter in list(self._waiters):
            waiter.post(RuntimeError(f"Nobody asks for job {waiter.ref.id} any more: {error!r}"))

    def _wake(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    async def _run(self) -> None:
        await asyncio.sleep(_TOGETHER_SECONDS)
        while True:
            now = self._loop.time()
            due = [waiter for waiter in self._waiters if waiter.clock.is_due(now)]
            if len(due) == 1 == len(self._waiters):
                await self._get(due[0])
            elif due:
                self._ask_for(due, now)
            await self._until_due()

    async def _until_due(self) -> None:
        self._alarm = self._loop.create_future()
        at = next_due(waiter.clock for waiter in self._waiters)
        timer = None if at is None else self._loop.call_at(at, self._wake)
        try:
            await self._alarm
        finally:
            self._alarm = None
            if timer is not None:
                timer.cancel()
        if len(self._waiters) > 1:
            await asyncio.sleep(_TOGETHER_SECONDS)

    def _ask_for(self, due: list[Waiter], now: float) -> None:
        listing = self._listing
        if listing is not None:
            listed = [waiter for waiter in due if waiter.clock.listed]
            near = [waiter for waiter in self._waiters if waiter.clock.is_near(now)] if listed else []
            if listing.is_worth(len(near), now):
                if not self._reading_list:
                    self._begin(self._list(near, listing), near)
                # Else they are asked for with the next one.
                due = [waiter for waiter in due if not waiter.clock.listed]
            else:
                listing.forget()
        for waiter in due:
            self._begin(self._get(waiter), [waiter])

    def _begin(self, work: Any, waiters: Iterable[Waiter]) -> None:
        for waiter in waiters:
            waiter.clock.asking = True
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._wake()

    async def _get(self, waiter: Waiter) -> Exception | None:
        """Ask for one job; return what went wrong, which the waiter has been told."""
        waiter.clock.asking = True
        asked_at, began = waiter.watch.now(), self._loop.time()
        try:
            waiter.answer(await self._connection.poll(waiter.ask))
        except Exception as error:  # noqa: BLE001  # told to whoever waits, whatever it is
            waiter.fail(error, asked_at)
            return error
        else:
            return None
        finally:
            waiter.clock.asking = False
            waiter.set_clock(began)

    async def _list(self, near: list[Waiter], listing: Listing) -> None:
        """Ask for many jobs with a list. Those that it lacks are still due, to be asked for one by one."""
        self._reading_list = True
        asked_at, began = near[0].watch.now(), self._loop.time()
        self._listed_at = began
        unheard = dict.fromkeys(near)
        try:
            await self._read_list(unheard, listing, began)
        except _OF_ALL as error:
            self._fail(unheard, error, asked_at)
        except Exception as error:  # noqa: BLE001  # asking for one job tells whether it is the list alone
            await self._try_one(list(unheard), listing, error)
        else:
            for waiter in unheard:
                waiter.clock.listed = False
        finally:
            self._reading_list = False
            for waiter in unheard:
                waiter.clock.asking = False

    async def _try_one(self, unheard: list[Waiter], listing: Listing, error: Exception) -> None:
        """Find out whether it is the list alone that cannot be read."""
        asked_at = unheard[0].watch.now()
        own = await self._get(unheard[0])
        if isinstance(own, PASSING):
            self._fail(unheard[1:], own, asked_at)
        elif listing.failed(self._loop.time(), passes=isinstance(error, PASSING)):
            _log.warning("Asking for jobs one by one for some minutes; their list fails: %r", error)

    def _fail(self, waiters: Iterable[Waiter], error: BatchError, asked_at: float) -> None:
        began = self._loop.time()
        for waiter in waiters:
            waiter.fail(error, asked_at)
            waiter.set_clock(began)

    async def _read_list(self, unheard: dict[Waiter, None], listing: Listing, began: float) -> None:
        """Read the list, page by page, as far as that is worth it.

        Args:
            unheard: Who is due; those whom a page answers are taken out.
            listing: What is known of the list, and learns.
            began: Seconds of the event loop's clock.
        """
        by_id: dict[str, list[Waiter]] = {}
        for waiter in self._waiters:
            by_id.setdefault(waiter.ref.id, []).append(waiter)
        refs = {job_id: waiters[0].ref for job_id, waiters in by_id.items()}
        chance = random.random()  # noqa: S311  # jitter
        pages, fruitless, page_size = 0, 0, 0
        after: Any = None
        while True:
            page = await self._connection.poll(_page_of(refs, after))
            pages += 1
            missing = len(unheard)
            self._tell(page, by_id, unheard, began, chance)
            fruitless = 0 if len(unheard) < missing else fruitless + 1
            after = page.after
            if after is None:
                break
            page_size = max(page_size, page.rows)
            if not reads_on(len(unheard), fruitless):
                break
        listing.learn(pages, page_size, complete=after is None or not unheard)

    @staticmethod
    def _tell(
        page: JobPage,
        by_id: Mapping[str, list[Waiter]],
        unheard: dict[Waiter, None],
        began: float,
        chance: float,
    ) -> None:
        for job_id, job in page.jobs.items():
            for waiter in by_id[job_id]:
                waiter.clock.listed = True
                waiter.answer(job)
                if waiter in unheard:
                    del unheard[waiter]
                    waiter.clock.asking = False
                # Also who was not due yet: so they come to be asked for together.
                waiter.set_clock(began, chance)


def _page_of(refs: Mapping[str, JobRef], after: Any) -> Callable[[Service], Flow[JobPage]]:
    return lambda service: service.page(refs, after)
