"""Which files of a folder are left out of an upload.

As ``az ml`` does it: the patterns in the folder's ``.amlignore`` count, or if there is none, those in its
``.gitignore``; they are git's patterns. Such files further down say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.storage.local import told

FILES = (".amlignore", ".gitignore")


class Ignored:
    """Patterns of what is left out.

    Args:
        source: The file that they come from, empty if there is none.
        lines: Lines of a ``.gitignore``.
        always: Further patterns, which no line of the file can undo.

    Raises:
        InvalidInput: A line is no pattern.
    """

    def __init__(self, source: str, lines: Iterable[str], always: Iterable[str] = ()) -> None:
        from pathspec import GitIgnoreSpec

        self.source = source
        try:
            # In any case the last pattern that matches decides.
            self._spec = GitIgnoreSpec.from_lines([*lines, *always])
        except ValueError as error:
            raise InvalidInput(
                f"{source} has a line that is no pattern: {error}", fix="Mend or remove it."
            ) from error

    @classmethod
    def of(cls, folder: Path, always: Iterable[str] = ()) -> Ignored:
        """Read the patterns of a folder.

        Raises:
            InvalidInput: The file with patterns cannot be understood.
            BatchError: It cannot be read.
        """
        for name in FILES:
            file = folder / name
            if file.is_file():
                with told(f"{file} could not be read"):
                    text = file.read_bytes()
                return cls(str(file), _text(file, text).splitlines(), always)
        return cls("", (), always)

    def matches(self, name: str, *, is_folder: bool) -> bool:
        """Say whether a file, or a folder with all that is in it, is left out.

        Args:
            name: Relative to the folder, with ``/`` between its parts.
            is_folder: Whether it is one.
        """
        return self._spec.match_file(f"{name}/" if is_folder else name)


def _text(file: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8: {error}.", fix="Save it as UTF-8.") from error
