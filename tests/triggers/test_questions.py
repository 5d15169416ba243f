"""Triggers ask Airflow in turn."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from airflow_batch_provider.triggers import questions
from airflow_batch_provider.triggers.questions import Turn, answered


class Supervisor:
    """Answers one question after the other, each in a hundredth of a second."""

    def __init__(self):
        self.answering = asyncio.Lock()
        self.asked, self.most, self.now = [], 0, 0

    async def answer(self, question):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            async with self.answering:
                await asyncio.sleep(0.01)
                self.asked.append(question)
                return question
        finally:
            self.now -= 1


def test_nobody_waits_too_long_for_an_answer_because_all_ask(monkeypatch):
    """The time for an answer counts from when it is asked for; at most eight are."""
    monkeypatch.setattr(questions, "_SECONDS", 0.5)

    async def play():
        supervisor = Supervisor()
        asking = (answered(partial(supervisor.answer, at), Turn.BEGINNING) for at in range(100))
        assert await asyncio.gather(*asking) == list(range(100))
        return supervisor

    supervisor = asyncio.run(play())
    assert supervisor.most == 8
    assert supervisor.asked == list(range(100))


def test_what_is_under_way_is_finished_before_anything_is_begun():
    """Submissions first, then ends, then beginnings, whoever came first."""

    async def play():
        supervisor = Supervisor()
        turns = [*[Turn.BEGINNING] * 12, Turn.ENDING, Turn.SUBMITTING]
        await asyncio.gather(*(answered(partial(supervisor.answer, turn), turn) for turn in turns))
        return supervisor.asked

    asked = asyncio.run(play())
    assert asked[8:] == [Turn.SUBMITTING, Turn.ENDING, *[Turn.BEGINNING] * 4]


def test_a_question_that_nobody_answers_holds_nobody_up_for_ever(monkeypatch):
    """It ends after its time, and the next one is asked."""
    monkeypatch.setattr(questions, "_SECONDS", 0.05)

    async def play():
        silent = [answered(asyncio.Event().wait, Turn.BEGINNING) for _ in range(8)]
        last = answered(partial(asyncio.sleep, 0, "answered"), Turn.BEGINNING)
        return await asyncio.gather(*silent, last, return_exceptions=True)

    *silent, last = asyncio.run(play())
    assert {type(one) for one in silent} == {asyncio.TimeoutError}
    assert last == "answered"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_one_that_is_gone_keeps_no_place(turns):
    """Cancelled while it waits, or in the moment in which it could ask."""

    async def play():
        over = asyncio.Event()
        asking = [asyncio.ensure_future(answered(over.wait, Turn.BEGINNING)) for _ in range(8)]
        await asyncio.sleep(0)
        gone = [asyncio.ensure_future(answered(over.wait, Turn.ENDING)) for _ in range(8)]
        await asyncio.sleep(0)
        over.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await asyncio.gather(*asking, *gone, return_exceptions=True)
        line = questions._lines[asyncio.get_running_loop()]
        return line._free, line._waiting

    assert asyncio.run(play()) == (8, [])
