"""A job goes on where it was when the emulator, and with it everything else, was killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

import airflow_batch_provider
from airflow_batch_provider.emulator.scoring import ScoringJob, ScoringSpec
from airflow_batch_provider.emulator.scoring_coordinator import Coordinator
from airflow_batch_provider.emulator.scoring_slot import Crew, DisbandedError

EMULATOR = """
import sys
sys.path.insert(0, sys.argv[1])
from airflow_batch_provider.emulator.scoring import ScoringJob, ScoringSpec
job = ScoringJob.start(ScoringSpec.from_json(sys.argv[2]))
print(job.pid, flush=True)
sys.stdin.read()
"""
# Scores file after file until it meets the file "gate-N.txt" and no file "open" is in the output folder.
GATED = """
    import os, time

    HERE = os.environ["AZUREML_BI_OUTPUT_PATH"]

    def init():
        print("init", os.getpid())

    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        print("run", name)
        if name == os.environ.get("RAISE_ON"):
            raise ValueError(name)
        while name == "03.txt" and not os.path.exists(HERE + "/open"):
            time.sleep(0.01)
        return [name]
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
    """Return a factory: a script's text and other fields -> a specification with six input files."""

    def build(script=GATED, **fields):
        code, inputs = tmp_path / "code", tmp_path / "inputs"
        code.mkdir(exist_ok=True)
        inputs.mkdir(exist_ok=True)
        (code / "score.py").write_text(dedent(script))
        names = [inputs / f"{number:02d}.txt" for number in range(6)]
        for name in names:
            name.write_text("x")
        defaults = {
            "work_dir": tmp_path / "work",
            "code_dir": code,
            "scoring_script": "score.py",
            "model_path": inputs,
            "input_files": tuple(map(str, names)),
            "output_dir": tmp_path / "out",
            "mini_batch_size": 1,
            "max_retries": 0,
        }
        return ScoringSpec(**{**defaults, **fields})

    return build


@pytest.fixture
def execute():
    """Return a function that runs a job to its end and returns the result."""
    jobs = []

    def run(spec):
        jobs.append(ScoringJob.start(spec))
        return wait_for(jobs[-1].poll)

    yield run
    for job in jobs:
        job.cancel()


@pytest.fixture
def start_elsewhere():
    """Return a function that starts a job in another process, as the emulator would; (process, pid)."""
    processes = []

    def start(spec):
        root = Path(airflow_batch_provider.__file__).parents[1]
        command = [sys.executable, "-c", EMULATOR, str(root), spec.to_json()]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"))
        return processes[-1], int(processes[-1].stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def printed(spec):
    log = spec.work_dir / "logs/user/stdout/0/process0.stdout.txt"
    return log.read_text().splitlines() if log.exists() else []


def kill_at_the_gate(spec, start_elsewhere):
    """Kill the emulator while the fourth mini-batch runs, and wait until coordinator and worker are gone."""
    emulator, coordinator = start_elsewhere(spec)
    wait_for(lambda: "run 03.txt" in printed(spec))
    emulator.kill()
    for pid in (coordinator, int(printed(spec)[0].split()[1])):
        wait_for(lambda pid=pid: not is_running(pid), seconds=5)


def test_a_job_started_again_does_not_score_finished_mini_batches_again(spec_of, start_elsewhere, execute):
    """The emulator's end ends all processes in the middle of run(); only that mini-batch runs twice."""
    spec = spec_of()
    kill_at_the_gate(spec, start_elsewhere)
    (spec.output_dir / "open").touch()

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.mini_batches_done) == ("Completed", 6, 6)
    assert spec.output_file.read_text().split() == [f"{number:02d}.txt" for number in range(6)]
    runs = [line for line in printed(spec) if line.startswith("run")]
    assert runs == [f"run {number:02d}.txt" for number in (0, 1, 2, 3, 3, 4, 5)]
    assert sorted(path.name for path in spec.output_dir.iterdir()) == ["open", "predictions.csv"]


def test_files_that_failed_before_a_restart_still_count(spec_of, start_elsewhere, execute):
    """A mini-batch that failed for good is finished too, and counts against the error threshold."""
    spec = spec_of(environment_variables={"RAISE_ON": "01.txt"}, error_threshold=1)
    kill_at_the_gate(spec, start_elsewhere)
    (spec.output_dir / "open").touch()

    result = execute(spec)

    assert (result.status, result.succeeded_files, result.failed_files) == ("Completed", 5, 1)
    assert printed(spec).count("run 01.txt") == 1


def test_an_output_written_just_before_the_end_is_known_as_our_own(spec_of, execute):
    """Killed between the output and the result: the job completes and scores nothing again."""
    spec = spec_of()
    spec.output_dir.mkdir()
    (spec.output_dir / "open").touch()
    first = execute(spec)
    runs = printed(spec)
    (spec.work_dir / "result.json").unlink()

    again = execute(spec)

    assert again == first
    assert again.status == "Completed"
    assert printed(spec) == runs


def test_an_output_half_written_before_a_kill_is_replaced(spec_of, execute):
    """What an interrupted write left under its temporary name is taken over by the next one."""
    spec = spec_of()
    spec.output_dir.mkdir()
    (spec.output_dir / "open").touch()
    (spec.output_dir / ".emulator-partial-work-predictions.csv").write_text("half")

    result = execute(spec)

    assert result.status == "Completed", result.error
    assert sorted(path.name for path in spec.output_dir.iterdir()) == ["open", "predictions.csv"]
    assert len(spec.output_file.read_text().split()) == 6


def test_a_strangers_output_is_not_taken_for_our_own_after_a_restart(spec_of, start_elsewhere, execute):
    """Somebody wrote the file while the emulator was down."""
    spec = spec_of()
    kill_at_the_gate(spec, start_elsewhere)
    spec.output_file.write_text("stranger")

    result = execute(spec)

    assert result.status == "Failed"
    assert "the path already exists" in result.error
    assert result.mini_batches_done == 3
    assert spec.output_file.read_text() == "stranger"


def test_a_finished_job_started_again_has_its_result_at_once(spec_of, execute):
    """No process is started for it."""
    spec = spec_of("def init(): raise ValueError('once')\ndef run(mini_batch): pass")
    first = execute(spec)

    job = ScoringJob.start(spec)

    assert job.pid is None
    assert job.poll() == first
    job.cancel()
    assert job.poll() == first


def test_a_second_coordinator_waits_for_the_first(spec_of, start_elsewhere, execute):
    """Two at a time would score mini-batches twice; the second finds the first one's result."""
    spec = spec_of()
    start_elsewhere(spec)
    wait_for(lambda: "run 03.txt" in printed(spec))
    second = ScoringJob.start(spec)
    lock = str(spec.work_dir / "lock")
    wait_for(lambda: lock in [file.path for file in psutil.Process(second.pid).open_files()])
    (spec.output_dir / "open").touch()

    result = wait_for(second.poll)

    assert result.status == "Completed"
    assert len(printed(spec)) == 1 + 6


@pytest.mark.parametrize("scored", [0, 3], ids=["nothing scored", "half scored"])
def test_a_job_that_is_ended_has_no_outcome(spec_of, start_elsewhere, execute, scored):
    """When the emulator is gone the job neither fails nor completes: the next start scores the rest."""
    spec = spec_of()
    spec.work_dir.mkdir(parents=True, exist_ok=True)
    crew = Crew(spec)
    if scored:
        kill_at_the_gate(spec, start_elsewhere)
    coordinator = Coordinator(spec, crew)
    crew.disband()

    with pytest.raises(DisbandedError):
        coordinator.run()

    assert not (spec.output_dir / "predictions.csv").exists()
    (spec.output_dir / "open").touch()
    result = execute(spec)
    assert (result.status, result.succeeded_files) == ("Completed", 6)


def test_a_folder_of_another_job_is_refused(spec_of, execute):
    """Its finished mini-batches would be taken for this job's."""
    spec = spec_of("def init(): raise ValueError\ndef run(mini_batch): pass")
    execute(spec)

    with pytest.raises(ValueError, match="holds another job: its mini-batches differ"):
        ScoringJob.start(spec_of(mini_batch_size=2))
    assert json.loads((spec.work_dir / "spec.json").read_text())["mini_batch_size"] == 1
