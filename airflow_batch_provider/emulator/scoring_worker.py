"""The process that runs a user's scoring script: ``python -u scoring_worker.py STDOUT_LOG``.

It is started by its path and uses the standard library alone, because the interpreter is the deployment's
and need not have this package. It talks in JSON lines. Standard input brings, in this order: the setup
``{"code_dir", "script", "logging_level"}``, then requests ``{"files": [...], "rows": path or null}``. Each is
answered with one line on standard output: ``{"kind": "ready"}``, ``{"kind": "done", "items": n}`` or
``{"kind": "failed", "summary", "traceback"}``. ``{"stop": true}`` ends the process; so does the end of the
input, at once, since then the coordinator is gone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict  # noqa: UP035 - the interpreter may be an old one.

Answer = Dict[str, Any]  # noqa: UP006 - see above.


def main(stdout_log: str) -> None:
    """Serve requests until told to stop.

    Args:
        stdout_log: File that collects what the script writes to standard output.
    """
    answers = _take_over_streams(stdout_log)
    requests = _requests()
    script = Script(requests.get())
    answer = _outcome("init()", script.start)
    _send(answers, answer)
    while answer["kind"] != "failed" and "stop" not in (request := requests.get()):
        _send(answers, _outcome("run()", lambda: script.score(request)))


class ScriptError(Exception):
    """The script breaks the contract; the text says how."""


class Script:
    """The user's scoring script.

    Args:
        setup: The first line of the input.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self._code_dir = setup["code_dir"]
        self._path = Path(setup["code_dir"], setup["script"])
        self._logging_level = setup["logging_level"]
        self._module: Any = None

    def start(self) -> Answer:
        """Load the script and call its `init()`.

        Raises:
            ScriptError: It cannot be loaded or lacks a function. What `init()` raises goes through.
        """
        os.chdir(self._code_dir)
        sys.path[0] = self._code_dir
        sys.dont_write_bytecode = True  # The registered code stays as it was registered.
        sys.argv = [str(self._path), "--logging_level", self._logging_level]
        self._module = self._load()
        for function in ("init", "run"):
            if not callable(getattr(self._module, function, None)):
                raise ScriptError(f"{self._path.name} defines no function {function}()")
        self._module.init()
        return {"kind": "ready"}

    def score(self, request: dict[str, Any]) -> Answer:
        """Call `run()` with one mini-batch and write the rows where the request says.

        Raises:
            ScriptError: The result is of the wrong type. What `run()` raises goes through.
        """
        result = self._module.run(list(request["files"]))
        rows, items = _rows(result)
        if request["rows"] is not None:
            Path(request["rows"]).write_bytes(rows.encode("utf-8", "backslashreplace"))
        return {"kind": "done", "items": items}

    def _load(self) -> Any:
        name = self._path.stem
        spec = importlib.util.spec_from_file_location(name, self._path)
        if spec is None or spec.loader is None:
            raise ScriptError(f"{self._path.name} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # What the script pickles must be found under its own module's name.
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            raise ScriptError(f"{self._path.name} could not be loaded: {_reason(error)}") from error
        return module


def _rows(result: Any) -> tuple[str, int]:
    """Return the lines of a result and how many items it has."""
    if callable(getattr(result, "to_csv", None)) and hasattr(result, "columns"):
        return result.to_csv(sep=" ", header=False, index=False), len(result)
    if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__len__"):
        raise ScriptError(f"run() must return a list or a pandas.DataFrame, got {type(result).__name__}")
    return "".join(f"{item}\n" for item in result), len(result)


def _outcome(stage: str, work: Callable[[], Answer]) -> Answer:
    """Do one piece of work; turn whatever it raises into an answer."""
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - a script may raise anything, SystemExit too.
        summary = str(error) if isinstance(error, ScriptError) else f"{stage} raised {_reason(error)}"
        return {"kind": "failed", "summary": summary, "traceback": traceback.format_exc()}


def _reason(error: BaseException) -> str:
    return traceback.format_exception_only(type(error), error)[-1].strip()


def _take_over_streams(stdout_log: str) -> BinaryIO:
    """Keep the answer pipe for ourselves and lead the script's output, that of C code too, to the log."""
    answers = os.fdopen(os.dup(1), "wb")
    _replace_descriptor(1, stdout_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    return answers


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _requests() -> queue.SimpleQueue[dict[str, Any]]:
    """Read requests on a thread, so that the coordinator's end is noticed in the middle of `run()`."""
    lines = os.fdopen(os.dup(0), "rb")
    _replace_descriptor(0, os.devnull, os.O_RDONLY)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            requests.put(json.loads(line))
        _end_with_children()

    threading.Thread(target=read, daemon=True).start()
    return requests


def _replace_descriptor(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o666)
    os.dup2(opened, descriptor)
    os.close(opened)


def _end_with_children() -> None:
    """End this process now, and what the script started, if this process leads its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
