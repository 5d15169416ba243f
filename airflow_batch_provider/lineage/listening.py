"""Whether OpenLineage's listener wants to hear of a task: asked when a DAG file is read, so it must be cheap.

Nothing of OpenLineage is imported. Source: how its Airflow provider (2.20) decides that it is disabled.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from airflow.sdk import conf

_SECTION = "openlineage"
_TRUE = ("true", "1", "t")
_OPT_IN = "_selective_enable_ol"
"""The parameter by which the provider's ``enable_lineage`` marks a task."""


def listens(task: Any) -> bool:
    """Say whether events of a task are sent, as far as this process's configuration tells.

    The provider's ``emission_policy`` is not read, and in doubt the answer is yes.

    Args:
        task: An operator.
    """
    return _is_configured() and _is_installed() and not _opted_out(task)


def _is_configured() -> bool:
    if _said("disabled").lower() in _TRUE or os.environ.get("OPENLINEAGE_DISABLED", "").lower() in _TRUE:
        return False
    if any(_said(option) for option in ("config_conn_id", "config_path")):
        return True
    if _said("transport") not in ("", "{}"):
        return True
    return any(
        value and (name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG") or name.startswith(_TRANSPORT))
        for name, value in os.environ.items()
    )


_TRANSPORT = "OPENLINEAGE__TRANSPORT"


def _is_installed() -> bool:
    return find_spec("airflow.providers.openlineage") is not None


def _opted_out(task: Any) -> bool:
    kind = type(task)
    disabled = [name.strip() for name in _said("disabled_for_operators").split(";")]
    if f"{kind.__module__}.{kind.__name__}" in disabled:
        return True
    return _said("selective_enable").lower() in _TRUE and task.params.get(_OPT_IN) is not True


def _said(option: str) -> str:
    return str(conf.get(_SECTION, option, fallback="") or "").strip()
