"""Tokens of one connection: asked for once, however many wait, and renewed ahead of time."""

from __future__ import annotations

import asyncio
import copy
import logging
import re
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, TypeVar

from airflow_batch_provider.errors import (
    AuthenticationFailed,
    BatchError,
    ConnectionFailed,
    ServiceUnavailable,
)

_log = logging.getLogger(__name__)

# A token is renewed this long before it expires, or in the last fifth of its life if that is shorter.
_REFRESH_AHEAD = 300.0
_REFRESH_SHARE = 0.2
# After a renewal ahead of time that failed, while the token held is still good.
_RENEW_AGAIN = 30.0
# Entra's codes for "later", a backend's trouble or its own throttling (source: Microsoft Entra error code
# reference), and how msal words an answer without a code.
_PASSES = re.compile(r"AADSTS(?:90033|90024|90055)\b|HTTP Error: (?:429|5[0-9][0-9])\b")
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Token:
    """An access token.

    Args:
        value: The secret.
        expires_at: Epoch seconds.
        renew_at: Epoch seconds from which a new one is asked for.
    """

    value: str = field(repr=False)
    expires_at: float
    renew_at: float


@dataclass(frozen=True)
class AccessToken:
    """What a credential of ours returns, in the shape of azure-identity's.

    Args:
        token: The secret.
        expires_on: Epoch seconds.
    """

    token: str = field(repr=False)
    expires_on: float


class Credential(Protocol):
    """Gets tokens; the shape of azure-identity's credentials."""

    def get_token(self, *scopes: str) -> Any:
        """Return an object with ``token`` and ``expires_on``."""


C = TypeVar("C", bound=Hashable)
_Outcome: TypeAlias = "Token | BaseException"


class Tokens:
    """The tokens of one connection, shared by all tasks of a process.

    However many wait for a token, the issuer is asked once, in a thread of its own; they share the outcome.

    Args:
        make_credential: Called when a token is needed, and again after one was refused.
        now: Wall clock, epoch seconds.
    """

    def __init__(
        self, make_credential: Callable[[], Credential], now: Callable[[], float] = time.time
    ) -> None:
        self._make_credential = make_credential
        self._credential: Credential | None = None
        self._now = now
        self._lock = threading.Lock()  # of what follows; never held while the issuer is asked
        self._held: dict[str, Token] = {}
        self._asking: dict[str, Future[_Outcome]] = {}

    def get(self, resource: str) -> Token:
        """Return a token for *resource* that is good for a while, asking for one if need be.

        Raises:
            InvalidInput: The credential cannot be one.
            AuthenticationFailed: The issuer does not accept the credential.
            ConnectionFailed: The issuer cannot be reached.
            ServiceUnavailable: The issuer has a problem of its own.
        """
        token = self._good(resource)
        return token or _token_in(self._ask(resource).result())

    async def aget(self, resource: str) -> Token:
        """Do the same without blocking the event loop."""
        token = self._good(resource)
        return token or _token_in(await asyncio.wrap_future(self._ask(resource)))

    def drop(self, resource: str, token: Token) -> None:
        """Forget a token that was refused, unless it was replaced meanwhile."""
        with self._lock:
            held = self._held.get(resource)
            if held and held.value == token.value:
                del self._held[resource]
                # It keeps the refused token, too, and would hand it out again.
                self._credential = None

    def _good(self, resource: str) -> Token | None:
        token = self._held.get(resource)
        return token if token and self._now() < token.renew_at else None

    def _ask(self, resource: str) -> Future[_Outcome]:
        """Return what the issuer is going to answer, asking it unless that is under way."""
        with self._lock:
            under_way = self._asking.get(resource)
            if under_way:
                return under_way
            asking: Future[_Outcome] = Future()
            asking.set_running_or_notify_cancel()  # so that a waiter who gives up cancels it for nobody else
            good = self._good(resource)
            if good:
                asking.set_result(good)
                return asking
            # A thread of its own: those of the event loop's pool may all be busy.
            thread = threading.Thread(target=self._settle, args=(resource, asking), daemon=True)
            thread.start()
            self._asking[resource] = asking
        return asking

    def _settle(self, resource: str, asking: Future[_Outcome]) -> None:
        outcome: _Outcome
        try:
            outcome = self._renewed(resource)
        except BaseException as error:  # noqa: BLE001  # somebody waits for it, whatever it is
            outcome = self._still_good(resource, error) or error
        with self._lock:
            if isinstance(outcome, Token):
                self._held[resource] = outcome
            del self._asking[resource]
        asking.set_result(outcome)

    def _renewed(self, resource: str) -> Token:
        with self._lock:
            credential = self._credential
            if credential is None:
                credential = self._credential = self._make_credential()
        got = _ask_issuer(credential, f"{resource.rstrip('/').removesuffix('/.default')}/.default")
        expires_at = float(got.expires_on)
        ahead = min(_REFRESH_AHEAD, (expires_at - self._now()) * _REFRESH_SHARE)
        return Token(got.token, expires_at, expires_at - ahead)

    def _still_good(self, resource: str, error: BaseException) -> Token | None:
        """Return the token held if it has not expired: it was to be renewed ahead of time."""
        held = self._held.get(resource)
        if held is None or self._now() >= held.expires_at:
            return None
        _log.warning("Going on with the token for %s, which could not be renewed yet: %s", resource, error)
        return replace(held, renew_at=min(held.expires_at, self._now() + _RENEW_AGAIN))


_shared_lock = threading.Lock()


def shared_tokens(make_credential: Callable[[C], Credential], connection: C) -> Tokens:
    """Return the tokens of a connection: one credential and one token per resource in a process.

    Args:
        make_credential: Returns the credential that a connection describes.
        connection: Equal connections share their tokens.
    """
    with _shared_lock:  # a cache may call twice for callers at the same time
        return _shared(make_credential, connection)


@lru_cache(maxsize=64)
def _shared(make_credential: Callable[[Any], Credential], connection: Any) -> Tokens:
    return Tokens(lambda: make_credential(connection))


def _token_in(outcome: _Outcome) -> Token:
    if isinstance(outcome, Token):
        return outcome
    if isinstance(outcome, BatchError):
        # A copy for each waiter, who names its own job in it.
        raise copy.copy(outcome) from outcome.__cause__
    raise outcome


def _ask_issuer(credential: Credential, scope: str) -> Any:
    try:
        return credential.get_token(scope)
    except BatchError:
        raise
    except Exception as error:
        raise _explained(error, scope) from error


def _explained(error: Exception, scope: str) -> Exception:
    # By name, so that azure-core need not be imported to look at an error that came from it.
    names = {kind.__name__ for kind in type(error).__mro__}
    said = str(getattr(error, "message", "") or error).split("\n")[0]
    status = getattr(error, "status_code", None) or 0
    # azure-identity reports an issuer that cannot be reached as a failed authentication.
    unreachable = {"ServiceRequestError", "ServiceResponseError"}
    cause = {kind.__name__ for kind in type(error.__cause__ or error.__context__).__mro__}
    if names & {*unreachable, "ConnectionError", "TimeoutError"} or cause & unreachable:
        return ConnectionFailed(f"Microsoft Entra ID could not be asked for a token: {said}")
    if status >= _SERVER_ERROR or _PASSES.search(said):
        return ServiceUnavailable(f"Microsoft Entra ID cannot issue a token now: {said}", status=status)
    if "AzureError" in names or isinstance(error, ValueError | OSError):
        return AuthenticationFailed(
            f"No token for {scope}: {said}",
            fix="Check tenantId, client id and secret (or the machine's identity), and cloud_environment.",
        )
    return error
