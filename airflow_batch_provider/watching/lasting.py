"""Answers that last: one request for all who ask the same."""

from __future__ import annotations

import asyncio
import copy

import httpx

from airflow_batch_provider.answers import parsed
from airflow_batch_provider.drive import AsyncSender
from airflow_batch_provider.errors import BatchError
from airflow_batch_provider.web import AUDIENCE, LASTS

_Question = tuple[str, str]


class Lasting:
    """Sends requests, but one whose answer lasts only if nobody has just asked the same.

    While a request is under way, its outcome is that of all who ask the same, whatever it is: if it fails,
    nobody gains by asking in the same instant. Only good answers are kept for later: JSON objects, not what a
    proxy answers for once.

    Args:
        sender: Sends them.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender
        self._kept: dict[_Question, httpx.Response] = {}
        self._under_way: dict[_Question, asyncio.Future[httpx.Response | Exception | None]] = {}

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the whole answer, or one that somebody else got to the same."""
        seconds = request.extensions.get(LASTS)
        if not seconds:
            return await self._sender.send(request)
        question = (request.extensions[AUDIENCE], str(request.url))
        while True:
            answer = self._kept.get(question)
            if answer is not None:
                return answer
            under_way = self._under_way.get(question)
            if under_way is None:
                return await self._ask(question, request, seconds)
            outcome = await asyncio.shield(under_way)  # Whoever gives up waiting ends it for nobody else.
            if isinstance(outcome, BatchError | httpx.RequestError):
                # A copy for each: one that is raised in many tasks would collect the frames of all.
                raise copy.copy(outcome) from outcome.__cause__
            if isinstance(outcome, Exception):
                raise outcome
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
        if answer.is_success and isinstance(parsed(answer), dict):
            self._kept[question] = answer
            asyncio.get_running_loop().call_later(seconds, self._kept.pop, question, None)
        return answer
