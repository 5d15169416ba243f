"""Whether a task can run with no worker: the pure decision, from facts about the task.

Airflow 3.3.2 gives a task that starts in the triggerer less than a worker has: no other task's results
(asking for them hangs), no template files, none of the DAG's own macros and filters, no hooks around
``execute``, no listeners and no events of assets. A task that needs any of these must not start there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_batch_provider.errors import redact

LARGEST = 64 * 1024
"""Characters of a task's arguments, as JSON: each of its runs carries them in a row of the database."""

_FULLY = frozenset(
    "ds ds_nodash ts ts_nodash ts_nodash_with_tz logical_date data_interval_start data_interval_end params"  # noqa: SIM905
    " run_id var task_instance_key_str partition_key partition_date range dict namespace".split()
)
_IDENTITY = frozenset({"dag_id", "task_id", "run_id", "map_index", "try_number"})
# Of these the trigger knows only a part: what is not named here is missing, wrong or never answered.
_PARTLY: Mapping[str, frozenset[str]] = {
    "dag_run": frozenset(
        "conf dag_id run_id run_type run_after start_date logical_date data_interval_start"  # noqa: SIM905
        " data_interval_end partition_key partition_date".split()
    ),
    "ti": _IDENTITY,
    "task_instance": _IDENTITY,
    "dag": frozenset({"dag_id"}),
    "task": frozenset({"task_id"}),
    "macros": frozenset({"ds_add", "ds_format", "datetime", "timedelta", "time", "dateutil"}),
}
# Of Airflow's own, which it adds in the triggerer, too.
_FILTERS = frozenset({"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"})


@dataclass(frozen=True)
class Facts:
    """What is known of a task when its DAG file has been read.

    Args:
        fields: Name to value, unrendered, of what is rendered when the task runs.
        may_be_files: Names of fields whose value may be the name of a file.
        may_be_uploaded: Names of fields whose value may be, or hold, a local path.
        needs: What else it needs a worker for, as ends of "it …"; the first is told.
    """

    fields: Mapping[str, Any]
    may_be_files: tuple[str, ...] = ()
    may_be_uploaded: tuple[str, ...] = ()
    needs: tuple[str, ...] = field(default=())


def reason_for_worker(facts: Facts) -> str:
    """Return why a task must run on a worker, or an empty text if it can run without one.

    Args:
        facts: About the task.
    """
    if facts.needs:
        return f"it {facts.needs[0]}"
    for name, value in facts.fields.items():
        if isinstance(value, str) and name in facts.may_be_files and value != "auto":
            return f"{name} names a file"
        for path, leaf in _leaves(name, value):
            why = _about(leaf) or (_about_path(path, leaf) if name in facts.may_be_uploaded else "")
            if why:
                return f"{path} {why}"
    size = len(json.dumps(dict(facts.fields)))
    return f"its arguments have {size} characters, more than {LARGEST}" if size > LARGEST else ""


_ODD_KEY = object()


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner if isinstance(key, str) else _ODD_KEY)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    else:
        yield path, value


def _about(leaf: Any) -> str:
    if leaf is _ODD_KEY:
        return "is under a key that is no text"
    if hasattr(leaf, "iter_references"):
        return "takes what another task returns"
    if not isinstance(leaf, str):
        known = leaf is None or isinstance(leaf, bool | int | float)
        return "" if known else f"is a {type(leaf).__name__}"
    if redact(leaf) != leaf:
        return "holds a secret, which Airflow would store"
    return _about_template(leaf) if "{" in leaf else ""


def _about_path(path: str, leaf: Any) -> str:
    """Whether a text is a path on this machine, which a worker uploads."""
    if not isinstance(leaf, str) or leaf.startswith("{{"):
        return ""
    # Where a path must be, whatever has no scheme is local; elsewhere a text may be a literal.
    must_be = path.endswith(".path") or path == "input"
    local = leaf.startswith(("./", "../", "/", "file:")) or (must_be and ":" not in leaf)
    return "is a local path" if local else ""


def _about_template(text: str) -> str:
    from jinja2 import TemplateSyntaxError, meta, nodes
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment()
    environment.filters.update(dict.fromkeys(_FILTERS, str))
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        return f"holds a template that is not understood there: {error}"
    if why := next(filter(None, (_about_node(one, environment) for one in tree.find_all(nodes.Node))), ""):
        return why
    names = meta.find_undeclared_variables(tree)
    unknown = sorted(names - _FULLY - _PARTLY.keys()) + sorted(_beyond(tree))
    return f"uses {unknown[0]!r}" if unknown else ""


def _about_node(node: Any, environment: Any) -> str:
    from jinja2 import nodes

    why = ""
    if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
        why = "holds a template that reads a file"
    elif isinstance(node, nodes.Filter) and node.name not in environment.filters:
        why = f"uses the filter {node.name!r}"
    elif isinstance(node, nodes.Test) and node.name not in environment.tests:
        why = f"uses the test {node.name!r}"
    # One operation cannot be interrupted, and could take all time or memory that there is.
    elif isinstance(node, nodes.Pow):
        why = "holds a template that computes with '**'"
    elif isinstance(node, nodes.Mul) and any(_is_sequence(side) for side in (node.left, node.right)):
        why = "holds a template that repeats a text or a list"
    return why


def _is_sequence(node: Any) -> bool:
    from jinja2 import nodes

    is_text = isinstance(node, nodes.Const) and isinstance(node.value, str)
    return is_text or isinstance(node, nodes.Concat | nodes.List | nodes.Tuple)


def _beyond(tree: Any) -> Iterator[str]:
    """Yield what a template takes of the partly known names beyond the known part."""
    from jinja2 import nodes

    within = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(node.node, nodes.Name) or node.node.name not in _PARTLY:
            continue
        within.add(id(node.node))
        if isinstance(node, nodes.Getattr):
            taken = node.attr
        else:
            taken = node.arg.value if isinstance(node.arg, nodes.Const) else "[…]"
        if taken not in _PARTLY[node.node.name]:
            yield f"{node.node.name}.{taken}"
    for name in tree.find_all(nodes.Name):
        if name.name in _PARTLY and name.ctx == "load" and id(name) not in within:
            yield str(name.name)
