"""What tests of the lifecycle share: a client for changes by REST, and what a deployment consists of."""

from __future__ import annotations

from textwrap import dedent

from .conftest import WORKSPACE, wait_for

SCRIPT = """
    import os

    def init():
        global offset
        offset = int(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "offset.txt")).read())

    def run(mini_batch):
        return [f"{os.path.basename(path)} {int(open(path).read()) + offset}" for path in mini_batch]
"""
CLUSTER = {
    "location": "eastus",
    "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_D2_V2"}},
}
ENDPOINT = {"location": "eastus", "properties": {"authMode": "aadToken"}}
FINAL = {"Succeeded", "Failed", "Canceled"}


class Lifecycle:
    """Changes in one workspace."""

    def __init__(self, azure, workspace=WORKSPACE):
        self.azure = azure
        self.workspace = workspace

    def send(self, method, path, body=None, **params):
        url = path if path.startswith("http") else self.workspace + path
        return self.azure.http.request(method, url, headers=self.azure.arm, json=body, params=params or None)

    def put(self, path, body, **params):
        return self.send("PUT", path, body, **params)

    def properties(self, path):
        return self.send("GET", path).json()["properties"]

    def state(self, path):
        return self.properties(path)["provisioningState"]

    def waited(self, answer):
        """Wait for the operation that an answer started; return its last status."""
        assert answer.status_code in {200, 201, 202}, answer.text
        url = answer.headers["azure-asyncoperation"]
        return wait_for(lambda: (told := self.send("GET", url).json())["status"] in FINAL and told)

    def blob(self, path, content):
        """Put a text into the default datastore; return its container's URL."""
        store = self.properties("/datastores/workspaceblobstore")
        url = f"/blob/{store['accountName']}/{store['containerName']}"
        headers = self.azure.storage | {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
        answer = self.azure.http.put(f"{url}/{path}", content=dedent(content).encode(), headers=headers)
        assert answer.status_code == 201, answer.text
        return f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"

    def parts(self):
        """Create what a deployment names: code, model, environment and compute."""
        root = self.blob("score/score.py", SCRIPT)
        self.blob("model/offset.txt", "100")
        self.put("/codes/score/versions/1", {"properties": {"codeUri": f"{root}/score"}})
        uri = "azureml://datastores/workspaceblobstore/paths/model"
        self.put("/models/offset/versions/1", {"properties": {"modelUri": uri}})
        self.put("/environments/plain/versions/1", {"properties": {"image": "ubuntu"}})
        self.put("/computes/cluster", CLUSTER)

    def deployment(self, **changes):
        """Return the body of a deployment of those parts; None takes a property out."""
        properties = {
            "model": {"referenceType": "Id", "assetId": f"{self.workspace}/models/offset/versions/1"},
            "codeConfiguration": {
                "codeId": f"{self.workspace}/codes/score/versions/1",
                "scoringScript": "score.py",
            },
            "environmentId": f"{self.workspace}/environments/plain/versions/1",
            "compute": f"{self.workspace}/computes/cluster",
        } | changes
        kept = {key: value for key, value in properties.items() if value is not None}
        return {"location": "eastus", "properties": kept}

    def endpoint(self, name, **body):
        """Create an endpoint with the default deployment 'one', and wait for both."""
        self.put(f"/batchEndpoints/{name}", ENDPOINT)
        self.waited(self.put(f"/batchEndpoints/{name}/deployments/one", self.deployment()))
        chosen = {"authMode": "AADToken", "defaults": {"deploymentName": "one"}}
        self.waited(self.put(f"/batchEndpoints/{name}", ENDPOINT | {"properties": chosen} | body))
