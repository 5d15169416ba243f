"""Cancelling a task's job: on the user's word alone, and whatever else goes wrong."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batch_provider.hooks.base import BatchHook
    from airflow_batch_provider.jobs import JobRef

_CANCEL_SECONDS = 20.0


class Cancels:
    """What an operator knows of its job, and how it ends that.

    Attributes:
        cancel_on_kill: Whether the job is cancelled when the user ends the task.
        cancel_on_timeout: Whether it is cancelled when its time is over.
    """

    cancel_on_kill: bool
    cancel_on_timeout: bool
    log: Any

    _ref: JobRef | None = None
    _hook: BatchHook | None = None
    _instance: Any = None
    _killed = _timed_out = False

    @abstractmethod
    def hook(self) -> BatchHook:
        """Return the hook that the rendered arguments describe."""

    def on_kill(self) -> None:
        """Cancel the job if the user ended the task, and did not say otherwise.

        Airflow calls this also when a worker shuts down, and when the task goes on in another process; it
        ends the process some seconds later.
        """
        from airflow_batch_provider.operators.task_state import ended_by_user

        if self._timed_out or self._instance is None:
            return
        if not ended_by_user(self._instance):
            self.log.info("Left the job, if there is one, to whoever goes on with the task.")
            return
        self._killed = True
        if self._ref is None:
            self.log.warning("Killed while no job is known; one that is being submitted is cancelled next.")
            return
        self._try_to_cancel(self._ref, self.cancel_on_kill, "cancel_on_kill")

    def _cancel_after_timeout(self) -> None:
        self._timed_out = True
        if self._ref is not None:
            self._try_to_cancel(self._ref, self.cancel_on_timeout, "cancel_on_timeout")

    def _try_to_cancel(self, ref: JobRef, wanted: bool, switch: str) -> None:
        """Cancel a job while the task ends for another reason, which must stay what the task says."""
        if not wanted:
            self.log.info("Left job %s running, because %s is off.", ref.id, switch)
            return
        hook = self._hook or self.hook()
        try:
            hook.open()
            hook.run(hook.service.cancel(ref), within=_CANCEL_SECONDS)
        except Exception as error:  # noqa: BLE001  # the task ends anyway; its job must be named
            self.log.error("Job %s could not be cancelled and may go on: %s", ref.id, error)  # noqa: TRY400
        else:
            self.log.info("Asked the service to cancel job %s.", ref.id)
