"""Submissions take turns, and their requests get connections that will answer."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from airflow_batch_provider.watching import client as clients
from airflow_batch_provider.watching.turns import Turns

from .test_client import OK, serving


def test_who_pauses_makes_way_and_who_is_cancelled_gives_its_turn_back():
    """Never more at once than may be; no turn is lost, and none is given back twice."""
    turns, going, most = Turns(3), 0, 0

    async def work(seconds):
        nonlocal going, most
        async with turns.turn() as pause:
            for _ in range(3):
                going += 1
                most = max(most, going)
                await asyncio.sleep(0)
                going -= 1
                await pause(seconds)

    async def story():
        stuck = [asyncio.create_task(work(1000)) for _ in range(6)]
        await asyncio.gather(*(work(0.01) for _ in range(20)))
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        busy = [asyncio.create_task(work(0)) for _ in range(10)]
        await asyncio.sleep(0.001)
        for task in busy[::2]:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await asyncio.gather(*(work(0) for _ in range(20)))

    asyncio.run(asyncio.wait_for(story(), 10))

    assert most == 3
    assert turns._free._value == 3


@pytest.mark.parametrize(("method", "connections"), [("GET", 1), ("POST", 2)])
def test_a_request_that_must_not_be_lost_gets_no_connection_that_lay_idle(monkeypatch, method, connections):
    """The server may be closing it at that moment, and nobody would know what became of the request."""
    monkeypatch.setattr(clients, "_YOUNG_SECONDS", 0.05)

    async def story():
        async with serving(OK) as (server, client, url):
            for _ in range(2):
                await client.send(httpx.Request(method, url, content=b"{}"))
                await asyncio.sleep(0.1)
            await client.send(httpx.Request("GET", url))  # The old ones are kept for others.
            return server.connections

    assert asyncio.run(story()) == connections
