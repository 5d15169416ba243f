"""The executor runs real scoring scripts in real processes, under the rules of the service."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import sys
import time
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from airflow_batch_provider.emulator.scoring import ScoringJob, ScoringSpec
from airflow_batch_provider.emulator.scoring_coordinator import Coordinator
from airflow_batch_provider.emulator.scoring_slot import Crew

USER_FAILURE = (
    "User program failed with Exception: Run failed. Please check logs for details. "
    "You can check logs/readme.txt for the layout of logs."
)
NAMES = """
    import os

    def init():
        pass

    def run(mini_batch):
        return [os.path.basename(file) for file in mini_batch]
"""


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return value


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def spec_of(tmp_path):
    """Return a factory: a script's text, a number of input files and other fields -> a specification."""

    def build(script, files=4, **fields):
        code, inputs = tmp_path / "code", tmp_path / "inputs"
        code.mkdir()
        inputs.mkdir()
        (code / "score.py").write_text(dedent(script))
        names = [inputs / f"{number:02d}.txt" for number in range(files)]
        for name in names:
            name.write_text("x")
        defaults = {
            "work_dir": tmp_path / "work",
            "code_dir": code,
            "scoring_script": "score.py",
            "model_path": None,
            "input_files": tuple(map(str, names)),
            "output_dir": tmp_path / "out",
            "mini_batch_size": 1,
            "max_retries": 0,
        }
        return ScoringSpec(**{**defaults, **fields})

    return build


@pytest.fixture
def start():
    """Return ScoringJob.start; what it started is ended after the test."""
    jobs = []

    def begin(spec):
        jobs.append(ScoringJob.start(spec))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.cancel()


def execute(spec):
    """Run a job to its end with the coordinator in this process; the workers have processes of their own."""
    return Coordinator(spec, Crew(spec)).run()


def rows(spec):
    return spec.output_file.read_text().splitlines()


def log(spec, name):
    return (spec.work_dir / "logs" / name).read_text()


def test_each_mini_batch_is_one_call_and_rows_keep_the_order_of_the_input(start, spec_of):
    """10 files in groups of 4 are 3 calls; the rows are ordered even if the first call ends last."""
    spec = spec_of(
        """
        import os, time

        DONE = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "last-is-done")

        def init():
            pass

        def run(mini_batch):
            names = [os.path.basename(file) for file in mini_batch]
            print("call", *names)
            while "00.txt" in names and not os.path.exists(DONE):
                time.sleep(0.01)
            if "09.txt" in names:
                open(DONE, "w").close()
            return names
        """,
        files=10,
        mini_batch_size=4,
        max_concurrency_per_instance=2,
    )

    result = wait_for(start(spec).poll)

    assert (result.status, result.error) == ("Completed", None)
    assert (result.succeeded_files, result.failed_files) == (10, 0)
    assert (result.mini_batches_done, result.mini_batches) == (3, 3)
    assert rows(spec) == [f"{number:02d}.txt" for number in range(10)]
    calls = [line for n in (0, 1) for line in log(spec, f"user/stdout/0/process{n}.stdout.txt").splitlines()]
    assert sorted(calls) == [
        "call 00.txt 01.txt 02.txt 03.txt",
        "call 04.txt 05.txt 06.txt 07.txt",
        "call 08.txt 09.txt",
    ]
    assert "Mini-batches processed: 3 of 3" in log(spec, "job_progress_overview.txt")
    assert "logs/user/error.txt" in log(spec, "readme.txt")


def test_a_script_finds_the_environment_that_the_service_gives(start, spec_of, tmp_path, monkeypatch):
    """Model folder, output folder, deployment variables, arguments, current directory and import path."""
    model = tmp_path / "registered" / "digits"
    model.mkdir(parents=True)
    (model / "weights.pkl").write_text("w")
    (model.parent / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    spec = spec_of(
        """
        import argparse, glob, json, os, sys
        import helper

        def init():
            level = argparse.ArgumentParser()
            level.add_argument("--logging_level")
            model = os.environ["AZUREML_MODEL_DIR"]
            seen = {
                "level": level.parse_known_args()[0].logging_level,
                "models": [os.path.relpath(p, model) for p in glob.glob(model + "/*/*.pkl")],
                "own": os.listdir(model),
                "cwd": os.getcwd(),
                "path0": sys.path[0],
                "greeting": os.environ["GREETING"] + helper.MARK,
                "pythonpath": os.environ["PYTHONPATH"],
                "stdin": sys.stdin.read(),
                "main": __name__,
            }
            with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "seen.json"), "w") as file:
                json.dump(seen, file)

        def run(mini_batch):
            return mini_batch
        """,
        model_path=model,
        logging_level="Debug",
        environment_variables={"GREETING": "hello"},
    )
    (spec.code_dir / "helper.py").write_text("MARK = '!'")

    result = wait_for(start(spec).poll)

    assert result.status == "Completed", result.error
    assert json.loads((spec.output_dir / "seen.json").read_text()) == {
        "level": "Debug",
        "models": ["digits/weights.pkl"],
        "own": ["digits"],
        "cwd": str(spec.code_dir),
        "path0": str(spec.code_dir),
        "greeting": "hello!",
        "pythonpath": "/nowhere",
        "stdin": "",
        "main": "score",
    }
    assert rows(spec) == list(spec.input_files)
    assert [path.name for path in spec.code_dir.iterdir() if path.is_dir()] == []


def test_a_model_may_be_one_file(spec_of, tmp_path):
    """The model folder contains the model's own file."""
    model = tmp_path / "model.pkl"
    model.write_text("weights")
    script = NAMES.replace("pass", 'print(open(os.environ["AZUREML_MODEL_DIR"] + "/model.pkl").read())')
    spec = spec_of(script, files=1, model_path=model)

    assert execute(spec).status == "Completed"
    assert log(spec, "user/stdout/0/process0.stdout.txt") == "weights\n"


def test_nodes_times_processes_work_at_the_same_time_and_init_runs_once_in_each(spec_of):
    """Two nodes with two processes are four workers, if the input has that many mini-batches."""
    spec = spec_of(
        """
        import os, time

        HERE = os.environ["AZUREML_BI_OUTPUT_PATH"]

        def init():
            print("init")

        def run(mini_batch):
            open(os.path.join(HERE, f"worker-{os.getpid()}"), "w").close()
            while len([name for name in os.listdir(HERE) if name.startswith("worker-")]) < 4:
                time.sleep(0.01)
            return mini_batch
        """,
        files=8,
        instance_count=2,
        max_concurrency_per_instance=2,
    )

    result = execute(spec)

    assert result.status == "Completed", result.error
    for node in (0, 1):
        for process in (0, 1):
            assert log(spec, f"user/stdout/{node}/process{process}.stdout.txt") == "init\n"


def test_rows_of_a_data_frame_are_space_separated_without_names(spec_of):
    """A frame is known by what it can do, and written the way it writes CSV itself."""
    spec = spec_of(
        """
        import csv, io

        class Frame:
            columns = ["file", "label"]

            def __init__(self, rows):
                self.rows = rows

            def __len__(self):
                return len(self.rows)

            def __iter__(self):
                return iter(self.columns)

            def to_csv(self, *, sep, header, index):
                text = io.StringIO()
                writer = csv.writer(text, delimiter=sep, lineterminator="\\n")
                writer.writerows([self.columns] if header else [])
                writer.writerows([9, *row] if index else row for row in self.rows)
                return text.getvalue()

        def init():
            pass

        def run(mini_batch):
            return Frame([["a b", 1], ["c", 2.5]])
        """,
        files=2,
        mini_batch_size=2,
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files) == ("Completed", 2)
    assert spec.output_file.read_text() == '"a b" 1\nc 2.5\n'


def test_items_are_written_one_a_line_as_text(spec_of):
    """Items of any type, in any sequence, become the text that str() gives."""
    script = "def init(): pass\ndef run(mini_batch): return [1, (2, 'x'), {'a': None}, 'é', '\\udc80']"
    spec = spec_of(script, files=1)

    assert execute(spec).status == "Completed"
    assert spec.output_file.read_text(encoding="utf-8") == "1\n(2, 'x')\n{'a': None}\né\n\\udc80\n"


def test_a_raising_mini_batch_is_tried_again_in_the_same_process(spec_of):
    """An exception costs a try, not the process; a later success counts as any other."""
    spec = spec_of(
        """
        calls = 0

        def init():
            print("init")

        def run(mini_batch):
            global calls
            calls += 1
            if calls < 3:
                raise ValueError(f"call {calls}")
            return mini_batch
        """,
        files=1,
        max_retries=2,
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 1, 0)
    assert log(spec, "user/stdout/0/process0.stdout.txt") == "init\n"
    errors = log(spec, "user/error.txt")
    assert "Mini-batch 0, try 1 of 3: run() raised ValueError: call 1" in errors
    assert 'raise ValueError(f"call {calls}")' in errors
    assert "try 3" not in errors


ONE_IN_FIVE_FAILS = """
    import os

    def init():
        pass

    def run(mini_batch):
        names = [os.path.basename(file) for file in mini_batch]
        if names[0] in ("00.txt", "05.txt"):
            raise RuntimeError("unreadable")
        return names
"""


@pytest.mark.parametrize("threshold", [-1, 2])
def test_files_may_fail_up_to_the_threshold(spec_of, threshold):
    """The job completes without the rows of failed files; -1 ignores any number."""
    spec = spec_of(ONE_IN_FIVE_FAILS, files=10, error_threshold=threshold)

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 8, 2)
    assert rows(spec) == [f"{number:02d}.txt" for number in range(10) if number % 5]


def test_more_failed_files_than_the_threshold_fail_the_job_and_stop_it(spec_of):
    """What comes after the file too many is not scored any more, and no output is left."""
    spec = spec_of(ONE_IN_FIVE_FAILS, files=10, error_threshold=1)

    result = execute(spec)

    assert result.status == "Failed"
    assert result.error == f"{USER_FAILURE}\n2 files failed, more than the error threshold of 1."
    assert (result.failed_files, result.mini_batches_done, result.mini_batches) == (2, 6, 10)
    assert list(spec.output_dir.iterdir()) == []


def test_the_threshold_counts_all_files_of_a_failed_mini_batch(spec_of):
    """One mini-batch of five files that fails is five failed files."""
    spec = spec_of(ONE_IN_FIVE_FAILS, files=10, mini_batch_size=5, error_threshold=4)

    assert "5 files failed" in execute(spec).error


def test_items_that_are_not_returned_count_as_failed_files(spec_of):
    """Fewer items than files: the rest failed. More items than files: no file counts twice."""
    spec = spec_of(
        """
        def init():
            pass

        def run(mini_batch):
            return mini_batch[:1] if "00.txt" in mini_batch[0] else mini_batch * 3
        """,
        files=6,
        mini_batch_size=3,
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 4, 2)
    assert len(rows(spec)) == 1 + 9


def test_a_job_without_one_returned_item_fails(spec_of):
    """It fails with the service's words, whatever the error threshold says."""
    result = execute(spec_of("def init(): pass\ndef run(mini_batch): return []"))

    assert result.status == "Failed"
    assert result.error.startswith("No succeeded mini batch item returned from run()")
    assert (result.succeeded_files, result.failed_files) == (0, 4)


def test_a_call_that_hangs_is_tried_again_in_a_fresh_process(start, spec_of):
    """The hung process is ended together with what it started."""
    spec = spec_of(
        """
        import os, subprocess, sys, time

        MARK = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "pids")

        def init():
            print("init", os.getpid())

        def run(mini_batch):
            if not os.path.exists(MARK):
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                with open(MARK, "w") as file:
                    file.write(f"{os.getpid()} {child.pid}")
                time.sleep(60)
            return mini_batch
        """,
        files=2,
        max_retries=1,
        timeout_seconds=0.5,
    )

    result = wait_for(start(spec).poll)

    assert (result.status, result.succeeded_files) == ("Completed", 2)
    assert len(log(spec, "user/stdout/0/process0.stdout.txt").splitlines()) == 2
    assert "Mini-batch 0, try 1 of 2: run() took longer than 0.5 s" in log(spec, "user/error.txt")
    for pid in (spec.output_dir / "pids").read_text().split():
        wait_for(lambda pid=int(pid): not is_running(pid))


def test_a_mini_batch_that_hangs_on_each_try_fails_the_job(spec_of):
    """Unlike a mini-batch that raises on each try."""
    spec = spec_of(
        """
        import time

        def init():
            pass

        def run(mini_batch):
            if "01.txt" in mini_batch[0]:
                time.sleep(60)
            return mini_batch
        """,
        max_retries=1,
        timeout_seconds=0.3,
    )

    result = execute(spec)

    assert result.status == "Failed"
    assert result.error == f"{USER_FAILURE}\nrun() timed out on each try of mini-batch 1 (2 tries)."
    assert result.mini_batches_done == 1


def test_a_process_that_dies_is_replaced_and_its_files_fail_in_the_end(spec_of, monkeypatch):
    """A crash of the interpreter costs a try, as an exception does; what was printed is not lost."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    spec = spec_of(
        """
        import os, sys

        def init():
            print("init", end=" ")

        def run(mini_batch):
            if "00.txt" in mini_batch[0]:
                os.kill(os.getpid(), 9)
            if "01.txt" in mini_batch[0]:
                sys.exit(3)
            return mini_batch
        """,
        files=3,
        max_retries=1,
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 1, 2)
    assert log(spec, "user/stdout/0/process0.stdout.txt") == "init " * 3
    errors = log(spec, "user/error.txt")
    assert "Mini-batch 0, try 2 of 2: the worker process ended with signal 9" in errors
    assert "Mini-batch 1, try 2 of 2: run() raised SystemExit: 3" in errors


def test_a_child_that_outlives_its_worker_does_not_hide_the_death(spec_of):
    """A forked child holds the worker's pipes open; the death is noticed all the same."""
    spec = spec_of(
        """
        import os, time

        def init():
            pass

        def run(mini_batch):
            if os.fork() == 0:
                time.sleep(60)
            if "00.txt" in mini_batch[0]:
                os._exit(7)
            return mini_batch
        """,
        files=2,
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 1, 1)
    assert "ended with exit code 7" in log(spec, "user/error.txt")


@pytest.mark.parametrize(
    ("script", "fields", "words"),
    [
        (
            "def init(): raise OSError('no model')\ndef run(mini_batch): return mini_batch",
            {},
            [USER_FAILURE, "init() raised OSError: no model"],
        ),
        (
            "import os\ndef init(): os._exit(2)\ndef run(mini_batch): return mini_batch",
            {},
            [USER_FAILURE, "init() did not end: the worker process ended with exit code 2"],
        ),
        ("def init(:", {}, [USER_FAILURE, "score.py could not be loaded: SyntaxError"]),
        ("import no_such_module", {}, [USER_FAILURE, "No module named 'no_such_module'"]),
        ("def init(): pass", {}, [USER_FAILURE, "score.py defines no function run()"]),
        ("def run(mini_batch): return mini_batch", {}, [USER_FAILURE, "score.py defines no function init()"]),
        (NAMES, {"scoring_script": "missing.py"}, ["'missing.py' was not found", "scoringScript"]),
        (NAMES, {"model_path": Path("/no/such/model")}, ["model was not found at /no/such/model"]),
        (NAMES, {"python": "/no/such/python"}, ["'/no/such/python' cannot be started"]),
        (NAMES, {"input_files": ()}, ["The input holds no files"]),
    ],
)
def test_a_job_that_cannot_work_fails_saying_why(spec_of, script, fields, words):
    """The first words are the service's where they are known; then comes what exactly happened."""
    spec = spec_of(script, **fields)

    result = execute(spec)

    assert result.status == "Failed"
    for word in words:
        assert word in result.error
    assert result.error in log(spec, "user/error.txt")


def test_a_result_of_the_wrong_type_is_told_in_the_log(spec_of):
    """A script that returns text would otherwise seem to have returned many items."""
    spec = spec_of("def init(): pass\ndef run(mini_batch): return 'text'")

    assert execute(spec).status == "Failed"
    assert "run() must return a list or a pandas.DataFrame, got str" in log(spec, "user/error.txt")


def test_an_output_that_exists_fails_the_job_and_stays_as_it_is(spec_of):
    """The script is not even started."""
    spec = spec_of(NAMES, output_file_name="custom.csv")
    spec.output_dir.mkdir()
    spec.output_file.write_text("precious")

    result = execute(spec)

    assert result.status == "Failed"
    assert "the path already exists" in result.error
    assert "custom.csv" in result.error
    assert spec.output_file.read_text() == "precious"
    assert result.mini_batches_done == 0


def test_an_output_that_appears_while_the_job_runs_is_not_overwritten(spec_of):
    """Two jobs with the same output path: the second one to end fails."""
    script = NAMES.replace("return", "open(os.environ['RIVAL'], 'w').write('rival'); return")
    spec = spec_of(script)
    spec = dataclasses.replace(spec, environment_variables={"RIVAL": str(spec.output_file)})

    result = execute(spec)

    assert result.status == "Failed"
    assert "the path already exists" in result.error
    assert spec.output_file.read_text() == "rival"


def test_summary_only_leaves_the_output_to_the_script(spec_of):
    """The file of the job lists each processed file with its mini-batch and outcome."""
    spec = spec_of(
        """
        import os

        def init():
            pass

        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name + ".out"), "w") as file:
                file.write("mine")
            return {"00.txt": mini_batch, "02.txt": mini_batch[:1], "04.txt": []}[name]
        """,
        files=6,
        mini_batch_size=2,
        output_action="SummaryOnly",
    )

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 3, 3)
    assert sorted(path.name for path in spec.output_dir.iterdir()) == [
        "00.txt.out", "02.txt.out", "04.txt.out", "predictions.csv",
    ]  # fmt: skip
    assert rows(spec) == [
        "00.txt 0 Succeeded", "01.txt 0 Succeeded",
        "02.txt 1 Partial", "03.txt 1 Partial",
        "04.txt 2 Failed", "05.txt 2 Failed",
    ]  # fmt: skip


def test_what_a_script_prints_goes_to_its_log_even_from_other_programs(start, spec_of):
    """Output never mixes with the protocol, whoever writes it, and is there without a final newline."""
    spec = spec_of(
        """
        import os, sys

        def init():
            os.system("echo from a child")
            print('{"kind": "done", "items": 99}')

        def run(mini_batch):
            print("warning", file=sys.stderr)
            print("é end", end="")
            return mini_batch
        """,
        files=1,
    )

    result = wait_for(start(spec).poll)

    assert result.succeeded_files == 1
    stdout = log(spec, "user/stdout/0/process0.stdout.txt")
    assert stdout == 'from a child\n{"kind": "done", "items": 99}\né end'
    assert log(spec, "user/stderr/0/process0.stderr.txt") == "warning\n"


HANGS_AFTER_ONE = """
    import os, subprocess, sys, time

    def init():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(os.getpid(), child.pid)

    def run(mini_batch):
        if "00.txt" not in mini_batch[0]:
            time.sleep(60)
        return mini_batch
"""


def pids_of(spec, processes=1):
    """Wait until a job's first mini-batch is done, then return the pids that its script printed."""
    folder = spec.work_dir / "logs/user/stdout/0"
    wait_for((spec.work_dir / "mini_batches/000000.json").exists)

    def printed():
        lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
        return lines if len(lines) == processes else None

    return [int(pid) for line in wait_for(printed) for pid in line.split()]


def test_cancel_ends_all_processes_soon_and_may_be_repeated(spec_of, start):
    """Coordinator, workers and the script's own children are gone when cancel has returned."""
    spec = spec_of(HANGS_AFTER_ONE, max_concurrency_per_instance=2)
    job = start(spec)
    pids = [job.pid, *pids_of(spec, processes=2)]
    assert job.poll() is None
    assert job.progress() == (1, 4)

    began = time.monotonic()
    job.cancel()
    job.cancel()

    assert time.monotonic() - began < 4
    assert len(pids) == 5
    assert not psutil.pid_exists(job.pid)
    for pid in pids:
        wait_for(lambda pid=pid: not is_running(pid))
    result = job.poll()
    assert (result.status, result.error) == ("Failed", "The job was canceled.")
    assert (result.succeeded_files, result.mini_batches_done, result.mini_batches) == (1, 1, 4)
    assert list(spec.output_dir.iterdir()) == []


def test_a_coordinator_that_is_killed_is_a_failed_job_without_leftovers(spec_of, start):
    """The text says how it ended and where its log is; the worker does not outlive it."""
    spec = spec_of(HANGS_AFTER_ONE)
    job = start(spec)
    pids = pids_of(spec)

    psutil.Process(job.pid).send_signal(signal.SIGKILL)
    result = wait_for(job.poll)

    assert result.status == "Failed"
    assert "coordinator ended with exit code -9 and left no result" in result.error
    assert "coordinator.txt" in result.error
    for pid in pids:
        wait_for(lambda pid=pid: not is_running(pid))


def test_a_finished_job_leaves_no_process(spec_of, start):
    """A child that the script left running is ended with the job; the coordinator is no zombie."""
    script = HANGS_AFTER_ONE.replace("time.sleep(60)\n        return", "pass\n        return")
    spec = spec_of(script, files=2)
    job = start(spec)

    assert wait_for(job.poll).status == "Completed"
    job.cancel()

    assert job.poll().status == "Completed"
    assert not psutil.pid_exists(job.pid)
    pids = [int(pid) for pid in log(spec, "user/stdout/0/process0.stdout.txt").split()]
    assert len(pids) == 2
    for pid in pids:
        wait_for(lambda pid=pid: not is_running(pid))


def test_a_specification_survives_json(spec_of):
    """What the emulator stores is what it reads back."""
    spec = spec_of(
        NAMES, model_path=Path("/m"), environment_variables={"A": "1"}, output_action="SummaryOnly"
    )

    assert ScoringSpec.from_json(spec.to_json()) == spec
    assert spec.python == sys.executable


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mini_batch_size": 0}, "mini_batch_size must be at least 1, got 0"),
        ({"instance_count": 0}, "instance_count must be at least 1, got 0"),
        ({"max_concurrency_per_instance": -1}, "max_concurrency_per_instance must be at least 1, got -1"),
        ({"error_threshold": -2}, "error_threshold must be at least -1, got -2"),
        ({"max_retries": -1}, "max_retries must be at least 0, got -1"),
        ({"timeout_seconds": 0}, "timeout_seconds must be more than 0, got 0"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds must be more than 0, got nan"),
        ({"output_action": "append_row"}, "output_action must be AppendRow or SummaryOnly, got 'append_row'"),
        (
            {"output_file_name": "a/b.csv"},
            "output_file_name must be a file name without folders, got 'a/b.csv'",
        ),
        ({"output_file_name": ".."}, "output_file_name must be a file name without folders, got '..'"),
        ({"output_file_name": ""}, "output_file_name must be a file name without folders, got ''"),
        (
            {"scoring_script": "../x.py"},
            "scoring_script must be a path inside the code folder, got '../x.py'",
        ),
        ({"scoring_script": ""}, "scoring_script must be a path inside the code folder, got ''"),
        ({"work_dir": Path("here")}, "work_dir must be absolute, got 'here'"),
        ({"input_files": ("a.txt",)}, "input_files must be absolute, got 'a.txt'"),
    ],
)
def test_a_specification_out_of_range_is_refused(spec_of, fields, message):
    """The message names the field, the value and the rule."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        spec_of(NAMES, **fields)
