"""The blob service's errors: status, code and message, as its documentation lists them."""

from __future__ import annotations


class BlobError(Exception):
    """A request that the blob service refuses.

    Args:
        status: HTTP status.
        code: The service's error code.
        message: One sentence.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class InvalidNameError(BlobError, ValueError):
    """A name that the store cannot keep.

    Args:
        message: The value and the rule.
    """

    def __init__(self, message: str) -> None:
        super().__init__(400, "InvalidResourceName", message)


def container_not_found() -> BlobError:
    """Return the error for a container that does not exist."""
    return BlobError(404, "ContainerNotFound", "The specified container does not exist.")


def blob_not_found() -> BlobError:
    """Return the error for a blob that does not exist."""
    return BlobError(404, "BlobNotFound", "The specified blob does not exist.")


def condition_not_met(status: int = 412) -> BlobError:
    """Return the error for a condition header that does not hold.

    Args:
        status: 412, or 304 for a reader that already has the content.
    """
    return BlobError(
        status, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met."
    )


def not_offered(what: str) -> BlobError:
    """Return the error for what the service offers and this emulator does not.

    Args:
        what: The operation or value.
    """
    return BlobError(501, "NotImplemented", f"The emulator's blob service does not offer {what}.")
