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
        if isinstance(outcome, httpx.Response):
            return outcome
        answer = httpx.Response(outcome, json={}, request=request)
        self.alive.add(answer)
        return answer


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
    wire = Wire(200)
    sender = Lasting(wire)

    async def story():
        for _ in range(3):
            await sender.send(question(lasts=0.3))
        asked = len(wire.asked)
        await asyncio.sleep(0.4)
        await sender.send(question(lasts=0.3))
        return asked

    assert asyncio.run(story()) == 1
    assert len(wire.asked) == 2


def test_old_answers_are_let_go_of():
    """Outputs may lie on any number of datastores over the months that a triggerer runs."""
    wire = Wire(200)
    sender = Lasting(wire)

    async def story():
        for number in range(100):
            await sender.send(question(f"{URL}{number}", lasts=0.1))
        kept = len(wire.alive)
        await asyncio.sleep(0.3)
        gc.collect()
        return kept

    assert asyncio.run(story()) == 100
    assert len(wire.alive) == 0


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


BAD = {
    "not found": 404,
    "too many": 429,
    "broken": 500,
    "a page of a proxy": httpx.Response(200, html="<html>"),
    "nothing": httpx.Response(204),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_is_told_to_those_who_asked_together_and_not_kept(bad):
    wire = Wire(bad, 200)
    sender = Lasting(wire)

    async def story():
        first, second = await asyncio.gather(sender.send(question()), sender.send(question()))
        return first, second, await sender.send(question())

    first, second, third = asyncio.run(story())
    assert first is second
    assert third.status_code == 200
    assert len(wire.asked) == 2


class OfItsOwnKind(Exception):
    """Cannot be copied."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize("error", [httpx.ReadTimeout("silence"), AuthenticationFailed("who are you")])
def test_a_failure_is_told_to_each_in_an_error_of_its_own(error):
    """One exception that is raised in many tasks would collect the frames of all of them."""
    first, second, third = together(Lasting(Wire(error)), question(), question(), question())

    assert {type(first), type(second), type(third)} == {type(error)}
    assert str(second) == str(error)
    assert len({id(first), id(second), id(third)}) == 3


def test_a_failure_that_cannot_be_copied_is_told_as_it_is():
    error = OfItsOwnKind("a", "b")

    assert together(Lasting(Wire(error)), question(), question()) == [error, error]


def test_after_a_failure_the_next_asks_again():
    wire = Wire(httpx.ReadTimeout("silence"), 200)
    sender = Lasting(wire)

    async def story():
        with pytest.raises(httpx.ReadTimeout):
            await sender.send(question())
        return await sender.send(question())

    assert asyncio.run(story()).status_code == 200


@pytest.mark.parametrize(("leaver", "requests"), [(0, 2), (2, 1)], ids=["who asks", "who waits"])
def test_who_is_cancelled_takes_no_answer_along(leaver, requests):
    """If it was the one who asked, another asks."""
    wire = Wire(200)
    sender = Lasting(wire)

    async def story():
        asking = [asyncio.create_task(sender.send(question())) for _ in range(4)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking[leaver].cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    answers = asyncio.run(asyncio.wait_for(story(), 20))

    assert isinstance(answers.pop(leaver), asyncio.CancelledError)
    assert [one.status_code for one in answers] == [200] * 3
    assert len(wire.asked) == requests
