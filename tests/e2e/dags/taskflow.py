"""A function that is mapped over what another task returns, in the triggerer and on one that only submits."""

from airflow.sdk import DAG, task

with DAG("taskflow", schedule=None, catchup=False):

    @task
    def days():
        """List the days, known only when the DAG runs."""
        return [1, 2, 3]

    @task.azure_ml_batch(endpoint_name="simulated", deferrable=True, poll_interval=5)
    def score(day: int, dag_run=None):
        """Return a named input; dag_run shows that the function is given the context."""
        path = f"azureml://datastores/workspaceblobstore/paths/{dag_run.dag_id}/{day:02}"
        return {"pictures": {"type": "uri_folder", "path": path}}

    @task
    def scored(jobs):
        """Take the jobs, and name them."""
        return [job["id"] for job in jobs]

    scored(score.expand(day=days()))
