"""Naming data: every form of URI that a batch endpoint understands, told apart.

Sources: the REST and CLI guides for batch endpoints, and the URI patterns of azure-ai-ml.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from airflow_batch_provider.errors import InvalidInput, redact
from airflow_batch_provider.values import shown

Kind = Literal["datastore", "asset", "job_output", "storage", "web", "local"]

FORMS = """the forms are
  azureml:NAME:VERSION, azureml:NAME@latest                            a registered data asset
  azureml://locations/LOCATION/workspaces/WORKSPACE/data/NAME/versions/VERSION
  /subscriptions/…/workspaces/WORKSPACE/data/NAME/versions/VERSION
  azureml://datastores/DATASTORE/paths/PATH                            a path in a datastore
  azureml://subscriptions/S/resourceGroups/G/workspaces/W/datastores/DATASTORE/paths/PATH
  azureml:/subscriptions/…/datastores/DATASTORE/paths/PATH
  azureml://jobs/JOB/outputs/OUTPUT/paths/PATH                         an output of another job
  https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH                 a storage account, or any public URL
  wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH
  abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH"""

_FORMS_SENTENCE = FORMS[0].upper() + FORMS[1:]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_ARM = r"""subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/
    (?:providers/Microsoft\.MachineLearningServices/)?workspaces/(?P<workspace>[^/]+)/"""
_DATASTORE = re.compile(
    rf"""(?ix)
    (?: azureml:// | (?:azureml://|azureml:/|/){_ARM} ) datastores/(?P<datastore>{_NAME}) (?: /(?P<rest>.*) )?
    """
)
_ASSET = re.compile(
    rf"""(?ix)
    azureml:/?(?P<short>{_NAME}(?: :{_NAME} | @{_NAME} ))
    | azureml://(?:locations/[^/]+/workspaces/[^/]+|registries/[^/]+)/data/{_NAME}
      /(?:versions/labels/{_NAME}|versions/{_NAME}|labels/{_NAME})/?
    | (?:azureml:)?/subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.MachineLearningServices
      /workspaces/[^/]+/data/{_NAME}/versions/(?:labels/)?{_NAME}/?
    """
)
_JOB_OUTPUT = re.compile(r"(?i)azureml://jobs/[^/]+/outputs/[^/]+(?:/paths/.*)?")
_V1_DATASET = re.compile(r"(?i)(?:azureml://|azureml:/|/)(?:subscriptions|locations)/.+/datasets/.+")
V1_FIX = (
    "Batch endpoints do not read V1 datasets: register the data as a data asset of type uri_folder or "
    "uri_file, or give the path that the dataset stands for."
)
_KINDS_OF_HOST = {"w": "blob", "a": "dfs"}
_STORAGE_HOST = re.compile(r"(?i)(?P<account>[a-z0-9-]+)\.(?:blob|dfs)\.(?P<suffix>[a-z0-9.:-]+)")
# Control characters, and halves of characters, which neither a URL nor UTF-8 can carry.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class DataUri:
    """A URI that names data, understood.

    Args:
        kind: Which of the forms it is.
        text: As it was written, without blanks around it. It may hold a SAS, a secret.
        datastore: The datastore's name; kind ``datastore`` only.
        path: Below the datastore, or below the container.
        subscription: Where the datastore is, if the URI says so.
        group: Resource group, likewise.
        workspace: Likewise.
        account: Storage account; kind ``storage`` only.
        container: Likewise.
        suffix: Of the storage account's host, such as ``core.windows.net``, or the host of a local storage
            emulator, such as ``127.0.0.1:10000``.
        query: Such as a SAS; it is a secret.
    """

    kind: Kind
    text: str = field(repr=False)
    datastore: str = ""
    path: str = ""
    subscription: str = ""
    group: str = ""
    workspace: str = ""
    account: str = ""
    container: str = ""
    suffix: str = ""
    query: str = field(default="", repr=False)


def parse(text: str, field: str, others: str = "") -> DataUri:
    """Tell which form a URI has.

    Args:
        text: The URI, or a local path.
        field: Where it was given, for the message: "inputs['images'].path".
        others: Forms that the caller reads itself, as lines of `FORMS`, for the message.

    Raises:
        InvalidInput: It fits no form; the message shows which there are.
    """
    stripped = text.strip()
    if not stripped or _UNFIT.search(stripped):
        raise InvalidInput(f"{field} is {shown(text)}, which names no data.", fix=_FORMS_SENTENCE + others)
    for reader in (_datastore, _asset, _job_output, _storage, _web):
        found = reader(stripped, field)
        if found is not None:
            return found
    if _V1_DATASET.fullmatch(stripped):
        raise InvalidInput(f"{field} is {shown(stripped)}, a V1 dataset.", fix=V1_FIX)
    if looks_like_data(stripped):
        raise InvalidInput(
            f"{field} is {shown(stripped)}, which fits no form of data URI.", fix=_FORMS_SENTENCE + others
        )
    return DataUri("local", stripped, path=stripped)


def looks_like_data(text: str) -> bool:
    """Say whether a plain string names data rather than being a literal's value."""
    start = text.strip().lower()
    return start.startswith(("azureml:", "/subscriptions/")) or bool(re.match(r"[a-z][a-z0-9+.-]*://", start))


def _datastore(text: str, field: str) -> DataUri | None:
    match = _DATASTORE.fullmatch(text)
    if match is None:
        return None
    word, _, path = (match["rest"] or "").partition("/")
    if word.lower() != "paths" or not path.strip("/"):
        told = path if word.lower() == "paths" else match["rest"] or ""
        raise InvalidInput(
            f"{field} is {shown(text)}, which names a datastore but no path in it.",
            fix="Write the path after /paths/: "
            f"azureml://datastores/{match['datastore']}/paths/{redact(told).strip('/') or 'PATH'}.",
        )
    parts = {key: match[key] or "" for key in ("datastore", "subscription", "group", "workspace")}
    # The CLI guide appends the path to the datastore's ARM id; the REST guide sends that behind azureml:.
    written = f"azureml:{text}" if text.startswith("/") else text
    return DataUri("datastore", written, path=path, **parts)


def _asset(text: str, field: str) -> DataUri | None:
    del field
    match = _ASSET.fullmatch(text)
    if match is None:
        return None
    # The CLI guide writes azureml:/NAME@latest in one place; the service knows it without the slash.
    return DataUri("asset", f"azureml:{match['short']}" if match["short"] else text)


def _job_output(text: str, field: str) -> DataUri | None:
    del field
    return DataUri("job_output", text) if _JOB_OUTPUT.fullmatch(text) else None


def _storage(text: str, field: str) -> DataUri | None:
    url = _split(text)
    if url is None or url[0] not in ("https", "http", "wasbs", "wasb", "abfss", "abfs"):
        return None
    scheme, user, host, path, query = url
    match = _STORAGE_HOST.fullmatch(host)
    if user and scheme.startswith("http"):
        return None
    if not scheme.startswith("http"):
        if not user or match is None:
            raise InvalidInput(
                f"{field} is {shown(text)}, which is not a {scheme} URI.",
                fix=f"Write {scheme}://CONTAINER@ACCOUNT.{_KINDS_OF_HOST[scheme[0]]}.SUFFIX/PATH.",
            )
        account, suffix, container = match["account"], match["suffix"], user
    elif match is not None:
        account, suffix = match["account"], match["suffix"]
        container, _, path = path.partition("/")
    else:
        account, suffix, container, path = _by_path(host, path)
    if not container:
        return None
    below = unquote(path) if scheme.startswith("http") else path
    return DataUri(
        "storage", text, path=below, account=account, container=container, suffix=suffix, query=query
    )


def _by_path(host: str, path: str) -> tuple[str, str, str, str]:
    """Return account, suffix, container and path of an address such as Azurite's; empty for any other."""
    if not is_ip(host):
        return "", "", "", ""
    first, _, rest = path.partition("/")
    if first == "blob" and rest.count("/"):  # where the emulator serves storage
        host, path = f"{host}/{first}", rest
    account, _, rest = path.partition("/")
    container, _, path = rest.partition("/")
    return account, host, container, path


def _web(text: str, field: str) -> DataUri | None:
    del field
    url = _split(text)
    if url is None:
        return None
    scheme, user, host, _, _ = url
    # With a password in it, it would be shown wherever inputs are.
    return DataUri("web", text) if scheme in ("https", "http") and host and not user else None


def _split(text: str) -> tuple[str, str, str, str, str] | None:
    """Return scheme, user, host with port, path without its first slash, and query."""
    try:
        url = urlsplit(text)
        user, _, host = url.netloc.rpartition("@")
        url.port  # noqa: B018  # raises where the port is not a number
    except ValueError:
        return None
    return url.scheme.lower(), user, host, url.path.lstrip("/"), url.query


def blob_url(protocol: str, account: str, endpoint: str, container: str, path: str) -> str:
    """Return the https URL of a path in a container.

    An endpoint that is an IP address is addressed by path, as Azurite and the emulator are; any other by
    host.

    Args:
        protocol: ``https``, or ``http`` for a local emulator.
        account: Storage account.
        endpoint: The datastore's own, such as ``core.chinacloudapi.cn`` or ``127.0.0.1:10000``.
        container: Container, or file system.
        path: Below it, not quoted.
    """
    place = f"{container}/{quote(path.lstrip('/'), safe='/')}" if path else container
    if is_ip(endpoint):
        return f"{protocol}://{endpoint}/{account}/{place}"
    return f"{protocol}://{account}.blob.{endpoint}/{place}"


def is_ip(endpoint: str) -> bool:
    """Say whether a host, with or without port and path, is an IPv4 address or ``localhost``."""
    return bool(re.match(r"(?:\d{1,3}(?:\.\d{1,3}){3}|localhost)(?=[:/]|$)", endpoint))


def abfss_uri(account: str, endpoint: str, container: str, path: str) -> str:
    """Return the ``abfss://`` form of a path in a container; empty where no such host can exist."""
    return "" if is_ip(endpoint) else f"abfss://{container}@{account}.dfs.{endpoint}/{path.lstrip('/')}"
