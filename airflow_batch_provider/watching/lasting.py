"""Answers that last: one request for all who ask the same."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable

import httpx

from airflow_batch_provider.drive import AsyncSender
from airflow_batch_provider.web import AUDIENCE, LASTS

_Question = tuple[str, httpx.URL]


class Lasting:
    """Sends requests, but one whose answer lasts only if nobody has just asked the same.

    While a request is under way, its outcome is that of all who ask the same, whatever it is: if it fails,
    nobody gains by asking in the same instant. Only good answers are kept for later.

    Args:
        sender: Sends them.
        clock: Monotonic seconds.
    """

    def __init__(self, sender: AsyncSender, clock: Callable[[], float] = time.monotonic) -> None:
        self._sender = sender
        self._clock = clock
        self._kept: dict[_Question, tuple[float, httpx.Response]] = {}
        self._under_way: dict[_Question, asyncio.Future[httpx.Response | Exception | None]] = {}

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the whole answer, or one that somebody else got to the same."""
        seconds = request.extensions.get(LASTS)
        if not seconds:
            return await self._sender.send(request)
        question = (request.extensions[AUDIENCE], request.url)
        while True:
            until, answer = self._kept.get(question, (0.0, None))
            if answer is not None and self._clock() < until:
                return answer
            under_way = self._under_way.get(question)
            if under_way is None:
                return await self._ask(question, request, seconds)
            outcome = await asyncio.shield(under_way)  # Whoever gives up waiting ends it for nobody else.
            if isinstance(outcome, Exception):
                # A copy for each, for whom it is raised in a place of its own.
                raise copy.copy(outcome) from outcome.__cause__
            if outcome is not None:
                return outcome
            # Who asked was cancelled; somebody else has to.

    async def _ask(self, question: _Question, request: httpx.Request, seconds: float) -> httpx.Response:
        under_way = self._under_way[question] = asyncio.get_running_loop().create_future()
        outcome: httpx.Response | Exception | None = None
        try:
            outcome = answer = await self._sender.send(request)
        except Exception as error:
            outcome = error
            raise
        finally:
            del self._under_way[question]
            under_way.set_result(outcome)
        if answer.is_success:
            self._keep(question, answer, seconds)
        return answer

    def _keep(self, question: _Question, answer: httpx.Response, seconds: float) -> None:
        now = self._clock()
        self._kept = {one: kept for one, kept in self._kept.items() if now < kept[0]}
        self._kept[question] = (now + seconds, answer)
