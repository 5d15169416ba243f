"""Uploading a file or a folder to a place that is named after its content.

So the same content is at the same place, whoever uploads it and from where, and what is there already need
not be sent: a blob appears with all its content or not at all, and under this name it can have no other.
After a crash an upload therefore goes on with the files that are missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from airflow_batch_provider.errors import UnexpectedAnswer
from airflow_batch_provider.storage.access import Access
from airflow_batch_provider.storage.authority import Asking
from airflow_batch_provider.storage.azure import Container
from airflow_batch_provider.storage.contents import KnownFile, KnownTree
from airflow_batch_provider.storage.progress import Progress, amount, files_of
from airflow_batch_provider.storage.sending import Target, send
from airflow_batch_provider.storage.steps import Step, Steps

PREFIX = "LocalUpload"
"""Where the service's own tools upload to."""


def place_of(content: KnownTree) -> str:
    """Return where in a container content is uploaded to: the path of its folder or file."""
    return f"{_folder(content)}/{content.tree.name}"


@dataclass(frozen=True)
class Upload:
    """An upload of content to a container.

    Args:
        content: What.
        container: Where to; the path is `place_of` the content.
        access: How requests are authorised.
        otherwise: Obtains another `Access`, for when the first is refused; see `authority.Asking`.
        log: Takes a sentence now and then.
    """

    content: KnownTree
    container: Container
    access: Access
    otherwise: Step | None
    log: Callable[[str], None]

    def steps(self) -> Steps[int]:
        """Send what is not there.

        Returns:
            How many files were sent.

        Raises:
            Conflict: A file was written to since it was read; it is named.
            BatchError: A file could not be sent; it is named.
        """
        return Asking(self.access, self.otherwise).ask(self._with)

    def _with(self, access: Access) -> Steps[int]:
        do = partial(self._send, access)
        sent: int = yield Step(do, partial(asyncio.to_thread, do))
        return sent

    def _send(self, access: Access) -> int:
        where = place_of(self.content) if self.content.tree.is_folder else _folder(self.content)
        target = Target(self.container, access, where)
        missing = self._missing(target)
        if not missing:
            self.log("All of it is there already; nothing is sent.")
            return 0
        size = sum(file.size for file in missing)
        there = len(self.content.files) - len(missing)
        already = f"; {there} more are there already" if there else ""
        self.log(f"Uploading {files_of(len(missing))}, {amount(size)}, to {target.folder}{already}.")
        progress = Progress("Uploaded", len(missing), size, self.log)
        send(target, missing, progress)
        self.log(
            f"Uploaded {files_of(len(missing))}, {amount(size)}: {progress.seconds:.1f} s, {progress.rate}."
        )
        self._check(target)
        return len(missing)

    def _missing(self, target: Target) -> list[KnownFile]:
        sizes = target.sizes()
        return [file for file in self.content.files if sizes.get(target.blob(file)) != file.size]

    def _check(self, target: Target) -> None:
        missing = self._missing(target)
        if missing:
            raise UnexpectedAnswer(
                f"{missing[0].file.path} was sent to {target.container}, but is not there.",
                fix="Look what deletes files there; then run the task again.",
            )


def _folder(content: KnownTree) -> str:
    return f"{PREFIX}/{content.digest}"
