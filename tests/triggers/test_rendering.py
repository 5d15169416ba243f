"""Rendering templates in the triggerer: like a worker, and within bounds."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from airflow.sdk import BaseOperator

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.triggers import rendering
from airflow_batch_provider.triggers.rendering import render


def rendered(fields, **context):
    return asyncio.run(render(BaseOperator(task_id="a").get_template_env(), fields, context))


def test_texts_are_rendered_at_any_depth():
    """Keys, numbers and ``None`` stay as they are."""
    fields = {"a": {"{{ b }}": ["{{ b }}{{ b }}", 1, None, True, {"c": "x{{ b }}"}]}, "d": "plain"}

    assert rendered(fields, b="5") == {"a": {"{{ b }}": ["55", 1, None, True, {"c": "x5"}]}, "d": "plain"}


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ nothing }}", "UndefinedError: 'nothing' is undefined"),
        ("{{ b.c.d }}", "UndefinedError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ b.__class__ }}", "SecurityError"),
    ],
)
def test_what_fails_names_the_field(template, why):
    """As in a worker, a misspelt name is an error and no empty text."""
    with pytest.raises(InvalidInput, match=r"^tags\.a is .*a template that cannot be rendered") as error:
        rendered({"order": {"tags": {"a": template}}}, b="5")

    assert why in str(error.value)


def test_its_size_is_bounded():
    """Long before memory is a problem, and over all fields together."""
    half = "{% for i in range(" + str(rendering.LARGEST // 8 + 1) + ") %}xxxx{% endfor %}"

    with pytest.raises(InvalidInput, match=r"^b is a template that makes more than"):
        rendered({"a": half, "b": half})


def test_its_computing_is_bounded(monkeypatch):
    """It ends itself long before anybody would stop waiting for it."""
    monkeypatch.setattr(rendering, "SECONDS", 0.2)
    monkeypatch.setattr(rendering, "LARGEST", 10**9)
    began = time.monotonic()

    with pytest.raises(InvalidInput, match=r"^a is a template that takes longer than 0\.2 seconds"):
        rendered({"a": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}"})

    assert time.monotonic() - began < 30


@pytest.mark.parametrize("body", ["x", "{% set a = 1 %}"], ids=["with output", "silent"])
def test_its_time_is_bounded(monkeypatch, body):
    """Whether it puts something out or not; meanwhile, the event loop turns."""
    monkeypatch.setattr(rendering, "SECONDS", 0.2)
    monkeypatch.setattr(rendering, "LARGEST", 10**9)
    monkeypatch.setattr(rendering, "_LONGEST", 0.3)
    ends = time.monotonic() + 1.5
    turns = []

    async def turn():
        while True:
            turns.append(threading.current_thread())
            await asyncio.sleep(0.01)

    async def story():
        turning = asyncio.create_task(turn())
        environment = BaseOperator(task_id="a").get_template_env()
        template = "{% for i in range(100000) if go() %}" + body + "{% endfor %}"
        try:
            await render(environment, {"a": template}, {"go": lambda: _slowly(ends)})
        finally:
            turning.cancel()

    with pytest.raises(InvalidInput, match=r"^a is a template that takes longer than 0\.3 seconds"):
        asyncio.run(story())

    assert len(turns) > 5


def _slowly(ends):
    if goes_on := time.monotonic() < ends:
        time.sleep(0.01)
    return goes_on
