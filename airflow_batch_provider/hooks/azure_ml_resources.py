"""What a batch endpoint is made of, as tasks ask for it: described, created, changed, looked up, deleted.

Every method returns a description or a flow; the hook carries a flow out: ``hook.run(hook.resources.…)`` in
a worker, ``await hook.arun(hook.resources.…)`` in an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_batch_provider.checks import just_one
from airflow_batch_provider.errors import InvalidInput, NotFound
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.jobs import Watch
from airflow_batch_provider.services.azure_ml.clouds import cloud_named
from airflow_batch_provider.services.azure_ml.local_inputs import is_local
from airflow_batch_provider.services.azure_ml.operations import Operation, finish, look
from airflow_batch_provider.services.azure_ml.presentable import presentable
from airflow_batch_provider.services.azure_ml.resources import assets, computes, deployments, endpoints
from airflow_batch_provider.services.azure_ml.resources import removal as removals
from airflow_batch_provider.services.azure_ml.resources.ensure import Ensured, ensure, get
from airflow_batch_provider.services.azure_ml.resources.lists import list_resources
from airflow_batch_provider.services.azure_ml.resources.resource import Resource
from airflow_batch_provider.services.azure_ml.workspace import API_VERSION, Workspace

PIPELINE_API_VERSION = "2024-10-01"
"""Of requests about deployments of pipeline components, where the connection leaves it at the default, which
knows none."""

_OF_COMPONENTS = frozenset(("component", "settings"))
_OF_BOTH = frozenset(("location", "description", "tags", "properties", "extra_properties"))


@dataclass(frozen=True)
class Resources:
    """The resources of a workspace.

    Args:
        workspace: Where they are.
    """

    workspace: Workspace

    @classmethod
    def nowhere(cls) -> Resources:
        """Return those of no real workspace: enough to check a description when a DAG is parsed."""
        return cls(Workspace(cloud_named(""), "none", "none", "none"))

    @staticmethod
    def is_local(path: Any) -> bool:
        """Say whether a task's *path* is a local one, and no URI."""
        return isinstance(path, str) and bool(path.strip()) and is_local(path.strip(), "path")

    # --- Descriptions: each raises `InvalidInput` for what the service would refuse.

    compute = staticmethod(computes.compute)
    code = staticmethod(assets.code)
    model = staticmethod(assets.model)
    environment = staticmethod(assets.environment)
    data = staticmethod(assets.data)
    batch_endpoint = staticmethod(endpoints.batch_endpoint)

    def deployment(self, endpoint_name: str, deployment_name: str, **said: Any) -> Resource:
        """Describe a deployment of a model or of a pipeline component.

        Args:
            endpoint_name: Of the endpoint.
            deployment_name: Of the deployment.
            **said: As for `deployments.model_deployment`, or with *component* as for
                `deployments.pipeline_deployment`; ``None`` for what is not given.

        Raises:
            InvalidInput: A value that the service would refuse, or that the other kind takes.
        """
        given = {key: value for key, value in said.items() if value is not None}
        kind = just_one("what is deployed", model=said.get("model"), component=said.get("component"))
        astray = (
            given.keys() - _OF_BOTH - _OF_COMPONENTS
            if kind == "component"
            else given.keys() & _OF_COMPONENTS - {"component"}
        )
        if astray:
            told = f"{', '.join(sorted(astray))}: a deployment of a {kind} does not take it."
            raise InvalidInput(told, fix="Leave it out.")
        if kind == "component":
            there = self._with_pipelines().workspace
            return deployments.pipeline_deployment(there, endpoint_name, deployment_name, **given)
        return deployments.model_deployment(
            self.workspace, endpoint_name, deployment_name, **{"compute": None, **given}
        )

    def _with_pipelines(self) -> Resources:
        default = self.workspace.api_version == API_VERSION
        return (
            replace(self, workspace=replace(self.workspace, api_version=PIPELINE_API_VERSION))
            if default
            else self
        )

    # --- Flows

    def ensure(
        self, resource: Resource, *, if_exists: str = "update", by_content: bool = False
    ) -> Flow[Ensured]:
        """Create a resource, or change what is there to what it shall be; see `resources.ensure.ensure`.

        Args:
            resource: As it shall be.
            if_exists: ``update``, ``skip`` to leave it as it is, or ``fail``.
            by_content: Whether it is a version that is named by its content, see `assets.as_registered`.
        """
        workspace = self._knowing(resource).workspace
        if by_content:
            resource = yield from assets.as_registered(workspace, resource)
        return (yield from ensure(workspace, resource, if_exists=if_exists))

    def _knowing(self, resource: Resource) -> Resources:
        """Return them by an api-version that knows what the resource says."""
        piped = "deploymentConfiguration" in resource.body.get("properties", {})
        return self._with_pipelines() if piped else self

    def set_default(self, endpoint_name: str, deployment_name: str) -> Flow[Ensured]:
        """Have invocations that name no deployment go to one; see `resources.endpoints.set_default`."""
        return endpoints.set_default(self.workspace, endpoint_name, deployment_name)

    def delete_endpoint(self, name: str) -> Flow[Ensured]:
        """Delete a batch endpoint with its deployments; see `resources.removal.delete_endpoint`."""
        return removals.delete_endpoint(self.workspace, name)

    def delete_deployment(self, endpoint_name: str, name: str) -> Flow[Ensured]:
        """Delete a deployment; see `resources.removal.delete_deployment`."""
        return removals.delete_deployment(self.workspace, endpoint_name, name)

    def delete_compute(self, name: str, *, detach: bool = False) -> Flow[Ensured]:
        """Delete or detach a compute cluster; see `resources.removal.delete_compute`."""
        return removals.delete_compute(self.workspace, name, detach=detach)

    def get(self, resource: Resource) -> Flow[dict[str, Any]]:
        """Return a resource as it is now, see `presentable`.

        Raises:
            NotFound: There is none.
            BatchError: The look-up failed.
        """
        found = yield from get(self._knowing(resource).workspace, resource)
        if found is None:
            raise NotFound(f"There is no {resource.label}.", fix="Create it first.")
        shown: dict[str, Any] = presentable(found)
        return shown

    def list(self, *path: str, **query: str) -> Flow[list[dict[str, Any]]]:
        """Return the resources of a kind, such as ``list("batchEndpoints")``, see `lists.list_resources`."""
        return list_resources(self.workspace, *path, **query)

    def look(self, operation: Operation) -> Flow[dict[str, Any]]:
        """Return the resource of an operation that may still go on, see `presentable`."""
        return look(operation)

    @staticmethod
    def operation(data: Mapping[str, Any]) -> Operation:
        """Read what an operation's ``to_dict`` wrote."""
        return Operation.from_dict(data)

    @staticmethod
    def follow(
        operation: Operation, watch: Watch, on_change: Callable[[Operation], None] = lambda _: None
    ) -> Flow[Operation]:
        """Look until an operation is done; see `operations.finish`.

        Args:
            operation: What is waited for.
            watch: How to wait.
            on_change: Called with the operation whenever its status has changed.
        """
        return finish(operation, watch, on_change)
