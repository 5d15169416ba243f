"""The public names: each exists with its designed arguments, is documented, and is used for real."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, conf

from airflow_batch_provider import get_provider_info

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_batch_provider"
EXAMPLES = ROOT / "example_dags"
END_TO_END = ROOT / "tests" / "e2e"

REQUIRED = inspect.Parameter.empty
ANY = object()
"""A default about which the design says nothing."""
DEFAULT_DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)


@dataclass(frozen=True)
class Name:
    """A public name.

    Args:
        module: Below the package, where users import it from.
        name: The name.
        arguments: Name to default, as the design has them.
        deferred_by: For a trigger that no DAG names: the task that becomes it.
    """

    module: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    deferred_by: str = ""

    def __str__(self) -> str:
        return self.name

    def load(self) -> Any:
        """Import it as a user does."""
        return getattr(import_module(f"{PACKAGE}{self.module}"), self.name)


def any_of(*names: str) -> dict[str, Any]:
    """Return arguments of which the design says no default."""
    return dict.fromkeys(names, ANY)


AZURE_ML_PLACE = {
    "azure_ml_conn_id": "azure_ml_default",
    **any_of("subscription_id", "resource_group_name", "workspace_name", "cloud_environment"),
}
MODELARTS_PLACE = {"modelarts_conn_id": "modelarts_default"}
WAITING = {
    "wait_for_completion": True,
    "deferrable": DEFAULT_DEFERRABLE,
    "poll_interval": 30,
    "timeout": None,
    "outage_tolerance": 900,
}
JOB = {
    **WAITING,
    "cancel_on_kill": True,
    "cancel_on_timeout": True,
    "on_retry": "reattach",
    "on_clear": "rerun",
    "on_ambiguous": "reconcile",
    "start_from_trigger": False,
}
LIFECYCLE = {**AZURE_ML_PLACE, "deferrable": DEFAULT_DEFERRABLE, "wait_for_completion": True}

AZURE_ML = ".operators.azure_ml"
MODELARTS = ".operators.modelarts"
OPERATORS = [
    Name(
        AZURE_ML,
        "AzureMLBatchEndpointOperator",
        {
            **any_of("endpoint_name", "inputs", "input", "outputs", "experiment_name", "job_overrides"),
            **any_of("tags", "properties"),
            "deployment_name": None,
            "scoring_uri": None,
            "upload_local_inputs": True,
            **AZURE_ML_PLACE,
            **JOB,
        },
    ),
    Name(
        MODELARTS,
        "ModelArtsWorkflowOperator",
        {
            **any_of("workflow_id", "workflow_name", "workflow", "parameters", "data", "labels", "name"),
            **any_of("description", "scene_id", "use_cache"),
            "rerun_failed": False,
            "on_waiting_inputs": "fail",
            **MODELARTS_PLACE,
            **JOB,
        },
    ),
    Name(
        MODELARTS,
        "ModelArtsCreateWorkflowOperator",
        {**any_of("steps", "source_workflow_id", "gallery_subscription"), **MODELARTS_PLACE},
    ),
    Name(MODELARTS, "ModelArtsDeleteWorkflowOperator", MODELARTS_PLACE),
    Name(AZURE_ML, "AzureMLCreateComputeOperator", LIFECYCLE),
    Name(AZURE_ML, "AzureMLRegisterCodeOperator", {**LIFECYCLE, "path": REQUIRED}),
    Name(AZURE_ML, "AzureMLRegisterModelOperator", {**LIFECYCLE, "path": REQUIRED}),
    Name(AZURE_ML, "AzureMLRegisterEnvironmentOperator", LIFECYCLE),
    Name(AZURE_ML, "AzureMLRegisterDataOperator", {**LIFECYCLE, "path": REQUIRED}),
    Name(AZURE_ML, "AzureMLCreateBatchEndpointOperator", {**LIFECYCLE, "endpoint_name": REQUIRED}),
    Name(
        AZURE_ML,
        "AzureMLCreateBatchDeploymentOperator",
        {**LIFECYCLE, **any_of("model", "component"), "set_default": False},
    ),
    Name(AZURE_ML, "AzureMLSetDefaultDeploymentOperator", LIFECYCLE),
    Name(AZURE_ML, "AzureMLDeleteBatchEndpointOperator", LIFECYCLE),
    Name(AZURE_ML, "AzureMLDeleteComputeOperator", LIFECYCLE),
]
SENSORS = [
    Name(
        ".sensors.outputs",
        "BatchOutputSensor",
        {
            "path": REQUIRED,
            "glob": ANY,
            "min_files": 1,
            "min_bytes": 0,
            "stable_for": 0,
            "deferrable": DEFAULT_DEFERRABLE,
        },
    ),
    Name(".sensors.azure_ml", "AzureMLJobSensor", {"job_id": REQUIRED, **AZURE_ML_PLACE}),
    Name(".sensors.modelarts", "ModelArtsExecutionSensor", {"execution_id": REQUIRED, **MODELARTS_PLACE}),
]
TRIGGERS = [
    Name(".triggers.jobs", "JobTrigger", deferred_by="AzureMLBatchEndpointOperator"),
    Name(".triggers.run_job", "RunJobTrigger", deferred_by="AzureMLBatchEndpointOperator"),
    Name(
        ".triggers.operations",
        "OperationTrigger",
        deferred_by="AzureMLCreateBatchDeploymentOperator",
    ),
    Name(".triggers.outputs", "OutputTrigger", deferred_by="BatchOutputSensor"),
    Name(".triggers.output_events", "OutputEventTrigger", {"path": REQUIRED}),
    Name(".triggers.job_events", "JobEventTrigger"),
]
POLICY = Name("", "BatchRetryPolicy")
CLASSES = [*OPERATORS, *SENSORS, *TRIGGERS, POLICY]

CONNECTIONS = {
    "azure_ml": {
        "tenantId",
        "subscriptionId",
        "resource_group_name",
        "workspace_name",
        "cloud_environment",
        "managed_identity_client_id",
        "workload_identity_tenant_id",
        "certificate_path",
        "authority",
        "ml_audience",
        "api_version",
        "verify",
    },
    "modelarts": {
        "region",
        "project_id",
        "security_token",
        "auth",
        "iam_user",
        "iam_domain",
        "endpoint",
        "iam_endpoint",
        "obs_endpoint",
        "workspace_id",
    },
}
DECORATOR = "azure_ml_batch"
"""TaskFlow's: ``@task.azure_ml_batch``."""


def own_classes(cls: type) -> list[type]:
    """Return a class and those of its bases that are ours, the nearest first."""
    return [one for one in cls.__mro__ if one.__module__.startswith(PACKAGE)]


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return what may be given to a class of ours, by itself or by way of its bases."""
    found: dict[str, inspect.Parameter] = {}
    for one in own_classes(cls):
        if "__init__" in vars(one):
            for parameter in list(inspect.signature(one.__init__).parameters.values())[1:]:
                if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                    found.setdefault(parameter.name, parameter)
    return found


def sections(text: str | None) -> dict[str, str]:
    """Return the sections of a Google style docstring, such as ``Args``."""
    parts = re.split(
        r"^(Args|Returns|Yields|Raises)(?: \(XCom\))?:$", inspect.cleandoc(text or ""), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(cls: type) -> set[str]:
    """Return the arguments that the docstrings of a class and its bases describe."""
    told = (sections(one.__doc__).get("Args", "") for one in own_classes(cls))
    return {name for text in told for name in re.findall(r"^    (\w+): \S", text, flags=re.MULTILINE)}


@cache
def example_dags() -> list[DAG]:
    """Return the DAGs of the examples, which `test_examples.py` runs from the first to the last."""
    dags = []
    for path in sorted(EXAMPLES.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        dags += [value for value in vars(module).values() if isinstance(value, DAG)]
    return dags


def kind(task: Any) -> type:
    """Return the class of a task, also of a mapped one."""
    return getattr(task, "operator_class", type(task))


def argument(task: Any, name: str) -> Any:
    """Return what a task was given, also a mapped one."""
    return getattr(task, "partial_kwargs", vars(task)).get(name)


def used_in_examples() -> Iterator[str]:
    """Yield the classes that the examples use, by name: tasks, policies, triggers."""
    for dag in example_dags():
        for asset in getattr(dag.schedule, "__iter__", lambda: ())():
            yield from (type(watcher.trigger).__name__ for watcher in getattr(asset, "watchers", ()))
        for task in dag.tasks:
            yield kind(task).__name__
            yield type(argument(task, "retry_policy")).__name__
            yield from becomes(task)


def becomes(task: Any) -> Iterator[str]:
    """Yield the triggers that a task is while it waits, by name: those that its class's source imports."""
    if argument(task, "start_from_trigger"):
        yield argument(task, "start_trigger_args").trigger_cls.rpartition(".")[2]
    elif argument(task, "deferrable"):
        for cls in own_classes(kind(task)):
            yield from triggers_in(inspect.getsource(cls))


def triggers_in(source: str) -> Iterator[str]:
    """Yield the names that a source's functions import from our triggers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{PACKAGE}.triggers."):
            yield from (alias.name for alias in node.names)


@cache
def used() -> frozenset[str]:
    """Return the names that an example uses, or the DAGs of the end-to-end tests mention in their code."""
    found = set(used_in_examples())
    for path in END_TO_END.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= {node.id} if isinstance(node, ast.Name) else set()
            found |= {node.attr} if isinstance(node, ast.Attribute) else set()
    return frozenset(found)


@pytest.mark.parametrize("name", CLASSES, ids=str)
def test_a_public_name_exists_with_its_arguments(name):
    """Each public class is where users import it from and takes its arguments, with their defaults."""
    there = parameters(name.load())

    missing = name.arguments.keys() - there.keys()
    other = {
        argument: there[argument].default
        for argument, default in name.arguments.items()
        if default is not ANY and argument in there and there[argument].default != default
    }
    assert (missing, other) == (set(), {})


@pytest.mark.parametrize("name", [*OPERATORS, *SENSORS], ids=str)
def test_arguments_are_keywords(name):
    """Tasks are called with keywords only, so that arguments can be added between others."""
    assert {one.kind for one in parameters(name.load()).values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", CLASSES, ids=str)
def test_a_public_name_is_documented(name):
    """Each public class has a docstring that describes every argument that may be given to it."""
    cls = name.load()

    assert cls.__doc__
    assert parameters(cls).keys() - described(cls) == set()


@pytest.mark.parametrize("name", [*OPERATORS, *SENSORS], ids=str)
def test_results_and_errors_are_documented(name):
    """What a task returns is told by its class or by `execute`; what it raises by `execute`."""
    told = [sections(one.__doc__) for one in own_classes(name.load())]
    running = [
        sections(vars(one)["execute"].__doc__) for one in own_classes(name.load()) if "execute" in vars(one)
    ]

    assert any("Returns" in one for one in (*told, *running))
    assert any("Raises" in one for one in running)


@pytest.mark.parametrize("name", TRIGGERS, ids=str)
def test_events_are_documented(name):
    """What a trigger yields is told by its class."""
    assert any("Yields" in sections(one.__doc__) for one in own_classes(name.load()))


@pytest.mark.parametrize("name", CLASSES, ids=str)
def test_a_public_name_is_used(name):
    """An example or an end-to-end test uses each public class; a trigger by the task that becomes it."""
    if not name.deferred_by:
        assert name.name in used()
        return
    tasks = [task for dag in example_dags() for task in dag.tasks if kind(task).__name__ == name.deferred_by]
    assert name.name in {trigger for task in tasks for trigger in becomes(task)}


@pytest.mark.parametrize("conn_type", CONNECTIONS)
def test_a_connection_type_has_its_fields(conn_type):
    """Each connection type is declared with its fields, each described, and a hook that is there."""
    (declared,) = [
        one for one in get_provider_info()["connection-types"] if one["connection-type"] == conn_type
    ]
    module, _, hook = declared["hook-class-name"].rpartition(".")

    assert CONNECTIONS[conn_type] - declared["conn-fields"].keys() == set()
    assert [name for name, one in declared["conn-fields"].items() if not one.get("description")] == []
    assert getattr(import_module(module), hook).conn_type == conn_type


@pytest.mark.parametrize("conn_type", CONNECTIONS)
def test_a_connection_type_is_used(conn_type):
    """Examples use the default connection of each type."""
    wanted = f"{conn_type}_conn_id"
    used = {argument(task, wanted) for dag in example_dags() for task in dag.tasks}

    assert f"{conn_type}_default" in used


def test_the_decorator_is_there():
    """``@task.azure_ml_batch`` is registered, documented, and used by an example or an end-to-end test."""
    declared = {one["name"]: one["class-name"] for one in get_provider_info().get("task-decorators", [])}

    assert DECORATOR in declared
    module, _, function = declared[DECORATOR].rpartition(".")
    assert "Args" in sections(getattr(import_module(module), function).__doc__)
    mine = {getattr(kind(task), "custom_operator_name", "") for dag in example_dags() for task in dag.tasks}
    assert f"@task.{DECORATOR}" in mine or DECORATOR in used()


def test_nothing_else_is_exported():
    """What the packages offer to ``import *`` are public names: nothing gets public by chance."""
    public = {str(one) for one in CLASSES} | {"__version__", "get_provider_info"}

    offered = {
        name
        for module in ("", AZURE_ML, MODELARTS, ".sensors")
        for name in import_module(f"{PACKAGE}{module}").__all__
    }

    assert offered - public == set()
