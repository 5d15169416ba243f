"""Doing the same with many things, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

_TICK = 0.2


class Workers(Generic[T]):
    """Threads that take things from one queue. The first error ends them all.

    Args:
        do: What to do with a thing. It should end soon when `stopping` is set; what it raises then is lost.
        number: Of threads.
    """

    def __init__(self, do: Callable[[T], None], number: int) -> None:
        self.stopping = threading.Event()
        self._do = do
        self._number = number
        self._taking = threading.Lock()
        self._error: BaseException | None = None

    def run(self, things: Iterable[T], tick: Callable[[], None]) -> None:
        """Do it with all things.

        Args:
            things: Taken one after the other, not before a thread is free.
            tick: Called in this thread, several times a second.

        Raises:
            Exception: What the first one raised that failed.
        """
        queue = iter(things)

        def work() -> None:
            self._work(queue)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._number)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_TICK)
                    tick()
        finally:
            # Whoever ends a task does not wait for what is under way; it ends by itself.
            self.stopping.set()
        if self._error is not None:
            raise self._error

    def _work(self, queue: Iterator[T]) -> None:
        try:
            while not self.stopping.is_set():
                with self._taking:
                    thing = next(queue, None)
                if thing is None:
                    return
                self._do(thing)
        except BaseException as error:  # noqa: BLE001  # raised where the threads were started
            with self._taking:
                if not self.stopping.is_set():
                    self._error = error
            self.stopping.set()


class Budget:
    """What all threads together may hold, such as bytes.

    Args:
        total: Units.
    """

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, units: int) -> Iterator[None]:
        """Wait until so much is free, and hold it. Who wants more than all gets all."""
        units = min(units, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= units)
            self._free -= units
        try:
            yield
        finally:
            with self._changed:
                self._free += units
                self._changed.notify_all()
