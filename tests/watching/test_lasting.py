"""Answers that last: when one request serves many, and when it must not."""

from __future__ import annotations

import asyncio
import gc
from weakref import WeakSet

import httpx
import pytest

from airflow_batch_provider.errors import AuthenticationFailed
from airflow_batch_provider.watching.lasting import Lasting
from airflow_batch_provider.web import ask

URL = "https://service.test/datastores/d"


class Wire:
    """Answers with what a script says next, each answer after some turns of the loop, and counts."""

    def __init__(self, *script):
        self.script, self.asked, self.alive = list(script), [], WeakSet()

    async def send(self, request):
        self.asked.append(str(request.url))
        for _ in range(5):
            await asyncio.sleep(0)
        outcome = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(outcome, Exception):
            raise outcome
        answer = httpx.Response(outcome, request=request)
        self.alive.add(answer)
        return answer


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def question(url=URL, audience="arm", lasts=60.0):
    return ask("GET", url, audience, lasts=lasts)


def together(sender, *requests):
    """Send requests at once; return what became of each."""

    async def story():
        return await asyncio.gather(*(sender.send(one) for one in requests), return_exceptions=True)

    return asyncio.run(asyncio.wait_for(story(), 20))


def test_those_who_ask_together_ask_once():
    wire = Wire(200)

    answers = together(Lasting(wire), *(question() for _ in range(50)))

    assert [answer.status_code for answer in answers] == [200] * 50
    assert len(wire.asked) == 1


def test_a_good_answer_lasts_as_long_as_the_request_says():
    wire, clock = Wire(200), Clock()
    sender = Lasting(wire, clock)

    together(sender, question())
    clock.now += 59.9
    together(sender, question())
    assert len(wire.asked) == 1
    clock.now += 0.2
    together(sender, question())
    assert len(wire.asked) == 2


@pytest.mark.parametrize("other", [question(URL + "2"), question(audience="storage")], ids=["place", "token"])
def test_another_question_is_asked(other):
    """Also the same for another audience, whose token may not see it."""
    wire = Wire(200)

    together(Lasting(wire), question(), other)

    assert len(wire.asked) == 2


def test_what_does_not_last_is_asked_each_time():
    wire = Wire(200)

    together(Lasting(wire), *(question(lasts=0.0) for _ in range(3)))

    assert len(wire.asked) == 3


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refusal_is_told_to_those_who_asked_together_and_not_kept(status):
    wire = Wire(status, 200)
    sender = Lasting(wire)

    assert [one.status_code for one in together(sender, question(), question())] == [status] * 2
    assert [one.status_code for one in together(sender, question())] == [200]


@pytest.mark.parametrize("error", [httpx.ReadTimeout("silence"), AuthenticationFailed("who are you")])
def test_a_failure_is_told_to_each_in_an_error_of_its_own(error):
    """One exception that is raised in many tasks would collect the frames of all of them."""
    wire = Wire(error, 200)
    sender = Lasting(wire)

    first, second, third = together(sender, question(), question(), question())

    assert {type(first), type(second), type(third)} == {type(error)}
    assert str(second) == str(error)
    assert len({id(first), id(second), id(third)}) == 3
    assert [one.status_code for one in together(sender, question())] == [200]


def test_when_the_one_who_asks_is_cancelled_another_asks():
    wire = Wire(200)
    sender = Lasting(wire)

    async def story():
        asking = [asyncio.create_task(sender.send(question())) for _ in range(4)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking[0].cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    first, *others = asyncio.run(asyncio.wait_for(story(), 20))

    assert isinstance(first, asyncio.CancelledError)
    assert [one.status_code for one in others] == [200] * 3
    assert len(wire.asked) == 2


def test_when_one_who_waits_is_cancelled_the_others_are_answered():
    wire = Wire(200)
    sender = Lasting(wire)

    async def story():
        asking = [asyncio.create_task(sender.send(question())) for _ in range(4)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking[2].cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    answers = asyncio.run(asyncio.wait_for(story(), 20))

    assert isinstance(answers.pop(2), asyncio.CancelledError)
    assert [one.status_code for one in answers] == [200] * 3
    assert len(wire.asked) == 1


def test_old_answers_are_let_go_of():
    """Outputs may lie on any number of datastores over the months that a triggerer runs."""
    wire, clock = Wire(200), Clock()
    sender = Lasting(wire, clock)

    for number in range(100):
        together(sender, question(f"{URL}{number}"))
        clock.now += 10.0

    gc.collect()
    assert 0 < len(wire.alive) < 10
