"""Tasks whose triggers submit their jobs."""

from airflow.sdk import DAG, BaseOperator, Param

from tests.e2e.submitting_trigger import SubmittingTrigger


class Submit(BaseOperator):
    """Has its trigger submit, and returns what that tells."""

    template_fields = ("order",)

    def __init__(self, *, service, order, **kwargs):
        super().__init__(**kwargs)
        self.service = service
        self.order = order

    def execute(self, context):
        self.defer(trigger=SubmittingTrigger(self.service, self.order), method_name="told")

    def told(self, context, event):
        return event


ORDERS = {
    "azure_ml": {
        "endpoint_name": "simulated",
        "input": {
            "type": "uri_folder",
            "path": "azureml://datastores/workspaceblobstore/paths/{{ params.input }}",
        },
    },
    "modelarts": {"workflow_name": "brief", "data": {"rows": "obs://lab/{{ params.input }}/"}},
}

for name, order in ORDERS.items():
    with DAG(f"{name}_in_trigger", schedule=None, catchup=False, params={"input": Param("none")}):
        Submit(task_id="score", service=name, order=order)
