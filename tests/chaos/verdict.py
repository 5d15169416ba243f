"""What has to hold of many submissions, whoever made them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

TWINS = 20
TWIN_FOLDER = "in/twin"


@dataclass
class Task:
    """A task, and what became of it.

    Attributes:
        name: Of nobody else.
        folder: What its job reads.
        outcome: The job's status, or the name of the error that ended the task.
        job_id: Of the job that it has, if it succeeded.
        errors: How its tries ended before.
    """

    name: str
    folder: str
    outcome: str = ""
    job_id: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_twin(self):
        """Whether others have the same inputs."""
        return self.folder == TWIN_FOLDER


def names(number):
    """Yield the name and the folder of each task; some of them have the same inputs."""
    twins = min(TWINS, number // 4)
    for one in range(number - twins):
        yield f"run {one}", f"in/{one:04}"
    for one in range(twins):
        yield f"twin {one}", TWIN_FOLDER


def check(tasks, service, emulator, seconds):
    """No duplicate, nothing lost, nobody else's job, and no failure but where no honest answer exists."""
    emulator.delete("faults").raise_for_status()
    jobs = {job["id"]: job for job in emulator.get("jobs").json()["jobs"]}
    requests = emulator.get("requests").json()["requests"]
    hit = sum(bool(entry["faults"]) for entry in requests)
    outcomes = Counter(task.outcome for task in tasks)
    tries = Counter(error.partition(":")[0] for task in tasks for error in task.errors)
    print(f"{len(requests)} requests, {hit / len(requests):.0%} with a fault, {seconds:.0f} s")
    print(f"outcomes {dict(outcomes)}, ends of tries {dict(tries)}")
    for task in tasks:
        if task.outcome != service.done:
            print(task.name, *task.errors, sep="\n  ")

    unknown = [task for task in tasks if task.outcome == "SubmissionUnknown"]
    assert set(outcomes) <= {service.done, "SubmissionUnknown"}
    taken = [task.job_id for task in tasks if task.job_id]
    assert len(set(taken)) == len(taken)
    for task in tasks:
        if task.job_id:
            assert service.read(jobs[task.job_id]) == task.folder
    by_folder = Counter(service.read(job) for job in jobs.values())
    twins = by_folder.pop(TWIN_FOLDER)
    assert twins <= sum(task.is_twin for task in tasks)
    assert [path for path, count in by_folder.items() if count > 1] == []
    assert len(jobs) >= len(tasks) - len(unknown)
    # Of a twin without a marker it cannot be known whose job is whose.
    assert len([task for task in unknown if not task.is_twin]) <= len(tasks) // 200
    assert len(unknown) < max(TWINS // 2, len(tasks) / 100)
