"""Compute clusters, on which batch jobs run.

Source: the REST guide for batch scoring, and the ``AmlCompute`` of the Resource Manager specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.services.azure_ml.resources import fields
from airflow_batch_provider.services.azure_ml.resources.resource import Resource

_TIERS = {"dedicated": "Dedicated", "low_priority": "LowPriority"}
_OS = {"linux": "Linux", "windows": "Windows"}
_LOGINS = {"enabled": "Enabled", "disabled": "Disabled", "not_specified": "NotSpecified"}


def compute(
    name: str,
    *,
    vm_size: str,
    max_nodes: int,
    min_nodes: int = 0,
    idle_time_before_scale_down: int | str | None = None,
    tier: str | None = None,
    os_type: str | None = "Linux",
    remote_login: str | None = None,
    subnet_id: str | None = None,
    location: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    extra_properties: Mapping[str, Any] | None = None,
) -> Resource:
    """Describe a compute cluster.

    Args:
        name: 3 to 32 letters, digits and hyphens.
        vm_size: Of each node, such as ``STANDARD_D2_V2``.
        max_nodes: Most nodes.
        min_nodes: Nodes that are kept while there is nothing to do; they cost money.
        idle_time_before_scale_down: Seconds, or an ISO 8601 duration.
        tier: ``dedicated`` or ``low_priority``, which is cheaper and may be taken away.
        os_type: ``Linux`` or ``Windows``.
        remote_login: Whether the nodes' SSH port is public: ``enabled``, ``disabled``, ``not_specified``.
        subnet_id: ARM id of a subnet that the nodes are to be in.
        location: Region; default: the workspace's.
        description: Of the compute.
        tags: Of the compute.
        extra_properties: Merged into the body's ``properties``, for what a newer api-version takes.

    Raises:
        InvalidInput: A value that the service would refuse.
    """
    least, most = fields.whole("min_nodes", min_nodes, 0), fields.whole("max_nodes", max_nodes, 1)
    if least is None or most is None or least > most:
        raise InvalidInput(
            f"min_nodes is {min_nodes} and max_nodes is {max_nodes}.",
            fix="Give at least one node as max_nodes, and no more as min_nodes.",
        )
    idle = fields.duration("idle_time_before_scale_down", idle_time_before_scale_down)
    cluster = {
        "osType": fields.option("os_type", os_type, _OS),
        "vmSize": fields.text("vm_size", vm_size, "Give a size such as STANDARD_D2_V2."),
        "vmPriority": fields.option("tier", tier, _TIERS),
        "scaleSettings": fields.body(
            {"maxNodeCount": most, "minNodeCount": least, "nodeIdleTimeBeforeScaleDown": idle}
        ),
        "remoteLoginPortPublicAccess": fields.option("remote_login", remote_login, _LOGINS),
        "subnet": None if subnet_id is None else {"id": fields.subnet_id("subnet_id", subnet_id)},
    }
    properties = {
        "computeType": "AmlCompute",
        "description": None if description is None else fields.text("description", description),
        "properties": fields.body(cluster),
    }
    checked = fields.compute_name("compute_name", name)
    return Resource(
        f"compute {checked!r}",
        ("computes", checked),
        fields.body(
            {
                "location": None if location is None else fields.text("location", location),
                "tags": fields.texts("tags", tags),
                "properties": fields.body(properties, extra_properties),
            }
        ),
        fixed=("location", "properties.computeType", "properties.properties"),
        free=("properties.properties.scaleSettings",),
        located=True,
    )
