"""Asset URIs of our schemes, as Airflow normalises them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from airflow.sdk import Asset

from tests.secret_scan import look

GUID = "0A1B2C3D-0000-0000-0000-000000000000"
WORKSPACE = "resourcegroups/MyGroup/workspaces/MyWorkspace"


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("azureml://datastores/Sales/paths/A/b.csv", None),
        ("AzureML://Datastores/Sales/Paths/A/", "azureml://datastores/Sales/paths/A"),
        ("azureml://datastores/sales/paths/datastores/Paths/x", None),
        ("azureml://datastores/paths/paths/x", None),
        ("azureml://datastores/sales", None),
        (
            "azureml://datastores/sales/paths/a?sv=1&sig=TOPSECRETTOPSECRET",
            "azureml://datastores/sales/paths/a",
        ),
        (
            f"azureml://subscriptions/{GUID}/resourceGroups/MyGroup/workspaces/MyWorkspace/datastores/D/paths/P",
            f"azureml://subscriptions/{GUID.lower()}/{WORKSPACE}/datastores/D/paths/P",
        ),
        (
            f"azureml:/subscriptions/{GUID}/resourceGroups/MyGroup/workspaces/MyWorkspace/datastores/D/paths/P",
            f"azureml://subscriptions/{GUID.lower()}/{WORKSPACE}/datastores/D/paths/P",
        ),
        ("azureml://jobs/J1/outputs/Score/paths/P", None),
        ("azureml://locations/westeurope/workspaces/W/data/Sales/versions/3", None),
        ("azureml:sales:3", None),
        ("azureml:sales@latest", None),
        ("obs://bucket/Key/", "obs://bucket/Key"),
        ("OBS://bucket/key?AccessKeyId=TOPSECRET", "obs://bucket/key"),
        ("obs://bucket", "obs://bucket/"),
    ],
)
def test_one_place_has_one_uri(written, uri):
    """Letter case that does not count, slashes at the end and queries are gone; names stay as they are."""
    asset = Asset(written)

    assert asset.uri == uri or (uri is None and asset.uri == written)
    assert Asset(asset.uri).uri == asset.uri
    look("asset", asset.uri)


@pytest.mark.parametrize(
    "written",
    [
        "azureml://nowhere/x",
        "azureml://datastores/",
        "azureml:sales",
        "azureml://",
        "obs://B/key",
        "obs:///key",
    ],
)
def test_what_names_nothing_is_refused(written):
    """When the DAG is parsed, with what to write instead."""
    with pytest.raises(ValueError, match="Write "):
        Asset(uri=written)


def test_the_handlers_cost_a_dag_file_nothing(tmp_path):
    """They load neither Airflow nor a library of any service."""
    code = (
        "import sys; import airflow_batch_provider.assets; "
        "print([m for m in ('airflow', 'httpx', 'airflow_batch_provider.services') if m in sys.modules])"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
