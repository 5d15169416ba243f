"""What OpenLineage's listener asks an operator, on a worker: when its task starts, and when it has ended."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.errors import BatchError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import Job, JobRef


class ToldLineage:
    """The methods by which an operator that runs a remote job tells of it.

    They are called in a process of their own, which has what the operator knows at that moment. All say the
    same of the inputs; the job is known after its submission, the outputs after its success.
    """

    service: str
    order_fields: tuple[str, ...]
    log: Any
    _ref: JobRef | None
    _hook: BatchHook | None
    _ended: Job | None = None
    _context: Context | None = None
    """Of the rendering, for templates in files."""

    @abstractmethod
    def hook(self) -> BatchHook:
        """Return the hook that the rendered arguments describe."""

    @abstractmethod
    def _told_lineage(self, hook: BatchHook | None) -> Any:
        """Return what `lineage.events.lineage` makes of it.

        Args:
            hook: With a connection that can be used; ``None`` if it cannot.
        """

    def get_openlineage_facets_on_start(self) -> Any:
        """Tell which inputs are asked for, and where the job will run."""
        return self._told_lineage(self._readable_hook())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002  # its contract
        """Tell which job ran, what it read and what it wrote."""
        return self.get_openlineage_facets_on_start()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:  # noqa: ARG002  # its contract
        """Tell which job failed, and what it read; the listener adds the error."""
        return self.get_openlineage_facets_on_start()

    def _readable_hook(self) -> BatchHook | None:
        hook = self._hook or self.hook()
        try:
            hook.get_conn()
        except Exception as error:  # noqa: BLE001  # the task says it better, and fails for it
            self.log.warning("OpenLineage is not told all, as the connection cannot be used: %s", error)
            return None
        return hook

    def _said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.order_fields}

    def _asked(self, read: Any) -> list[Any]:
        """Return the inputs, or none where an argument is wrong, for which the task fails itself."""
        try:
            found: list[Any] = read()
        except BatchError as error:
            self.log.warning("OpenLineage is not told of the inputs: %s", error)
            return []
        return found
