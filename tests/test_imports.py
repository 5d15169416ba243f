"""Who may import whom, read from the source of every module of the package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1] / "airflow_batch_provider"
PACKAGE = ROOT.name

# A layer is a module or a folder of the package; each service is a layer of its own.
LEAVES = {"errors", "values", "checks", "answers", "web", "flow", "pages", "jobs"}
MAY_IMPORT = {
    PACKAGE: {"provider_info", "retries"},
    "provider_info": set(),
    "errors": set(),
    "values": {"errors"},
    "checks": {"errors", "values"},
    "answers": {"errors", "values"},
    "web": {"errors", "values", PACKAGE},
    "flow": {"errors", "values"},
    "pages": {"errors", "flow"},
    "jobs": {"errors", "flow"},
    "services": LEAVES | {PACKAGE},
    "drive": {"errors", "flow", "jobs"},
    "auth": LEAVES | {"services"},
    "storage": LEAVES | {"services"},
    "links": LEAVES,
    "retries": {"errors", "checks"},
    "masking": set(),
    "templating": {"errors", "values"},
    "bounds": set(),
    "assets": {"errors"},
    "hooks": LEAVES | {"bounds", "drive", "services", "auth", "storage", PACKAGE},
    "lineage": LEAVES | {"assets", "services", PACKAGE},
    "watching": LEAVES | {"bounds", "drive", "hooks"},
    "triggers": LEAVES | {"bounds", "hooks", "masking", "watching"},
    "operators": LEAVES | {"hooks", "triggers", "links", "masking", "templating", "lineage"},
    "sensors": LEAVES | {"hooks", "triggers", "links", "masking", "templating"},
    "decorators": LEAVES | {"operators", "masking"},
    "emulator": set(),
    "demo": {"emulator"},
    "testing": set(),
}
# Below the hooks nothing knows Airflow, and only drive.py and auth.py know how to wait.
NO_AIRFLOW = {*LEAVES, "services", "drive", "auth", "storage", "emulator", "testing"}
NEVER = {
    **dict.fromkeys(NO_AIRFLOW, ("airflow",)),
    **dict.fromkeys(LEAVES, ("airflow", "asyncio")),
    "services": ("airflow", "asyncio", "time"),
}
# What a DAG file must not pay for when Airflow parses it.
HEAVY = ("azure.identity", "obstore", "uvicorn", "starlette")
NOT_AT_PARSE_TIME = {
    **dict.fromkeys(MAY_IMPORT.keys() - {"emulator", "demo"}, HEAVY),
    **dict.fromkeys(
        ("operators", "sensors", "decorators"),
        (*HEAVY, f"{PACKAGE}.triggers", f"{PACKAGE}.lineage", "openlineage"),
    ),
}

# A module of each kind, for packages that break one rule.
EVERY_KIND = (
    "__init__.py",
    "errors.py",
    "flow.py",
    "drive.py",
    "services/azure_ml/batch.py",
    "services/modelarts/workflows.py",
    "hooks/base.py",
    "triggers/jobs.py",
    "operators/azure_ml.py",
    "emulator/server.py",
)

When = Literal["parse", "call", "typing"]


@dataclass(frozen=True)
class Import:
    """One imported name: where, what, and when the import happens."""

    module: str
    place: str
    target: str
    when: When


def modules(root: Path) -> dict[str, Path]:
    """Return the modules below *root* by dotted name."""
    paths = {path: path.relative_to(root.parent).with_suffix("").parts for path in root.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in sorted(paths.items())}


def imports(root: Path) -> Iterator[Import]:
    """Yield every import below *root*, in functions and for type checkers too."""
    for module, path in modules(root).items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node, when in statements(ast.parse(path.read_text()), "parse"):
            place = f"{path.relative_to(root)}:{node.lineno}"
            for target in targets(node, package):
                yield Import(module, place, target, when)


def statements(node: ast.AST, when: When) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    """Yield the import statements below *node*, each with the moment at which it runs."""
    for field, value in ast.iter_fields(node):
        now = "typing" if field == "body" and only_for_type_checkers(node) else when
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                yield child, now
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and now == "parse":
                yield from statements(child, "call")
            elif isinstance(child, ast.AST):
                yield from statements(child, now)


def only_for_type_checkers(node: ast.AST) -> bool:
    """Whether the body of *node* is never run: `if TYPE_CHECKING`, not its `else` or its opposite."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def targets(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    """Return the absolute dotted names that *node*, in *package*, imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = package.rsplit(".", node.level - 1)[0] if node.level else ""
    source = ".".join(filter(None, (base, node.module)))
    return [f"{source}.{alias.name}" for alias in node.names]


def layer(dotted: str) -> str:
    """Return the layer of a dotted name of the package: `hooks`, or `services.azure_ml`."""
    parts = dotted.split(".")[1:]
    if not parts or parts[0] not in MAY_IMPORT:
        return PACKAGE
    return ".".join(parts[:2] if parts[0] == "services" else parts[:1])


def within(target: str, prefixes: tuple[str, ...]) -> bool:
    """Whether *target* is one of *prefixes* or below one."""
    return any(f"{target}.".startswith(f"{prefix}.") for prefix in prefixes)


def violations(root: Path) -> list[str]:
    """Return a sentence for each import below *root* that breaks a rule."""
    tops = {dotted.split(".")[1] for dotted in modules(root) if "." in dotted}
    homeless = sorted(tops - MAY_IMPORT.keys())
    broken = ((one, broken_rule(one)) for one in imports(root))
    return [
        *(f"{name} is no layer: say in MAY_IMPORT whom it may import" for name in homeless),
        *(f"{one.place} imports {one.target}: {rule}" for one, rule in broken if rule),
    ]


def broken_rule(one: Import) -> str | None:
    """Return the rule that *one* breaks, if it breaks any."""
    importer = layer(one.module)
    family = importer.partition(".")[0]
    if within(one.target, (PACKAGE,)):
        imported = layer(one.target)
        if imported != importer and imported.partition(".")[0] not in MAY_IMPORT[family]:
            return f"{importer} may not import {imported}"
    elif one.when != "typing" and within(one.target, NEVER.get(family, ())):
        return f"{importer} may not use it"
    if one.when == "parse" and within(one.target, NOT_AT_PARSE_TIME.get(family, ())):
        return "only inside a function"
    return None


def cycle(root: Path) -> list[str]:
    """Return modules below *root* that import each other in a circle while being imported, or nothing."""
    known = modules(root)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for one in imports(root):
        target = one.target if one.target in known else one.target.rpartition(".")[0]
        if one.when == "parse" and target in known:
            graph[one.module].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def written(folder: Path, files: dict[str, str]) -> Path:
    """Write a package with an empty module of every kind and with *files*."""
    root = folder / PACKAGE
    empty = dict.fromkeys(EVERY_KIND, "")
    for name, source in {**empty, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root


def test_package_keeps_the_rules():
    """Every import of the package is one that its layer may make, at a moment when it may make it."""
    broken = violations(ROOT)

    assert not broken, "\n".join(broken)


def test_no_module_imports_itself_through_others():
    """No two modules need each other in order to be imported."""
    assert cycle(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source", "rule"),
    [
        ("errors.py", f"from {PACKAGE}.flow import send", "errors may not import flow"),
        ("flow.py", f"import {PACKAGE}.drive", "flow may not import drive"),
        ("flow.py", "import asyncio", "flow may not use it"),
        ("drive.py", "from airflow.sdk import conf", "drive may not use it"),
        ("drive.py", f"from {PACKAGE} import hooks", "drive may not import hooks"),
        ("services/azure_ml/batch.py", "import time", "services.azure_ml may not use it"),
        ("services/azure_ml/batch.py", "from asyncio import sleep", "services.azure_ml may not use it"),
        ("services/azure_ml/batch.py", "def f():\n import airflow.sdk", "services.azure_ml may not use it"),
        (
            "services/azure_ml/batch.py",
            "from ..modelarts import workflows",
            "services.azure_ml may not import services.modelarts",
        ),
        (
            "services/azure_ml/batch.py",
            f"if TYPE_CHECKING:\n from {PACKAGE}.hooks.base import BatchHook",
            "services.azure_ml may not import hooks",
        ),
        ("hooks/base.py", f"from {PACKAGE}.operators import azure_ml", "hooks may not import operators"),
        ("hooks/base.py", "from azure import identity", "only inside a function"),
        ("hooks/base.py", "class A:\n import obstore.store", "only inside a function"),
        ("hooks/base.py", "try:\n import uvicorn\nexcept ImportError: ...", "only inside a function"),
        ("hooks/base.py", "if not TYPE_CHECKING:\n import obstore", "only inside a function"),
        ("hooks/base.py", "if TYPE_CHECKING: ...\nelse:\n import obstore", "only inside a function"),
        ("triggers/jobs.py", f"from {PACKAGE}.drive import arun", "triggers may not import drive"),
        (
            "operators/azure_ml.py",
            f"from {PACKAGE}.triggers.jobs import JobTrigger",
            "only inside a function",
        ),
        (
            "operators/azure_ml.py",
            f"def f():\n from {PACKAGE}.services.azure_ml import batch",
            "operators may not import services.azure_ml",
        ),
        ("emulator/app.py", f"from {PACKAGE}.errors import BatchError", "emulator may not import errors"),
        ("emulator/app.py", f"from {PACKAGE} import __version__", f"emulator may not import {PACKAGE}"),
        ("demo/__main__.py", f"from {PACKAGE}.hooks import base", "demo may not import hooks"),
        ("helpers.py", "", "helpers is no layer"),
    ],
)
def test_forbidden_import_is_found(tmp_path, file, source, rule):
    """Each rule finds the file that breaks it, and nothing else."""
    found = violations(written(tmp_path, {file: source}))

    assert len(found) == 1
    assert rule in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("services/azure_ml/batch.py", "if TYPE_CHECKING:\n from airflow.sdk import Context"),
        ("services/azure_ml/batch.py", f"from {PACKAGE} import __version__\nfrom . import batch"),
        ("hooks/base.py", "def f():\n import azure.identity, obstore"),
        ("hooks/base.py", "if typing.TYPE_CHECKING:\n from obstore.store import AzureStore"),
        ("hooks/base.py", f"from {PACKAGE}.services.azure_ml import batch\nfrom airflow.sdk import BaseHook"),
        ("operators/azure_ml.py", f"def f():\n from {PACKAGE}.triggers.jobs import JobTrigger"),
        ("emulator/app.py", "import starlette, uvicorn\nfrom . import world"),
        ("demo/__main__.py", f"from {PACKAGE}.emulator import server\nimport time"),
    ],
)
def test_allowed_import_is_left_alone(tmp_path, file, source):
    """What the rules allow is no violation."""
    assert violations(written(tmp_path, {file: source})) == []


def test_circle_is_found(tmp_path):
    """Two modules that import each other are found; an import inside a function makes no circle."""
    one, other = "hooks/base.py", "hooks/other.py"
    there, back = f"from {PACKAGE}.hooks.other import A", f"from {PACKAGE}.hooks import base"

    assert cycle(written(tmp_path, {one: there, other: back}))
    assert not cycle(written(tmp_path, {one: there, other: f"def f():\n {back}"}))


def test_dag_files_load_nothing_heavy(tmp_path):
    """Importing every operator and sensor loads no cloud library, no server and no trigger of ours."""
    wanted = [
        name
        for name in modules(ROOT)
        if within(name, (f"{PACKAGE}.operators", f"{PACKAGE}.sensors", f"{PACKAGE}.decorators"))
    ]
    wanted.append(f"{PACKAGE}.retries")
    ours = (f"{PACKAGE}.triggers", f"{PACKAGE}.services", f"{PACKAGE}.lineage")
    unwanted = ("azure.identity", "obstore", "uvicorn", "openlineage", *ours)
    code = f"import sys, {', '.join(wanted)}; print([m for m in {unwanted} if m in sys.modules])"
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT.parent)}

    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert f"{PACKAGE}.operators.azure_ml" in wanted
    assert run.stdout.splitlines()[-1:] == ["[]"], run.stderr
