from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from airflow_batch_provider.drive import IN_FLIGHT, arun, run
from airflow_batch_provider.errors import ConnectionFailed, InvalidInput
from airflow_batch_provider.flow import Retry, alone, load, pause, save, send

URL = "https://service.test/jobs/1"
PATIENT = 10.0  # Seconds after which a test that waits for a condition gives up.


# --- two drivers behind one face --------------------------------------------------------------------------


class Store:
    """A record store in memory, as a worker has one."""

    def __init__(self, record=None):
        self.record = record
        self.log = []

    def load(self):
        self.log.append("load")
        return self.record

    def save(self, record):
        self.log.append("save")
        self.record = dict(record)

    def alone(self, *, ever=False):
        self.log.append("ever alone" if ever else "alone")
        return False


class BrokenStore(Store):
    """A store that nobody answers."""

    def save(self, record):
        raise OSError("store is down")


class AsyncStore:
    """The same store, as an event loop has one."""

    def __init__(self, store):
        self.store = store

    async def load(self):
        await asyncio.sleep(0)
        return self.store.load()

    async def save(self, record):
        await asyncio.sleep(0)
        self.store.save(record)

    async def alone(self, *, ever=False):
        await asyncio.sleep(0)
        return self.store.alone(ever=ever)


def blocking(flow, answer=None, store=None, slept=None):
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        if slept is None:
            return run(flow, client, store=store)
        return run(flow, client, store=store, sleep=slept.append)


def in_a_loop(flow, answer=None, store=None, slept=None):
    async def sleep(seconds):
        slept.append(seconds)
        await asyncio.sleep(0)

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            kept = store and AsyncStore(store)
            if slept is None:
                return await arun(flow, client, store=kept)
            return await arun(flow, client, store=kept, sleep=sleep)

    return asyncio.run(main())


@pytest.fixture(params=[blocking, in_a_loop], ids=["run", "arun"])
def drive(request):
    return request.param


def ask(method="GET", **schedule):
    retry = Retry(chance=lambda: 1.0, **schedule)
    return send(httpx.Request(method, URL), retry=retry)


class Answers:
    """Answers a client's requests by a script: a status, or an exception to raise."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []

    def __call__(self, request):
        self.asked.append(request.method)
        outcome = self.script.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return httpx.Response(outcome, headers={"X-Served": str(len(self.asked))})


# --- a table of flows, for both ---------------------------------------------------------------------------


def nothing():
    yield from ()
    return "done"


def status():
    return (yield from ask()).status_code


def two_requests():
    first = yield from ask()
    second = yield from ask("DELETE")
    return first.headers["X-Served"] + second.headers["X-Served"]


def poll():
    while (yield from ask()).status_code != 200:
        yield from pause(30)
    return "ready"


def count():
    number = ((yield from load()) or {"number": 0})["number"] + 1
    yield from save({"number": number})
    return number


# Flow, answers in, what it returns, methods asked, pauses.
FLOWS = [
    (nothing, [], "done", [], []),
    (status, [200], 200, ["GET"], []),
    (status, [404], 404, ["GET"], []),
    (two_requests, [200, 204], "12", ["GET", "DELETE"], []),
    (poll, [202, 202, 200], "ready", ["GET"] * 3, [30, 30]),
    (
        status,
        [503, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), 200],
        200,
        ["GET"] * 4,
        [1, 2, 4],
    ),
]


@pytest.mark.parametrize(
    ("flow", "script", "returned", "asked", "pauses"),
    FLOWS,
    ids=["nothing", "one", "status", "two", "poll", "trouble"],
)
def test_both_drivers_carry_out_the_same_flow(drive, flow, script, returned, *, asked, pauses):
    """Requests are sent, pauses pass, answers and errors come back to the flow: the same in both drivers."""
    answers, slept = Answers(*script), []

    assert drive(flow(), answers, slept=slept) == returned
    assert answers.asked == asked
    assert answers.script == []
    assert slept == pauses


@pytest.mark.parametrize(("record", "number"), [(None, 1), ({"number": 4}, 5)])
def test_records_go_to_the_store_and_come_back(drive, record, number):
    """`Load` is answered by the store and `Save` is durable before the flow goes on."""
    store = Store(record)

    assert drive(count(), store=store) == number
    assert store.record == {"number": number}
    assert store.log == ["load", "save"]


def test_the_store_says_whether_the_task_is_alone(drive):
    """`Alone` is answered by the store."""
    store = Store()

    assert drive(alone(), store=store) is False
    assert drive(alone(ever=True), store=store) is False
    assert store.log == ["alone", "ever alone"]


def test_by_default_pauses_really_pass(drive):
    """Without a sleep of the caller's, a driver lets real time pass."""
    began = time.monotonic()
    drive(pause(0.02))

    assert time.monotonic() - began >= 0.015


# --- what goes wrong --------------------------------------------------------------------------------------


def test_the_flow_decides_about_a_lost_connection(drive):
    """The transport's exception reaches the flow, whose own error reaches the caller with it as cause."""
    lost = httpx.ConnectError("refused")
    with pytest.raises(ConnectionFailed) as caught:
        drive(ask(attempts=1), Answers(lost))

    assert caught.value.__cause__ is lost


def cleaned_up(step, log):
    try:
        yield from step
    except BaseException as error:
        log.append(type(error).__name__)
        raise


@pytest.mark.parametrize(
    ("step", "error", "thrown"),
    [
        (ask, ZeroDivisionError("in the client"), "ZeroDivisionError"),
        (ask, InvalidInput("no token"), "InvalidInput"),
        (ask, KeyboardInterrupt(), "GeneratorExit"),
        (lambda: save({}), OSError("store is down"), "OSError"),
    ],
    ids=["client", "authentication", "interrupt", "store"],
)
def test_an_error_is_thrown_into_the_flow_and_an_interrupt_closes_it(drive, step, error, thrown):
    """The flow can handle errors of client and store; what must end the process is not offered to it."""
    seen = []
    with pytest.raises(type(error)) as caught:
        drive(cleaned_up(step(), seen), Answers(error), store=BrokenStore())

    assert str(caught.value) == str(error)
    assert seen == [thrown]


def test_a_flow_may_go_on_after_an_error(drive):
    """An error that the flow handles is not seen outside, and the next answer belongs to the next step."""

    def flow():
        try:
            yield from save({})
        except OSError:
            return (yield from status())

    assert drive(flow(), Answers(200), store=BrokenStore()) == 200


@pytest.mark.parametrize("step", [load, lambda: save({}), alone], ids=["load", "save", "alone"])
def test_a_flow_that_keeps_records_needs_a_store(drive, step):
    """A driver without a store says so, instead of forgetting what must not be forgotten."""
    with pytest.raises(TypeError, match="no record store was given"):
        drive(step())


@pytest.mark.parametrize(("waits", "done"), [((1, 1), True), ((1, 3), False), ((4,), False)])
def test_a_worker_that_is_being_ended_begins_nothing_after_its_time(waits, done):
    """With ``within``, no step is begun that is after the time, and no pause that ends after it."""
    clock = [100.0]

    def sleep(seconds):
        clock[0] += seconds

    def flow():
        for seconds in waits:
            yield from pause(seconds)
        return (yield from status())

    def go():
        with httpx.Client(transport=httpx.MockTransport(Answers(200))) as client:
            return run(flow(), client, sleep=sleep, within=4, clock=lambda: clock[0])

    if done:
        assert go() == 200
    else:
        with pytest.raises(TimeoutError, match=r"^Not done within 4 seconds\.$"):
            go()
        assert clock[0] <= 101


# --- cancellation and bounds, in a loop -------------------------------------------------------------------


async def settled(condition):
    """Let the loop run until *condition* holds."""

    async def turn():
        while not condition():  # noqa: ASYNC110  # the condition is the driver's, not ours to signal
            await asyncio.sleep(0)

    await asyncio.wait_for(turn(), PATIENT)


class Hall:
    """A service that lets nobody out before `leave` is set, and counts who is inside."""

    def __init__(self):
        self.leave = asyncio.Event()
        self.inside = self.most = self.served = 0

    async def __call__(self, request):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.leave.wait()
        finally:
            self.inside -= 1
        self.served += 1
        return httpx.Response(200)


def client_of(service):
    return httpx.AsyncClient(transport=httpx.MockTransport(service))


@pytest.mark.parametrize("where", ["request", "pause", "gate"])
def test_cancellation_closes_the_flow(where):
    """A cancelled `arun` runs the flow's clean-up, without offering it the cancellation as an error."""

    async def main():
        hall, log, begun = Hall(), [], []

        async def sleep(_seconds):
            begun.append(1)
            await asyncio.Event().wait()

        async with client_of(hall) as client:
            others = [asyncio.ensure_future(arun(ask(), client)) for _ in range(IN_FLIGHT)]
            if where == "gate":
                await settled(lambda: hall.inside == IN_FLIGHT)
            else:
                hall.leave.set()
                await asyncio.gather(*others)
                hall.leave.clear()
            step = pause(60) if where == "pause" else ask()
            task = asyncio.ensure_future(arun(cleaned_up(step, log), client, sleep=sleep))
            if where == "gate":
                for _ in range(5):
                    await asyncio.sleep(0)
            else:
                await settled(lambda: hall.inside == 1 or begun)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert log == ["GeneratorExit"]
            hall.leave.set()
            await asyncio.gather(*others)

            # Nobody who was cancelled still holds a place.
            hall.leave.clear()
            more = [asyncio.ensure_future(arun(ask(), client)) for _ in range(IN_FLIGHT)]
            await settled(lambda: hall.inside == IN_FLIGHT)
            hall.leave.set()
            await asyncio.gather(*more)

    asyncio.run(main())


def test_requests_in_flight_are_bounded_per_client():
    """Two hundred flows on one client ask `IN_FLIGHT` at a time: as many as allowed, and never one more."""

    async def main():
        hall = Hall()
        async with client_of(hall) as client:
            tasks = [asyncio.ensure_future(arun(ask(), client)) for _ in range(200)]
            await settled(lambda: hall.inside == IN_FLIGHT)
            hall.leave.set()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENT)
        return hall

    hall = asyncio.run(main())
    assert hall.most == IN_FLIGHT == 20
    assert hall.served == 200


def test_each_client_has_its_own_bound():
    """A service that hangs does not keep the requests to another one waiting."""

    async def main():
        hung, well = Hall(), Hall()
        well.leave.set()
        async with client_of(hung) as bad, client_of(well) as good:
            stuck = [asyncio.ensure_future(arun(ask(), bad)) for _ in range(2 * IN_FLIGHT)]
            await settled(lambda: hung.inside == IN_FLIGHT)
            await asyncio.wait_for(arun(ask(), good), PATIENT)
            hung.leave.set()
            await asyncio.gather(*stuck)
        return well.served

    assert asyncio.run(main()) == 1


def test_a_pause_takes_no_place():
    """Flows that wait between two requests do not keep others from asking."""

    async def main():
        paused, awake = [], asyncio.Event()

        async def sleep(seconds):
            paused.append(seconds)
            await awake.wait()

        hall = Hall()
        hall.leave.set()
        async with client_of(hall) as client:
            sleepers = [
                asyncio.ensure_future(arun(pause(60), client, sleep=sleep)) for _ in range(3 * IN_FLIGHT)
            ]
            await settled(lambda: len(paused) == 3 * IN_FLIGHT)
            await asyncio.wait_for(arun(ask(), client), PATIENT)
            awake.set()
            await asyncio.gather(*sleepers)

    asyncio.run(main())


def test_a_failed_request_gives_its_place_back():
    """However many requests fail, the next one is still sent."""

    async def main():
        script = [httpx.ConnectError("refused")] * (2 * IN_FLIGHT) + [200]
        async with client_of(Answers(*script)) as client:
            for _ in range(2 * IN_FLIGHT):
                with pytest.raises(ConnectionFailed):
                    await arun(ask(attempts=1), client)
            response = await asyncio.wait_for(arun(ask(), client), PATIENT)
        return response.status_code

    assert asyncio.run(main()) == 200
