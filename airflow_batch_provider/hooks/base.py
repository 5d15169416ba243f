"""What the hooks of all services share: carrying out flows with an authenticated client."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, TypeVar

import httpx
from airflow.sdk import BaseHook

from airflow_batch_provider import drive
from airflow_batch_provider.auth import tls_of
from airflow_batch_provider.bounds import bounded_call
from airflow_batch_provider.errors import redact
from airflow_batch_provider.flow import Flow
from airflow_batch_provider.jobs import Service

T = TypeVar("T")

TIMEOUT = httpx.Timeout(60.0, connect=15.0)
"""Of one request. Invoking takes up to five seconds; a minute without a byte is an outage."""


def _without_signatures(record: logging.LogRecord) -> bool:
    """Redact the URL that ``httpx`` logs of each request at INFO: it may be a signed one."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


logging.getLogger("httpx").addFilter(_without_signatures)


def host_of(connection: Any) -> str:
    """Put together what Airflow took apart: it stores scheme, host and port of a URL in several fields."""
    host = str(connection.host or "")
    if host and "://" not in host and connection.schema in ("http", "https"):
        host = f"{connection.schema}://{host}"
    return f"{host}:{connection.port}" if host and connection.port else host


def options_with(auth: httpx.Auth, connection: Any) -> dict[str, Any]:
    """Return the ``httpx`` options of a client that carries a credential.

    Args:
        auth: The credential.
        connection: Of a service: says what TLS certificates are trusted, and whether it is the emulator's.
    """
    # The environment's proxies are for the internet, never for the emulator on this machine.
    return {"auth": auth, "verify": tls_of(connection), "trust_env": not connection.is_emulator}


class BatchHook(BaseHook):
    """A connection to a service that runs batch jobs.

    In a worker, call `open` (or enter the hook with ``with``) and `run`; in the triggerer `aopen` and `arun`.
    """

    conn_name_attr: ClassVar[str]
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]

    def __init__(self, conn_id: str, logger_name: str | None = None) -> None:
        super().__init__(logger_name=logger_name)
        self.conn_id = conn_id
        self._connection: Any = None

    @abstractmethod
    def _read(self, connection: Any, extra: dict[str, Any]) -> Any:
        """Return what an Airflow connection says, whose extra has been parsed."""

    @property
    def connection(self) -> Any:
        """The connection, once it was read."""
        if self._connection is None:
            raise RuntimeError("The connection was not read yet: call open() or aopen() first.")
        return self._connection

    @property
    @abstractmethod
    def service(self) -> Service:
        """The service, once the connection was read."""

    @abstractmethod
    def _client_options(self) -> dict[str, Any]:
        """Return the ``httpx`` options that carry the credential and the TLS settings."""

    def get_conn(self) -> Service:
        """Return the service, reading the connection if need be."""
        self.open()
        return self.service

    def open(self) -> None:
        """Read the connection; once.

        Raises:
            InvalidInput: A field of the connection cannot be right.
            AirflowNotFoundException: There is no such connection.
        """
        if self._connection is None:
            connection = self.get_connection(self.conn_id)
            self._connection = self._read(connection, connection.extra_dejson)

    async def aopen(self) -> None:
        """Read the connection in an event loop; once."""
        if self._connection is None:
            connection = await self.aget_connection(self.conn_id)
            self._connection = self._read(connection, await connection.aextra_dejson())

    @contextmanager
    def client(self, timeout: httpx.Timeout = TIMEOUT) -> Iterator[httpx.Client]:
        """Open a client that carries the credential."""
        self.open()
        with httpx.Client(timeout=timeout, **self._client_options()) as client:
            yield client

    @asynccontextmanager
    async def aclient(self) -> AsyncIterator[httpx.AsyncClient]:
        """Open a client for an event loop."""
        async with httpx.AsyncClient(**await self.client_options()) as client:
            yield client

    async def client_options(self) -> dict[str, Any]:
        """Return what a client of an event loop needs, as ``httpx.AsyncClient`` takes it."""
        await self.aopen()
        # Reading certificates for the first time takes long enough to be felt by every other trigger.
        return {"timeout": TIMEOUT, **await asyncio.to_thread(self._client_options)}

    def run(self, flow: Flow[T], store: drive.RecordStore | None = None, *, within: float | None = None) -> T:
        """Carry out a flow of this hook's service, blocking.

        Args:
            flow: The flow.
            store: Keeps its record, if it has one.
            within: Seconds that it may take; ``None`` for no limit.

        Raises:
            TimeoutError: It took longer.
        """
        if within is None:
            with self.client() as client:
                return drive.run(flow, client, store=store)

        def in_time() -> T:
            with self.client(httpx.Timeout(within / 2)) as client:
                return drive.run(flow, client, store=store, within=within)

        # Whoever issues tokens takes time of their own.
        return bounded_call(in_time, within)

    async def arun(self, flow: Flow[T], store: drive.AsyncRecordStore | None = None) -> T:
        """Carry out a flow of this hook's service in an event loop."""
        async with self.aclient() as client:
            return await drive.arun(flow, client, store=store)
