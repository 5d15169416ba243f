"""The table of a conformance run: one line for each operation, passed or failed."""

from __future__ import annotations

import contextlib
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Operations:
    """Carries operations out one after the other; one that fails does not end the run.

    Args:
        client: Distribution whose operations they are; its version is printed first.
    """

    def __init__(self, client: str) -> None:
        self._failed: list[str] = []
        self._count = 0
        print(f"client {client} {version(client)}", flush=True)

    def __call__(self, name: str, operation: Callable[[], Any]) -> Any:
        """Carry an operation out and print how it went.

        Args:
            name: What the line says.
            operation: Does it; what it raises, and the answer False, are failures.

        Returns:
            What it returned, or None if it failed.
        """
        self._count += 1
        began = time.monotonic()
        try:
            # Some clients print dots while they wait, which would begin the next line.
            with contextlib.redirect_stdout(sys.stderr):
                answer = operation()
            words = "" if answer is not False else "it is not so"
        except Exception as error:  # noqa: BLE001 - any is a failure of this operation only
            answer, words = False, f"{type(error).__name__}: {error}".replace("\n", " ")[:600]
        line = f"{'FAIL' if words else 'pass'} {time.monotonic() - began:5.1f} s  {name}  {words}"
        print(line.rstrip(), flush=True)
        if words:
            self._failed.append(name)
            return None
        return answer

    def report(self) -> bool:
        """Print the sum; return whether all passed."""
        print(f"{self._count - len(self._failed)} of {self._count} operations passed", flush=True)
        return not self._failed


def refused(
    operation: Callable[[], Any], kind: type[Exception] = Exception, text: str = ""
) -> Callable[[], bool]:
    """Return an operation that passes if another one is refused by an error of a kind, with a text in it."""

    def check() -> bool:
        try:
            operation()
        except kind as error:
            return text in str(error)
        return False

    return check
