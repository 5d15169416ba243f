"""What Airflow is told of this provider: connection types with their forms, decorators and links."""

from __future__ import annotations

from typing import Any


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


# Until it is mended (apache/airflow#73298), Airflow's own form sends 0 for a port that is stored as none,
# takes that for another destination, and refuses to test the connection.
_PORT = "0: with none, the connection test of Airflow 3.3 answers Bad Request"

_AZURE_ML_FIELDS = {
    "tenantId": _text("Tenant ID", "Microsoft Entra tenant of the service principal."),
    "subscriptionId": _text("Subscription ID", "Azure subscription of the workspace."),
    "resource_group_name": _text("Resource group", "Resource group of the workspace."),
    "workspace_name": _text("Workspace", "Azure Machine Learning workspace."),
    "cloud_environment": _text(
        "Cloud",
        "Which Azure cloud the workspace is in.",
        enum=["AzurePublicCloud", "AzureChinaCloud", "AzureUSGovernment"],
        default="AzurePublicCloud",
    ),
    "managed_identity_client_id": _text(
        "Managed identity client ID", "Of a user-assigned managed identity; login and password stay empty."
    ),
    "workload_identity_tenant_id": _text(
        "Workload identity tenant ID", "Of a workload identity on Kubernetes."
    ),
    "certificate_path": _text(
        "Certificate path", "PEM or PKCS12 file with certificate and key, instead of a client secret."
    ),
    "authority": _text("Authority", "Base URL of Microsoft Entra ID, if not the cloud's own."),
    "ml_audience": _text(
        "ML audience", "Audience of tokens for batch endpoints, if not the cloud's own: https://ml.azure.com."
    ),
    "inference_domain": _text(
        "Domain of batch endpoints",
        "Behind a private link or proxy, if not the cloud's own: inference.ml.azure.com. Tokens go to hosts "
        "below it.",
    ),
    "api_domain": _text(
        "Domain of regional services", "Of run history and data, if not the cloud's own: api.azureml.ms."
    ),
    "storage_suffix": _text(
        "Storage suffix", "Of storage accounts' hosts, if not the cloud's own: core.windows.net."
    ),
    "studio": _text("Studio URL", "Base URL of links to jobs, if not the cloud's own: https://ml.azure.com."),
    "api_version": _text("API version", "Of Azure Resource Manager requests, if not the default."),
    "verify": _text("Verify TLS", "true, false, or the path of a CA bundle."),
}

_MODELARTS_FIELDS = {
    "region": _text("Region", "Id of the region, such as cn-north-4; also of the buckets in OBS."),
    "project_id": _text("Project ID", "As My Credentials shows it; empty to look it up by the region."),
    "auth": _text(
        "Authentication",
        "aksk signs requests with an access key; token asks IAM for a token with a user's password.",
        enum=["aksk", "token"],
        default="aksk",
    ),
    "security_token": _text(
        "Security token",
        "Of a temporary access key; or, with token, an IAM token that exists already.",
        format="password",
    ),
    "iam_user": _text("IAM user", "Name of the user, with token; the password is the connection's."),
    "iam_domain": _text("IAM domain", "Name of the account that the user belongs to, with token."),
    "workspace_id": _text("Workspace ID", "ModelArts workspace; empty for the default one."),
    "iam_endpoint": _text("IAM URL", "If not the region's own: https://iam.cn-north-4.myhuaweicloud.com."),
    "obs_endpoint": _text("OBS URL", "If not the region's own: https://obs.cn-north-4.myhuaweicloud.com."),
    "endpoint": _text("ModelArts URL", "The same as host; give one of them."),
    "verify": _AZURE_ML_FIELDS["verify"],
}

PROVIDER_INFO: dict[str, Any] = {
    "package-name": "airflow-batch-provider",
    "name": "Batch jobs",
    "description": "Remote machine-learning batch jobs: Azure Machine Learning batch endpoints and "
    "Huawei Cloud ModelArts workflows.",
    "connection-types": [
        {
            "connection-type": "azure_ml",
            "hook-class-name": "airflow_batch_provider.hooks.azure_ml.AzureMLHook",
            "hook-name": "Azure Machine Learning",
            "ui-field-behaviour": {
                "hidden-fields": ["schema"],
                "relabeling": {
                    "login": "Client ID",
                    "password": "Client secret",
                    "host": "Resource Manager URL",
                },
                "placeholders": {
                    "host": "empty for the cloud's own; http://127.0.0.1:8787 for the emulator",
                    "port": _PORT,
                    "login": "empty to use the identity of the machine",
                },
            },
            "conn-fields": _AZURE_ML_FIELDS,
        },
        {
            "connection-type": "modelarts",
            "hook-class-name": "airflow_batch_provider.hooks.modelarts.ModelArtsHook",
            "hook-name": "Huawei Cloud ModelArts",
            "ui-field-behaviour": {
                "hidden-fields": ["schema"],
                "relabeling": {
                    "login": "Access key",
                    "password": "Secret key, or password of the IAM user",
                    "host": "ModelArts URL",
                },
                "placeholders": {
                    "host": "empty for the region's own; http://127.0.0.1:8787 for the emulator",
                    "port": _PORT,
                    "login": "empty with token",
                },
            },
            "conn-fields": _MODELARTS_FIELDS,
        },
    ],
    "asset-uris": [
        {
            "schemes": [scheme],
            "handler": f"airflow_batch_provider.assets.{scheme}",
            "to_openlineage_converter": f"airflow_batch_provider.lineage.assets.{scheme}",
        }
        for scheme in ("azureml", "obs")
    ],
    "config": {
        "airflow_batch_provider": {
            "description": "Options of the provider for remote batch jobs.",
            "options": {
                "polls_per_second": {
                    "description": "How many polls of waiting tasks a triggerer sends in a second on one "
                    "connection, at most; 0 for no limit.",
                    "version_added": "0.1.0",
                    "type": "float",
                    "example": None,
                    "default": "10",
                },
            },
        },
    },
    "task-decorators": [
        {"name": "azure_ml_batch", "class-name": "airflow_batch_provider.decorators.azure_ml.azure_ml_batch"},
    ],
    "extra-links": [
        "airflow_batch_provider.links.AzureMLJobLink",
        "airflow_batch_provider.links.ModelArtsExecutionLink",
    ],
}
