"""A task whose trigger submits its job."""

from airflow.sdk import DAG, BaseOperator, Param

from tests.e2e.submitting_trigger import SubmittingTrigger


class Submit(BaseOperator):
    """Has its trigger submit, and returns what that tells."""

    template_fields = ("data",)

    def __init__(self, *, data, **kwargs):
        super().__init__(**kwargs)
        self.data = data

    def execute(self, context):
        self.defer(trigger=SubmittingTrigger(self.data), method_name="told")

    def told(self, context, event):
        return event


with DAG("in_trigger", schedule=None, catchup=False, params={"input": Param("none")}):
    Submit(task_id="score", data="azureml://datastores/workspaceblobstore/paths/{{ params.input }}")
