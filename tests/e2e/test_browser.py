"""What a person sees in Airflow's pages: the run, the link while the task waits, and the connection forms.

Each page is kept as a picture in ``build/screenshots``, to be looked at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .conftest import LOGIN

pytestmark = pytest.mark.e2e

DAG = "example_azure_ml_batch_endpoint"
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
TITLES = {"azure_ml": "Azure Machine Learning", "modelarts": "Huawei Cloud ModelArts"}
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Run Chromium; skip without it, or fail where the machine is meant to have it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        told = "Chromium is not installed."
        if os.environ.get("REQUIRE_CHROMIUM") == "1":
            pytest.fail(f"{told} (REQUIRE_CHROMIUM is 1)", pytrace=False)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, airflow) -> Iterator[Page]:
    """Open Airflow, and log in."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1500})
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    page = context.new_page()
    page.goto(airflow.url)
    user, password = LOGIN
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Dags").first).to_be_visible()
    yield page
    context.close()


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def test_the_link_works_while_the_task_is_deferred(page, airflow, emulator):
    """The run is started by hand; at its deferred task the link to the job leads to the job's page."""
    page.goto(f"{airflow.url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger Dag").click()
    picture(page, "trigger")
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    page.get_by_text("Deferred").first.wait_for()
    page.get_by_role("link", name="score").last.click()
    page.get_by_role("link", name="Details", exact=True).click()
    run = unquote(page.url.partition("/runs/")[2].partition("/")[0])
    link = page.get_by_role("link", name="Azure ML job")
    expect(link).to_be_visible()
    picture(page, "deferred")
    assert page.get_by_text("Deferred").first.is_visible()

    job = airflow.xcom(DAG, run, "score", "job_id")
    assert job in link.get_attribute("href")
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator("body")).to_contain_text(job)
    picture(opened.value, "studio")

    assert airflow.wait_for_run(DAG, run, 240) == "success"


@pytest.mark.parametrize("kind", TITLES)
def test_a_connection_is_made_and_tested_in_its_form(page, airflow, emulator, kind):
    """The form has a place for all that the emulator's connection needs; what is saved can be tested."""
    connection = emulator.connections[f"{kind}_default"]
    name = f"{kind}_by_hand"

    fill(page, airflow, name, connection)
    expect(page.get_by_role("cell", name=name)).to_be_visible()
    page.get_by_role("button", name="Test Connection").last.click()

    expect(page.get_by_text("Test Connection Success")).to_be_visible()
    picture(page, f"tested-{kind}")
    delete(page)


def fill(page, airflow, name, connection):
    page.goto(f"{airflow.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill(name)
    form.get_by_role("combobox").fill(TITLES[connection["conn_type"]])
    page.get_by_role("option").first.click()
    for field in ("host", "login", "password"):
        form.locator(f"[name={field}]").fill(connection[field])
    form.locator("[name=port]").fill("0")
    picture(page, f"form-{connection['conn_type']}")
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    for field, value in connection["extra"].items():
        form.locator(f"input[name=element_{field}]").fill(value)
    picture(page, f"extra-{connection['conn_type']}")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()


def delete(page):
    page.get_by_role("button", name="Delete Connection").last.click()
    page.get_by_role("dialog").get_by_role("button", name="Yes, Delete").click()
    expect(page.get_by_text("No connection found!")).to_be_visible()
