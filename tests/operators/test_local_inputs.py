"""Inputs on this machine, uploaded before the endpoint is invoked."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone

import pytest
from airflow.sdk import DAG

from airflow_batch_provider import errors
from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator


@pytest.fixture
def folder(tmp_path, request):
    """A folder whose content no other test has."""
    place = tmp_path / "scored"
    place.mkdir()
    (place / "a.txt").write_text(request.node.name)
    (place / "b.txt").write_text("b")
    return place


def operator(**arguments):
    given = {"endpoint_name": "letters", "poll_interval": 0.5, **arguments}
    return AzureMLBatchEndpointOperator(task_id="task", **given)


def uploads(emulator):
    return [
        one["path"].rpartition("/")[2]
        for one in emulator.requests()
        if one["plane"] == "blob" and one["method"] == "PUT" and "LocalUpload" in one["path"]
    ]


def invoked(emulator):
    """Return the input of each job that was asked for."""
    bodies = [
        one["body"]
        for one in emulator.requests()
        if one["method"] == "POST" and one["path"].endswith("/jobs")
    ]
    return [next(iter(body["properties"]["InputData"].values())) for body in bodies]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_local_folder_is_uploaded_and_scored(emulator, task, folder, deferrable):
    """The job reads what was on this machine, file by file."""
    job = task.run(operator(input=str(folder), deferrable=deferrable))

    assert job["state"] == "succeeded"
    assert sorted(uploads(emulator)) == ["a.txt", "b.txt"]
    wire = invoked(emulator)[0]
    assert wire["JobInputType"] == "UriFolder"
    assert wire["Uri"].startswith("azureml://subscriptions/")
    assert wire["Uri"].endswith("/scored")


def test_it_is_uploaded_before_the_job_is_submitted(emulator, task, folder):
    """First the files, then the request; so a job never begins without them."""
    task.run(operator(input={"path": str(folder)}))

    writes = [one for one in emulator.requests() if one["method"] in ("PUT", "POST")]
    kinds = ["put" if "LocalUpload" in one["path"] else one["path"].rpartition("/")[2] for one in writes]
    assert [kind for kind in kinds if kind in ("put", "jobs")] == ["put", "put", "jobs"]


def test_a_single_file_is_an_input_of_its_type(emulator, task, folder):
    """Without a type, a file is ``uri_file``; a ``file://`` URL is a path too."""
    task.run(operator(input=(folder / "a.txt").as_uri()))

    assert invoked(emulator)[0]["JobInputType"] == "UriFile"
    assert uploads(emulator) == ["a.txt"]


def test_a_retry_sends_nothing_again(emulator, task, folder):
    """The place is told by the content, so a job of the next try has the same input."""
    emulator.fail(action="status", status=400, match={"method": "POST", "path": "/jobs$"}, times=1)
    with pytest.raises(errors.BadRequest):
        task.run(operator(input=str(folder)))
    task.instance.try_number = 2

    task.run(operator(input=str(folder)))

    first, second = invoked(emulator)
    assert first["Uri"] == second["Uri"]
    assert sorted(uploads(emulator)) == ["a.txt", "b.txt"]


def test_named_inputs_may_be_local(emulator, task, folder):
    """In a mapping, or as a text that can only be a path; each is uploaded."""
    task.run(operator(inputs={"x": {"type": "uri_folder", "path": "{{ params.where }}"}}), where=str(folder))

    assert invoked(emulator)[0]["Uri"].endswith("/scored")


def test_relative_paths_start_at_the_dag_file(emulator, task, folder):
    """Not where some worker happens to run."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        score = operator(input="./scored")
    dag.fileloc = str(folder.parent / "dag.py")

    task.run(score)

    assert sorted(uploads(emulator)) == ["a.txt", "b.txt"]


def test_in_a_file_relative_paths_start_at_the_file(emulator, task, folder):
    """As for the command line."""
    inputs = folder.parent / "inputs.yml"
    inputs.write_text("inputs:\n  x: {type: uri_folder, path: scored}\n")

    task.run(operator(inputs=str(inputs)))

    assert sorted(uploads(emulator)) == ["a.txt", "b.txt"]


BAD = {
    "missing": ({"input": "./nothing"}, errors.NotFound, r"input is './nothing', but there is no such"),
    "missing in a mapping": (
        {"inputs": {"x": {"path": "nothing"}}},
        errors.NotFound,
        r"inputs\['x'\] is 'nothing'.*looked for in",
    ),
    "not allowed": (
        {"input": "{folder}", "upload_local_inputs": False},
        errors.InvalidInput,
        "upload_local_inputs is False",
    ),
    "wrong type": (
        {"input": {"type": "uri_file", "path": "{folder}"}},
        errors.InvalidInput,
        "is a folder.*uri_folder",
    ),
    "wrong elsewhere": (
        {"input": "{folder}", "job_overrides": {"mini_batch_sise": 1}},
        errors.InvalidInput,
        "mini_batch_sise",
    ),
    "neither path nor URI": ({"input": "append"}, errors.InvalidInput, "one data input"),
    "empty": ({"input": "{folder}/empty"}, errors.InvalidInput, "without files"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_right_is_told_before_anything_is_sent(emulator, task, folder, case):
    """The error names field, value and fix; no request was made."""
    arguments, kind, told = BAD[case]
    (folder / "empty").mkdir()
    given = dict(arguments)
    if isinstance(given.get("input"), str):
        given["input"] = given["input"].format(folder=folder)
    elif "input" in given:
        given["input"] = given["input"] | {"path": str(folder)}

    with pytest.raises(kind, match=told):
        task.run(operator(**given))

    assert emulator.requests() == []


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_runs_is_taken_up_although_its_folder_is_gone(emulator, task, folder, deferrable, named):
    """A retry looks at its record before it looks at the folder, which only a new job needs."""
    said = {"endpoint_name": "endless", "timeout": 1, "cancel_on_timeout": False, "deferrable": deferrable}
    said |= {"inputs": {"x": {"path": str(folder)}}} if named else {"input": str(folder)}
    with pytest.raises(errors.JobTimedOut) as first:
        task.run(operator(**said))
    shutil.rmtree(folder)
    emulator.reset()
    task.instance.try_number = 2

    with pytest.raises(errors.JobTimedOut) as second:
        task.run(operator(**said))

    assert second.value.job_id == first.value.job_id
    assert invoked(emulator) == []


def test_a_new_job_needs_its_folder(emulator, task, folder):
    """A retry after a job that was cancelled is told what is missing, and submits nothing."""
    said = {"endpoint_name": "endless", "timeout": 1, "input": str(folder)}
    with pytest.raises(errors.JobTimedOut) as first:
        task.run(operator(**said))
    emulator.wait_for_status(first.value.job_id, "Canceled")
    shutil.rmtree(folder)
    emulator.reset()
    task.instance.try_number = 2

    with pytest.raises(errors.BatchError, match="scored"):
        task.run(operator(**said))

    assert invoked(emulator) == []


def test_a_job_is_not_cancelled_for_one_that_cannot_be(emulator, task, folder):
    """With ``on_retry='resubmit'``, what the new job needs is seen to before the old one is cancelled."""
    said = {
        "endpoint_name": "endless",
        "timeout": 1,
        "cancel_on_timeout": False,
        "input": {"path": str(folder)},
    }
    with pytest.raises(errors.JobTimedOut) as first:
        task.run(operator(**said))
    shutil.rmtree(folder)
    task.instance.try_number = 2

    with pytest.raises(errors.NotFound, match="no such file or folder") as told:
        task.run(operator(**said, on_retry="resubmit"))

    assert told.value.job_id == first.value.job_id
    assert emulator.job(first.value.job_id)["status"] not in ("CancelRequested", "Canceled")
