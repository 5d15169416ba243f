"""Those who wait for executions of ModelArts workflows share their questions, too."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest

from airflow_batch_provider import drive
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.hooks.modelarts import ModelArtsHook
from airflow_batch_provider.services.modelarts import workflows

from .conftest import Service, until, waits

WORKFLOW = """
    {name}:
      steps: [{{name: train, type: model, properties: {{emulator: {{run_seconds: 100000}}}}}}]
"""
NAMES = ("first", "second")
SETUP = "modelarts:\n  workflows:\n" + "".join(WORKFLOW.format(name=name) for name in NAMES)
CONN_ID = "modelarts_default"


class Workflows(Service):
    """What tests ask the emulator of its workflows."""

    def start(self, number, name):
        """Start executions; return their references."""
        hook = ModelArtsHook()
        hook.open()
        plan = hook.run(hook.service.plan(hook.order(workflow_name=name)))
        return self.carry_out(hook, *(lambda: hook.service.submit(plan, "") for _ in range(number)))

    def stop(self, *refs):
        hook = ModelArtsHook()
        self.carry_out(hook, *(lambda ref=ref: hook.service.cancel(ref) for ref in refs))

    @staticmethod
    def carry_out(hook, *flows):
        with hook.client() as client:
            return [(drive.run(flow(), client) or [None])[0] for flow in flows]

    def asked(self):
        return [one["path"].rpartition("/v2/")[2] for one in self.requests(plane="modelarts", method="GET")]


@pytest.fixture
def service(tmp_path, monkeypatch):
    (tmp_path / "setup.yml").write_text(SETUP)
    with Emulator(setup=tmp_path / "setup.yml", speed=20) as emulator:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(emulator.modelarts_connection()))
        monkeypatch.setattr("airflow_batch_provider.triggers.settling.SETTLE_SECONDS", 0.0)
        service = Workflows(emulator)
        yield service
        service.close()


def test_executions_of_one_workflow_cost_as_many_requests_as_their_list_has_pages(service, monkeypatch):
    """Two lists for two workflows: in each round ⌈N / page⌉ requests, however many wait."""
    refs = [*service.start(12, "first"), *service.start(5, "second")]
    monkeypatch.setattr(workflows, "PAGE", 5)
    service.forget()

    async def story():
        tasks = waits(refs, conn_id=CONN_ID)
        await until(lambda: len(service.asked()) >= 24)
        asked = service.requests(plane="modelarts", method="GET")
        await asyncio.to_thread(service.stop, *refs)
        return asked, await asyncio.gather(*tasks)

    asked, events = asyncio.run(asyncio.wait_for(story(), 60))

    lists = [one for one in asked if one["path"].endswith("/executions")]
    assert len(asked) - len(lists) <= 4  # those who came before the others
    for ref, pages in ((refs[0], 3), (refs[-1], 1)):
        mine = [one["query"] for one in lists if ref.place["workflow_id"] in one["path"]]
        firsts = [index for index, query in enumerate(mine) if "offset=0" in query]
        assert {after - before for before, after in pairwise(firsts[1:])} == {pages}
    assert [event["job"]["state"] for event in events] == ["canceled"] * 17
