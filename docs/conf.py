"""How Sphinx builds the documentation: ``make docs``. Nothing is downloaded, so that it works offline."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from sphinx.ext.napoleon import GoogleDocstring

from airflow_batch_provider import __version__

PACKAGE = Path(__file__).parents[1] / "airflow_batch_provider"

project = "airflow-batch-provider"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"airflow-batch-provider {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # The docstrings say what goes in; signatures of twenty annotated lines hide it.
autodoc_member_order = "bysource"
maximum_signature_line_length = 100
napoleon_custom_sections = [("Returns (XCom)", "params_style"), ("Yields", "returns_style")]
napoleon_use_rtype = False
default_role = "py:obj"  # Docstrings name things in single backquotes.
# "What it is: and more of it." begins the docstring of a property, and is no type with a description.
GoogleDocstring._parse_attribute_docstring = GoogleDocstring._consume_to_end  # noqa: SLF001


def _defined() -> set[str]:
    """Return the name of every class, function, constant and module that the package defines."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        found |= {file.stem, file.parent.name}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


DEFINED = _defined()


def _find(app: Any, env: Any, node: Any, contents: Any) -> Any:
    """Resolve what a docstring names in short, such as ``JobBlocked`` or ``jobs.Job.to_dict``.

    What the package defines but the reference does not show stays plain text. Any other name is a mistake,
    which Sphinx then reports.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removeprefix("~")
    names = env.domaindata["py"]["objects"]
    found = sorted(name for name in names if name == target or name.endswith(f".{target}"))
    if found:
        entry = names[found[0]]
        from sphinx.util.nodes import make_refnode

        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contents, found[0])
    outer = target.split(".", maxsplit=1)[0]
    elsewhere = outer in sys.stdlib_module_names or outer.startswith(("airflow", "Airflow", "Base"))
    return contents if elsewhere or target.rsplit(".", maxsplit=1)[-1] in DEFINED else None


def setup(app: Any) -> None:
    """Say how short names in docstrings are found."""
    app.connect("missing-reference", _find)
