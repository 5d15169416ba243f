"""Whether what is there is what is wanted, in spite of how the service writes it.

Source: recorded answers, in which enumerations come back in another case (``aadToken`` as ``AADToken``), ARM
ids with ``resourcegroups``, absent values as ``null`` and unset ones with their defaults; the REST guide
sends numbers as texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml import uris
from airflow_batch_provider.services.azure_ml.presentable import is_write_only
from airflow_batch_provider.services.azure_ml.workspace import Workspace

_WORDS = frozenset(
    (
        *("location", "authMode", "loggingLevel", "outputAction", "computeType", "osType", "vmSize"),
        *("vmPriority", "remoteLoginPortPublicAccess", "dataType", "modelType", "referenceType", "type"),
        "deploymentConfigurationType",
    )
)
"""Keys whose values the service writes in a case, or with blanks, of its own."""

_ARM_ID = re.compile(r"(?i)(/subscriptions/[^/]+/resourcegroups/[^/]+/providers/[^/]+/workspaces/[^/]+)(/.*)")
_TIMES = re.compile(r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?")


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], workspace: Workspace) -> tuple[str, ...]:
    """Return the dotted paths of what is wanted and is not so.

    Args:
        wanted: A body; what it does not say may be anything.
        found: What the service says.
        workspace: Which short URIs are of.
    """
    return tuple(_walk("", wanted, found, workspace))


def _walk(place: str, wanted: Any, found: Any, workspace: Workspace) -> Iterator[str]:
    if isinstance(wanted, Mapping):
        there = found if isinstance(found, Mapping) else {}
        for key, value in wanted.items():
            yield from _walk(f"{place}.{key}" if place else str(key), value, there.get(key), workspace)
    elif not _same(place.rpartition(".")[2], wanted, found, workspace):
        yield place


def _same(key: str, wanted: Any, found: Any, workspace: Workspace) -> bool:
    if is_write_only(key) and (_is_nothing(found) or found == "***"):
        return True
    if _is_nothing(wanted) or _is_nothing(found):
        return _is_nothing(wanted) and _is_nothing(found)
    if isinstance(wanted, list) and isinstance(found, list):
        pairs = zip(wanted, found, strict=False)
        return len(wanted) == len(found) and not any(
            True for one, other in pairs for _ in _walk(key, one, other, workspace)
        )
    if isinstance(wanted, list) or isinstance(found, list | Mapping):
        return False
    return bool(_plain(key, wanted, workspace) == _plain(key, found, workspace))


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _plain(key: str, value: Any, workspace: Workspace) -> Any:
    """Reduce a scalar to the one spelling that equal ones share."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if key in _WORDS:
        return re.sub(r"[\s_]", "", text).lower()
    if key == "condaFile":
        return _conda(text)
    if match := _TIMES.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return _address(text, workspace) if "/" in text else text.lower() if text in ("True", "False") else text


def _conda(text: str) -> Any:
    """Return what a conda file says: the service may lay it out anew."""
    import yaml

    with suppress(yaml.YAMLError, ValueError, RecursionError):
        return json.dumps(yaml.safe_load(text), sort_keys=True, default=str)
    return text


def _address(text: str, workspace: Workspace) -> str:
    if match := _ARM_ID.fullmatch(text):
        return match[1].lower() + match[2].rstrip("/")
    if text.lower().startswith("azureml:"):
        with suppress(InvalidInput):
            uri = uris.parse(text, "")
            if uri.kind == "datastore":
                group = uri.group or workspace.resource_group
                where = (
                    uri.subscription or workspace.subscription_id,
                    group,
                    uri.workspace or workspace.name,
                )
                return "/".join([*where, uri.datastore]).lower() + "/" + uri.path.rstrip("/")
    return text.rstrip("/") if "://" in text else text
