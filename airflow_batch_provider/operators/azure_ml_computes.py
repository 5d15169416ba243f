"""Operators of compute clusters; `operators.azure_ml` exports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.operators.azure_ml_resources import (
    COMMON,
    AzureMLCreateOperator,
    AzureMLResourceOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.azure_ml import AzureMLHook


class AzureMLCreateComputeOperator(AzureMLCreateOperator):
    """Create a compute cluster, or change how many nodes it has.

    Args:
        compute_name: 3 to 32 letters, digits and hyphens.
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
        **kwargs: As of `AzureMLCreateOperator`.

    Returns (XCom):
        The compute as the service describes it; besides, its ARM ``id`` is pushed.
    """

    title = "compute {compute_name!r}"
    fields = (
        "compute_name",
        "vm_size",
        "max_nodes",
        "min_nodes",
        "idle_time_before_scale_down",
        "tier",
        "os_type",
        "remote_login",
        "subnet_id",
        "location",
        "description",
        "tags",
        "extra_properties",
    )
    stand_ins = {"compute_name": "any", "vm_size": "size", "max_nodes": 2**31, "min_nodes": 0}  # noqa: RUF012
    template_fields = (*fields, "if_exists", *COMMON)
    template_fields_renderers = dict.fromkeys(("tags", "extra_properties"), "json")

    def __init__(
        self,
        *,
        compute_name: str,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.compute_name = compute_name
        self.vm_size = vm_size
        self.max_nodes = max_nodes
        self.min_nodes = min_nodes
        self.idle_time_before_scale_down = idle_time_before_scale_down
        self.tier = tier
        self.os_type = os_type
        self.remote_login = remote_login
        self.subnet_id = subnet_id
        self.location = location
        self.description = description
        self.tags = tags
        self.extra_properties = extra_properties
        self._check_literals()

    def _resource(self, resources: Any, said: dict[str, Any]) -> Any:
        return resources.compute(said.pop("compute_name"), **said)


class AzureMLDeleteComputeOperator(AzureMLResourceOperator):
    """Delete a compute cluster; harmless if it is gone. Works as a teardown.

    Args:
        compute_name: Of the compute.
        detach: Whether it is only detached from the workspace, and its machines are kept.
        **kwargs: As of `AzureMLResourceOperator`.

    Returns (XCom):
        Whether there was one.
    """

    title = "compute {compute_name!r}"
    fields = ("compute_name", "detach")
    stand_ins = {"compute_name": "any"}  # noqa: RUF012  # constant
    template_fields = ("compute_name", *COMMON)

    def __init__(self, *, compute_name: str, detach: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compute_name = compute_name
        self.detach = detach
        self._check_literals()

    def _flow(self, resources: Any, said: Mapping[str, Any]) -> Any:
        return resources.delete_compute(said["compute_name"], detach=said["detach"])

    def _result(self, context: Context, hook: AzureMLHook, operation: Any) -> bool:  # noqa: ARG002
        return self._action != "gone"
