"""Names of the blob service: what is allowed, and where each is on disk."""

from __future__ import annotations

import re

from airflow_batch_provider.emulator.blob_errors import InvalidNameError
from airflow_batch_provider.emulator.whole_files import PARTIAL_PREFIX, is_partial

MARKER_FILE = f"{PARTIAL_PREFIX}folder"
"""File that stands for the blob whose name is its folder's with a slash at the end: a directory marker.

Programs that read the folder skip it, as they skip unfinished files.
"""

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$root|\$web|\$logs")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NAME = 1024
_LONGEST_FILE_NAME = 255  # bytes; the limit of the common file systems


def check_container(account: str, container: str) -> None:
    """Check the names of an account and a container.

    Args:
        account: 3 to 24 lower-case letters and digits.
        container: 3 to 63 lower-case letters, digits and single hyphens.

    Raises:
        InvalidNameError: The message names the value and the rule.
    """
    if not _ACCOUNT.fullmatch(account):
        raise InvalidNameError(f"The account name {account!r} is not 3 to 24 lower-case letters and digits.")
    if not _CONTAINER.fullmatch(container):
        raise InvalidNameError(
            f"The container name {container!r} is not 3 to 63 lower-case letters, digits and single hyphens."
        )


def check_blob(name: str) -> None:
    """Check the name of a blob.

    Args:
        name: Segments separated by slashes; a slash at the end makes it a directory marker. Unlike in the
            service a segment cannot be empty, ``.`` or ``..``, because it is a file's or a folder's name.

    Raises:
        InvalidNameError: The message names the value and the rule.
    """
    if not name or len(name) > _LONGEST_NAME:
        raise InvalidNameError(f"A blob name has 1 to {_LONGEST_NAME} characters, not {len(name)}.")
    for segment in name.removesuffix("/").split("/"):
        if not is_segment(segment):
            raise InvalidNameError(
                f"The blob name {name!r} has a segment that cannot be a file name: {segment!r}."
            )


def is_segment(segment: str) -> bool:
    """Say whether a file or folder of this name is visible in the blob service.

    Args:
        segment: One segment of a blob's name.
    """
    return (
        segment not in ("", ".", "..")
        and not is_partial(segment)
        and not _CONTROL.search(segment)
        and _file_name_length(segment) <= _LONGEST_FILE_NAME
    )


def _file_name_length(segment: str) -> int:
    try:
        return len(segment.encode())
    except UnicodeEncodeError:  # A file whose name is not text: there is no blob name for it.
        return _LONGEST_FILE_NAME + 1
