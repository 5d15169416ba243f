"""The documentation says what the code does: what it quotes, shows and lists exists."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from airflow_batch_provider import errors
from airflow_batch_provider.operators import azure_ml, modelarts

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TROUBLESHOOTING = (DOCS / "operate" / "troubleshooting.md").read_text(encoding="utf-8")
HOW_TO = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "how-to").glob("*.md")))
MESSAGES = re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)
CLASSES = {
    name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
}


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


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_explained(name):
    """Troubleshooting has a section for every class of error."""
    assert re.search(rf"^##+ .*\b{name}\b", TROUBLESHOOTING, re.MULTILINE)
