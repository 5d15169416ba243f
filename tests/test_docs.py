"""The documentation says what the code does: what it quotes, shows and lists exists."""

from __future__ import annotations

import ast
import inspect
import json
import re
from functools import cache
from pathlib import Path

import pytest

from airflow_batch_provider import errors, sensors
from airflow_batch_provider.operators import azure_ml, modelarts
from airflow_batch_provider.provider_info import PROVIDER_INFO
from airflow_batch_provider.services.azure_ml.connection import AzureMLConnection
from airflow_batch_provider.services.modelarts.connection import ModelArtsConnection

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def read(folder, ending):
    """Return the texts of a folder's files in one."""
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob(f"*{ending}")))


TROUBLESHOOTING = (DOCS / "operate" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)
ERRORS = [
    name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)
]

# Who reads a connection of a type, with what stands for the password where a page leaves it out.
READERS = {"azure_ml": AzureMLConnection, "modelarts": ModelArtsConnection}
CONNECTIONS = [
    pytest.param(json.loads(block), id=f"{page.stem}-{number}")
    for page in sorted((DOCS / "connections").glob("*.md"))
    for number, block in enumerate(
        re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]
FIELDS = [
    pytest.param(kind["connection-type"], field, id=field)
    for kind in PROVIDER_INFO["connection-types"]
    for field in kind["conn-fields"]
]
TASKS = [*azure_ml.__all__, *modelarts.__all__, *sensors.__all__]
TRIGGERS = ["JobTrigger", "RunJobTrigger", "OperationTrigger", "OutputTrigger", "OutputEventTrigger"]
TRIGGERS += ["JobEventTrigger"]


@cache
def texts() -> str:
    """Return every text of the package's code, one a line, each value in an f-string shown as an ellipsis."""
    found = []
    for file in sorted((ROOT / "airflow_batch_provider").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(shown(part) for part in node.values))
    return "\n".join(found)


def shown(part: ast.expr) -> str:
    """Return a part of an f-string as the pages write it."""
    return str(part.value) if isinstance(part, ast.Constant) else "…"


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_in_the_code(message):
    """What troubleshooting quotes, with an ellipsis for each value, is a text of the code, word by word."""
    assert message in texts()


def test_there_are_messages():
    """The pattern that finds the quoted messages finds them."""
    assert len(MESSAGES) >= 30


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_explained(name):
    """Troubleshooting has a section for every class of error."""
    assert re.search(rf"^##+ .*\b{name}\b", TROUBLESHOOTING, re.MULTILINE)


@pytest.mark.parametrize("given", CONNECTIONS)
def test_a_connection_to_paste_is_one(given):
    """Each connection that a page gives is read without an error, and has only fields that exist."""
    kind = given["conn_type"]
    extra = given.get("extra", {})
    (info,) = [info for info in PROVIDER_INFO["connection-types"] if info["connection-type"] == kind]

    found = READERS[kind].read(
        "pasted",
        login=given.get("login"),
        password=given.get("password"),
        host=given.get("host"),
        extra=extra,
    )

    assert found.conn_id == "pasted"
    assert set(extra) <= set(info["conn-fields"])
    assert set(given) <= {"conn_type", "login", "password", "host", "extra"}


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_every_field_of_a_connection_is_documented(kind, field):
    """The page of a connection's type names each of its fields."""
    assert f"`{field}`" in (DOCS / "connections" / f"{kind}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*TASKS, *TRIGGERS])
def test_everything_has_its_how_to(name):
    """Each operator, sensor and trigger is told of in a how-to, and has its place in the reference."""
    assert re.search(rf"\b{name}\b", read(DOCS / "how-to", ".md"))
    assert re.search(rf"\.{name}\b", read(DOCS / "reference", ".md"))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_an_example_that_a_page_shows(name):
    """Each operator and sensor is used in a part of an example that a how-to includes."""
    pages = read(DOCS / "how-to", ".md")
    shown = [
        part
        for file, marker in re.findall(
            r"example_dags/(\S+)\n:language: python\n:start-after: \"(\[START \w+\])\"", pages
        )
        for part in [(ROOT / "example_dags" / file).read_text(encoding="utf-8").split(marker)[1]]
    ]
    assert any(re.search(rf"\b{name}\b", part.split("# [END ")[0]) for part in shown)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_outside_the_site_lead_somewhere(page):
    """What the pages that Sphinx does not build link to in this repository is there."""
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    inside = [link.split("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_links_have_a_text():
    """A page is also read where nobody fills in the title of what it links to."""
    assert [page.name for page in DOCS.rglob("*.md") if "[](" in page.read_text(encoding="utf-8")] == []
