"""The fixture `batch_emulator`, in suites of users: each runs in a pytest, and in a folder, of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from airflow_batch_provider.testing import BatchEmulator, EmulatorError

ROOT = Path(__file__).parents[1]
SECONDS = 240

FILES = {
    "dags/churn.py": """
        from airflow.sdk import DAG
        from airflow_batch_provider.operators.azure_ml import AzureMLBatchEndpointOperator

        with DAG("churn", schedule=None) as dag:
            AzureMLBatchEndpointOperator(
                task_id="score", endpoint_name="churn", input="azureml:rows@latest", deferrable=True
            )
    """,
    "code/score.py": """
        def init():
            pass

        def run(mini_batch):
            return [f"{name} churned" for name in mini_batch]
    """,
    "rows/1.csv": "1,2",
}
TESTS = """
    from pathlib import Path

    from airflow_batch_provider.triggers import settling
    from dags.churn import dag

    HERE = Path(__file__).parent
    settling.SETTLE_SECONDS = 0  # No worker of a scheduler's is about to exit here.

    def test_a_job_runs(batch_emulator):
        batch_emulator.add_data("rows", HERE / "rows")
        batch_emulator.add_deployment(
            "churn", code_configuration={"code": HERE / "code", "scoring_script": "score.py"}
        )
        run = dag.test()
        assert run.state == "success"
        (job,) = batch_emulator.jobs(endpoint="churn")
        assert (job["status"], job["deployment"]) == ("Completed", "default")
        assert len(batch_emulator.requests(method="POST", plane="batch")) == 1

    def test_a_job_fails(batch_emulator):
        batch_emulator.add_data("rows", HERE / "rows")
        batch_emulator.add_deployment("churn", emulator={"status": "failed", "error": "Out of luck."})
        run = dag.test()
        assert run.state == "failed"
        assert batch_emulator.jobs()[0]["status"] == "Failed"
"""


def suite(folder: Path, *, environment: dict[str, str] | None = None, **modules: str) -> list[str]:
    """Write a user's test modules, run them with the plugin, and return what pytest prints."""
    process = started(folder, environment, modules)
    out, _ = process.communicate(timeout=SECONDS)
    return out.splitlines()


def started(
    folder: Path, environment: dict[str, str] | None, modules: dict[str, str]
) -> subprocess.Popen[str]:
    """Start pytest as a user has it, in the folder of their tests."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(dedent(source))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "airflow_batch_provider.testing"]
    command += ["-p", "no:cacheprovider", str(folder)]
    if environment is None:  # Airflow, which needs one, warns of itself.
        command += ["-W", "error"]
    known = {**(environment or os.environ), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.e2e
def test_a_users_dags_are_tested(tmp_path, terminal):
    """Each test's DAG meets an emulator of the test's own, also one after the other in one process."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(content))
    environment = {**terminal, "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}

    told = suite(tmp_path, environment=environment, test_dags=TESTS)

    assert told[-1].startswith("2 passed"), "\n".join(told)[-5000:]


def test_the_environment_is_as_it_was(tmp_path):
    """The connections are there while the test runs, and lead to its emulator; afterwards they are gone."""
    told = suite(
        tmp_path,
        test_environment="""
            import json, os

            NAMES = ("AIRFLOW_CONN_AZURE_ML_DEFAULT", "AIRFLOW_CONN_MODELARTS_DEFAULT")

            def test_with(batch_emulator):
                found = [json.loads(os.environ[name]) for name in NAMES]
                assert found == list(batch_emulator.connections.values())
                assert [one["host"] for one in found] == [batch_emulator.url] * 2

            def test_without():
                assert not set(NAMES) & set(os.environ)
        """,
    )

    assert told[-1].startswith("2 passed"), told


def test_a_start_that_fails_says_why(tmp_path):
    """A set-up that is not valid fails the tests that ask for it, with the key and the fix, and no others."""
    told = suite(
        tmp_path,
        test_failing="""
            import pytest

            @pytest.fixture
            def batch_emulator_options():
                return {"setup": {"endpoints": {"churn": {"deployment": {}}}}}

            def test_with(batch_emulator):
                raise AssertionError("never reached")

            def test_without():
                pass
        """,
    )

    assert told[-1].startswith("1 passed, 1 error"), told
    assert any("endpoints.churn.deployment is not a known key. Known here:" in line for line in told)


def test_no_process_outlives_a_killed_run(tmp_path):
    """An emulator ends when pytest is killed in the middle of a test, by a signal that nothing can handle."""
    module = """
        import pathlib, time

        def test_long(batch_emulator):
            pathlib.Path("url").write_text(batch_emulator.url)
            time.sleep(600)
    """
    process = started(tmp_path, None, {"test_long": module})
    try:
        until(lambda: (tmp_path / "url").is_file() and (tmp_path / "url").read_text(), process)
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.communicate()

    assert [child for child in children if "airflow_batch_provider.emulator" in child.cmdline()] != []
    assert psutil.wait_procs(children, timeout=30)[1] == []


def until(ready, process):
    """Wait for a condition while a process runs."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_run_at_once(tmp_path):
    """Each has a port and a state of its own; each ends alone."""
    with BatchEmulator(folder=tmp_path) as one, BatchEmulator() as other:
        one.add_deployment("churn")
        one.set_faults({"action": "status", "status": 503})

        assert one.url != other.url
        assert (one.connections.keys(), len(other.requests())) == (other.connections.keys(), 0)
        other.stop()
        assert one.jobs() == []
    assert (tmp_path / "state").is_dir()


def test_what_is_wrong_is_told():
    """Whatever the emulator refuses is an error with its words; so is asking one that does not run."""
    emulator = BatchEmulator(setup={"clients": {"me": "my-secret"}})
    with pytest.raises(EmulatorError, match="does not run"):
        emulator.jobs()
    with emulator:
        for refused, words in {
            lambda: emulator.set_faults({"action": "explode"}): "action of a fault is one of latency",
            lambda: emulator.change_settings(speed=2): "Unknown setting 'speed'",
            lambda: emulator.add_deployment("x"): "'x' must be 3 to 32 letters",
            lambda: emulator.add_data("rows", "rows"): "data.rows.path is 'rows', but must be",
            emulator.start: "runs already",
        }.items():
            with pytest.raises(EmulatorError, match=words):
                refused()
        assert emulator.connections["azure_ml_default"]["login"] == "me"


def test_a_deployment_leaves_the_others_alone():
    """An endpoint keeps its deployments and, unless told otherwise, its default; and what the set-up says."""
    setup = {"workspace": "mine", "endpoints": {"churn": {"tags": {"by": "us"}, "deployments": {}}}}
    with BatchEmulator(setup=setup) as emulator:
        emulator.add_deployment("churn", "first")
        emulator.add_deployment("churn", "second", default=False)
        found = resources(emulator, "batchEndpoints/churn")

        assert found["properties"]["defaults"] == {"deploymentName": "first"}
        assert found["tags"] == {"by": "us"}
        listed = resources(emulator, "batchEndpoints/churn/deployments")
        assert sorted(one["name"] for one in listed["value"]) == ["first", "second"]


def resources(emulator, path):
    """Return what Resource Manager says, asked as the connection tells."""
    import httpx

    fields = emulator.connections["azure_ml_default"]
    extra = fields["extra"]
    form = {"grant_type": "client_credentials", "scope": "https://management.azure.com/.default"}
    form |= {"client_id": fields["login"], "client_secret": fields["password"]}
    where = (
        f"/subscriptions/{extra['subscriptionId']}/resourceGroups/{extra['resource_group_name']}/providers"
        f"/Microsoft.MachineLearningServices/workspaces/{extra['workspace_name']}/{path}"
    )
    with httpx.Client(base_url=emulator.url, trust_env=False) as client:
        token = client.post("/emulator/oauth2/v2.0/token", data=form).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return client.get(where, headers=headers).raise_for_status().json()


def test_the_plugin_costs_a_run_nothing():
    """It is loaded into every run of pytest: it brings nothing that such a run would not load anyway."""
    code = (
        "import json, sys; import pytest; before = set(sys.modules)\n"
        "import airflow_batch_provider.testing\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)} - sys.stdlib_module_names
    assert loaded == {"airflow_batch_provider"}
    assert not {name for name in json.loads(run.stdout) if name.startswith("airflow_batch_provider.emulator")}
