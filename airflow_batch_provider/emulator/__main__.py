"""Start the emulator from the command line."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from airflow_batch_provider.emulator.database import StateInUseError
from airflow_batch_provider.emulator.server import Emulator
from airflow_batch_provider.emulator.setup import SetupError


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator until it is told to end.

    Args:
        arguments: The command line without the program's name; None takes the process's own.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 2 if it could not start.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        emulator = Emulator(
            options.state,
            host=options.host,
            port=options.port,
            speed=options.speed,
            setup=options.setup,
            tls=options.tls,
        )
    except (SetupError, StateInUseError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return 2
    # uvicorn has handlers of its own while it serves and raises the signal again at its end: neither a signal
    # that comes before that nor the repeated one may end the process without its clean-up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: emulator.stop())
    if options.until_stdin_ends:
        threading.Thread(target=_stop_after_stdin, args=(emulator,), daemon=True).start()
    print(_greeting(emulator), flush=True)  # noqa: T201 - a command line's answer
    emulator.run()
    return 0


def _stop_after_stdin(emulator: Emulator) -> None:
    # Not by sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    emulator.stop()


def _greeting(emulator: Emulator) -> str:
    connections = {
        "AIRFLOW_CONN_AZURE_ML_DEFAULT": emulator.airflow_connection(),
        "AIRFLOW_CONN_MODELARTS_DEFAULT": emulator.modelarts_connection(),
    }
    lines = [
        f"Batch emulator is ready at {emulator.url}",
        f"State in {emulator.state_dir}; Ctrl-C ends it. The connections for Airflow:",
        *(
            f"export {name}='{json.dumps(value, separators=(',', ':'))}'"
            for name, value in connections.items()
        ),
    ]
    if emulator.ca_file:
        lines.append(f"export SSL_CERT_FILE='{emulator.ca_file}'")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_batch_provider.emulator",
        description="A local emulator of Azure ML batch endpoints and ModelArts workflows.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=8787, help="port to listen on; 0 picks a free one (8787)"
    )
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="keep the state here (default: forget it at exit)"
    )
    parser.add_argument(
        "--setup",
        type=Path,
        metavar="FILE.yml",
        help="endpoints, deployments, algorithms and objects to load",
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="job states this many times faster (1)")
    parser.add_argument(
        "--tls", action="store_true", help="serve https; ca.pem is written into the state folder"
    )
    parser.add_argument(
        "--until-stdin-ends",
        action="store_true",
        help="end with standard input: whoever holds the other end of a pipe need not live to stop it",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of TCP ports
        raise argparse.ArgumentTypeError(f"{port} is no TCP port; choose 0 to 65535")
    return port


def _speed(text: str) -> float:
    speed = float(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return speed


if __name__ == "__main__":
    sys.exit(main())
