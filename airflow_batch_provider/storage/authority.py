"""How requests to a store are authorised, and what is tried when they are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from airflow_batch_provider.errors import (
    PASSING,
    AuthenticationFailed,
    BatchError,
    NotFound,
    PermissionDenied,
)
from airflow_batch_provider.storage.steps import Step, Steps

T = TypeVar("T")
A = TypeVar("A", bound="Authority")

REFUSALS = (AuthenticationFailed, PermissionDenied)
"""What a credential can be blamed for."""


class Authority(Protocol):
    """How requests to a store are authorised."""

    @property
    def is_anonymous(self) -> bool:
        """Whether there is no credential."""

    @property
    def is_for_one_file(self) -> bool:
        """Whether it is good for a single file, so that nothing can be listed."""

    @property
    def fix(self) -> str:
        """What to do when the storage refuses."""

    def token(self) -> Steps[Any]:
        """Return what the next request is authorised with, asking for it if need be; ``None`` if fixed."""

    def drop(self, token: Any) -> None:
        """Forget what was refused."""


class Asking(Generic[A]):
    """Asks with one authority, and with another where the first is refused.

    Args:
        access: How requests are authorised.
        otherwise: Obtains another authority, for when the first is refused. If that is refused too, the first
            refusal is raised, or the second where the first access was anonymous.
    """

    def __init__(self, access: A, otherwise: Step | None = None) -> None:
        self._access = access
        self._otherwise = otherwise

    def ask(self, question: Callable[[A], Steps[T]]) -> Steps[T]:
        """Take the steps of a question, again from the first if the authority changes or is renewed."""
        try:
            return (yield from _with_token(self._access, question))
        except (NotFound, *REFUSALS) as refusal:
            # Strangers are told that what they may not see does not exist.
            is_refusal = isinstance(refusal, REFUSALS) or self._access.is_anonymous
            if self._otherwise is None or not is_refusal:
                raise
            return (yield from self._ask_otherwise(self._otherwise, refusal, question))

    def _ask_otherwise(
        self, otherwise: Step, refusal: BatchError, question: Callable[[A], Steps[T]]
    ) -> Steps[T]:
        try:
            access: A = yield otherwise
            answer = yield from _with_token(access, question)
        except PASSING:
            raise
        except BatchError as error:
            # What a stranger is told matters less than what is told to who has a credential.
            if self._access.is_anonymous and isinstance(error, (NotFound, *REFUSALS)):
                raise
            raise refusal from error
        self._access, self._otherwise = access, None
        return answer


def _with_token(access: A, question: Callable[[A], Steps[T]]) -> Steps[T]:
    token = yield from access.token()
    try:
        return (yield from question(access))
    except AuthenticationFailed:
        if token is None:
            raise
        access.drop(token)
        yield from access.token()
        return (yield from question(access))
