"""What uploading a folder costs, beside azure-storage-blob, to Azurite in the same run.

Each upload is made by a process of its own. azure-storage-blob uploads files, not folders; so they are given
to it by as many threads as ours. The two take turns, ours, theirs, ours, theirs, after a round that does not
count, and the medians are compared. Our time contains reading everything for the hash.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from airflow_batch_provider.emulator.server import Emulator
from tests.azurite import Azurite, CannotRunError

MIB = 1024 * 1024
CONTAINER = "uploads"
THREADS = 16
MEASURED = """
import json, resource, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
{prepare}
began = time.perf_counter()
{work}
took = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"seconds": took, "peak": peak, "cpu": time.process_time(), "sent": sent}}))
"""
OURS = (
    """
from airflow_batch_provider.hooks.azure_ml import AzureMLHook
from airflow_batch_provider.hooks.uploads import upload
""",
    """
sent = upload(AzureMLHook(), str(folder), kind="data", log=lambda line: print(line, file=sys.stderr)).sent
""",
)
THEIRS = """
from azure.storage.blob import ContainerClient
url, sas, prefix = sys.argv[2:]
client = ContainerClient.from_container_url(f"{url}?{sas}", connection_timeout=60)
files = [path for path in folder.rglob("*") if path.is_file()]
def put(path):
    with path.open("rb") as file:
        client.upload_blob(f"{prefix}/{path.relative_to(folder)}", file, overwrite=True, max_concurrency=8)
"""
THREADED = f"""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor({THREADS}) as threads:
    sent = len(list(threads.map(put, files)))
"""


def write(folder: Path, files: int, size: int) -> None:
    """Write files of equal size that cannot be compressed, in folders of a hundred."""
    for at in range(files):
        place = folder / f"{at // 100:03}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{at:06}.bin").write_bytes(os.urandom(size // files))


def measured(
    python: str, code: tuple[str, str], *arguments: object, **environment: str
) -> dict[str, float] | None:
    """Run one upload in a process of its own; ``None`` if its library is not installed."""
    command = [python, "-c", MEASURED.format(prepare=code[0], work=code[1]), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(rounds: list[dict[str, float] | None]) -> dict[str, float] | None:
    """Return the medians of the rounds, with the highest peak of all."""
    found = [one for one in rounds if one is not None]
    if not found:
        return None
    medians = {key: statistics.median(one[key] for one in found) for key in found[0]}
    return medians | {"peak": max(one["peak"] for one in found)}


def told(found: dict[str, float] | None) -> str:
    """Return how long one upload took, in words."""
    return "not installed" if found is None else f"{found['seconds']:.1f} s"


def row(name: str, found: dict[str, float] | None, size: int, best: float) -> None:
    """Print the figures of one upload, and its time as a ratio to ours."""
    if found is None:
        print(f"{name:<44} not installed (pip install azure-storage-blob)")
        return
    rate = size / MIB / found["seconds"]
    print(
        f"{name:<44} {found['seconds']:7.1f} s {rate:7.1f} MiB/s  peak {found['peak']:5.0f} MiB"
        f"  CPU {found['cpu']:6.1f} s  sent {found['sent']:5.0f} files  {found['seconds'] / best:5.2f} x ours"
    )


def main() -> None:
    """Print a row for each way to upload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the folder")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument(
        "--rounds", type=int, default=3, help="of each; their medians count, and the highest peak"
    )
    parser.add_argument("--theirs", default=sys.executable, help="a Python that has azure-storage-blob")
    options = parser.parse_args()
    size = options.mib * MIB
    with tempfile.TemporaryDirectory() as scratch, Emulator() as workspace:
        folder, state = Path(scratch, "folder"), Path(scratch, "azurite")
        state.mkdir()
        try:
            azurite = Azurite(state, in_memory=False)
        except CannotRunError as error:
            print(error)
            return
        try:
            write(folder, options.files, size)
            azurite.create(CONTAINER)
            azurite.make_default(workspace.url, CONTAINER, azurite.by_key())
            connection = {"AIRFLOW_CONN_AZURE_ML_DEFAULT": json.dumps(workspace.airflow_connection())}
            account = (f"{azurite.url}/{CONTAINER}", azurite.sas("rcwl"))
            ours, threaded = [], []
            for turn in range(options.rounds + 1):
                folder = folder.rename(Path(scratch, f"folder-{turn}"))  # Or there would be nothing to send.
                upload = partial(measured, sys.executable, OURS, folder, **connection)
                ours.append(upload())
                threaded.append(
                    measured(options.theirs, (THEIRS, THREADED), folder, *account, f"threads-{turn}")
                )
                if turn:
                    print(f"round {turn}: {told(ours[-1])} ours, {told(threaded[-1])} theirs", flush=True)
            again = upload()
        finally:
            azurite.close()
    ours, threaded = summary(ours[1:]), summary(threaded[1:])
    best = ours["seconds"] if ours else 1.0
    row(f"ours, {options.mib} MiB in {options.files} files", ours, size, best)
    row(f"azure-storage-blob, {THREADS} threads", threaded, size, best)
    row("ours, again", again, size, best)


if __name__ == "__main__":
    main()
