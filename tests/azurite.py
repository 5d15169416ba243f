"""Azurite, Microsoft's own storage emulator: installed once, and run with one account."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import hmac
import json
import os
import queue
import secrets
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from obstore.store import AzureStore

PACKAGE = "azurite@3.35.0"
ROOT = Path(__file__).parents[1] / "build" / "azurite"
MAIN = ROOT / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
INSTALL_SECONDS, START_SECONDS = 300, 60
ACCOUNT = "account"
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/emulator/providers"
    "/Microsoft.MachineLearningServices/workspaces/emulator"
)


class CannotRunError(Exception):
    """Azurite cannot run on this machine."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Azurite cannot run here: {why}")


def installed() -> Path:
    """Return Azurite's main file, installed once for all runs."""
    if not shutil.which("node"):
        raise CannotRunError("there is no 'node'; install Node.js 20.")
    ROOT.parent.mkdir(exist_ok=True)
    with ROOT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run in several processes.
        return _installed()


def _installed() -> Path:
    if not is_installed():
        npm = shutil.which("npm")
        if not npm:
            raise CannotRunError("there is no 'npm'; install Node.js 20 with npm.")
        command = [npm, "install", "--prefix", ROOT, PACKAGE, "--no-audit", "--no-fund"]
        ROOT.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            raise CannotRunError(f"'npm install {PACKAGE}' failed: {error.stderr[-500:]}") from error
        except subprocess.TimeoutExpired as error:
            raise CannotRunError(
                f"'npm install {PACKAGE}' took longer than {INSTALL_SECONDS} seconds."
            ) from error
    return MAIN


def is_installed() -> bool:
    about = ROOT / "node_modules" / "azurite" / "package.json"
    return MAIN.is_file() and json.loads(about.read_text())["version"] == PACKAGE.partition("@")[2]


class Azurite:
    """A storage account on a real port, and its owner, who writes what tests look for."""

    def __init__(self, folder: Path, *, in_memory: bool = True) -> None:
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        options = ["--blobHost", "127.0.0.1", "--blobPort", "0"]
        options += ["--inMemoryPersistence"] if in_memory else ["--location", str(folder)]
        options += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", installed(), *options],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.host = self._host()
        except BaseException:
            self.close()
            raise
        self.url = f"http://{self.host}/{ACCOUNT}"
        self._http = httpx.Client(trust_env=False, timeout=30)

    def _read(self) -> None:
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def _host(self) -> str:
        deadline, said = time.monotonic() + START_SECONDS, []
        while time.monotonic() < deadline:
            try:
                said.append(self._lines.get(timeout=1))
            except queue.Empty:
                continue
            if "successfully listens on http://" in said[-1]:
                return said[-1].rpartition("http://")[2].strip()
            if not said[-1]:
                break
        raise RuntimeError(f"Azurite did not start: {''.join(said)}")

    def sas(self, permissions: str = "rl", expires: str = "2099-01-01T00:00:00Z") -> str:
        """Return a signature for the whole account; source: Create an account SAS, REST reference."""
        values = {"sp": permissions, "ss": "b", "srt": "sco", "se": expires, "sv": "2020-02-10"}
        signed = [
            ACCOUNT,
            *(values.get(name, "") for name in ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")),
        ]
        text = "".join(f"{value}\n" for value in signed)
        digest = hmac.digest(base64.b64decode(self.key), text.encode(), hashlib.sha256)
        return urlencode({**values, "sig": base64.b64encode(digest).decode()})

    def by_key(self) -> dict[str, Any]:
        """Return what opens a datastore: the account's key."""
        return _credential("AccountKey", key=self.key)

    def by_sas(self, permissions: str) -> dict[str, Any]:
        """Return what opens a datastore: a signature."""
        return _credential("Sas", sasToken=self.sas(permissions))

    def make_default(self, emulator: str, container: str, credential: dict[str, Any]) -> None:
        """Make a container the default datastore of the workspace of an emulator of ours."""
        who = {"client_id": "emulator", "client_secret": "emulator", "grant_type": "client_credentials"}
        form = {**who, "scope": "https://management.azure.com/.default"}
        token = self._http.post(f"{emulator}/emulator/oauth2/v2.0/token", data=form).json()["access_token"]
        about = {"accountName": ACCOUNT, "containerName": container, "datastoreType": "AzureBlob"}
        place = {"endpoint": self.host, "protocol": "http", "isDefault": True, "credentials": credential}
        self._http.put(
            f"{emulator}{WORKSPACE}/datastores/azurite",
            json={"properties": {**about, **place}},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()

    def create(self, container: str, *, public: bool = False) -> None:
        """Create a container."""
        headers = {"x-ms-blob-public-access": "container"} if public else {}
        self._put(f"{container}?restype=container&", b"", headers)

    def put(self, name: str, body: bytes = b"x", container: str = "outputs", **metadata: str) -> None:
        """Write a blob."""
        marks = {f"x-ms-meta-{key}": value for key, value in metadata.items()}
        self._put(f"{container}/{quote(name)}?", body, {"x-ms-blob-type": "BlockBlob", **marks})

    async def put_many(self, names: list[str]) -> None:
        """Write small blobs, faster than one by one."""
        store = AzureStore(
            "outputs",
            account_name=ACCOUNT,
            account_key=self.key,
            endpoint=self.url,
            client_options={"allow_http": True},
        )
        turn = asyncio.Semaphore(32)

        async def put(name: str) -> None:
            async with turn:
                await store.put_async(name, b"x")

        await asyncio.gather(*map(put, names))

    def _put(self, where: str, body: bytes, headers: dict[str, str]) -> None:
        url = f"{self.url}/{where}{self.sas('rwdlac')}"
        self._http.put(url, content=body, headers=headers).raise_for_status()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._reader.join(20)
        if hasattr(self, "_http"):
            self._http.close()


def _credential(kind: str, **secret: str) -> dict[str, Any]:
    return {"credentialsType": kind, "secrets": {"secretsType": kind, **secret}}
