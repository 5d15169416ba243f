"""The three Azure clouds: where each service lives and for whom its tokens are made.

Sources: Microsoft's cloud metadata as its Python clients ship it (azure-cli-core, azure-ai-ml, azureml-core),
and the private DNS zone tables of the Azure Machine Learning documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import shown


@dataclass(frozen=True)
class Cloud:
    """Hosts and token audiences of one cloud.

    Args:
        name: As Airflow's Azure connections spell it.
        arm: Base URL of Azure Resource Manager; also the audience of its tokens.
        authority: Base URL of Microsoft Entra ID.
        ml_audience: Audience of tokens for the batch data plane.
        inference: Domain of scoring URIs, ``{endpoint}.{region}.{inference}``.
        api: Domain of the regional services (run history, data), ``{region}.{api}``.
        storage: Suffix of storage hosts, ``{account}.blob.{storage}``.
        studio: Base URL of Azure Machine Learning studio.
    """

    name: str
    arm: str
    authority: str
    ml_audience: str
    inference: str
    api: str
    storage: str
    studio: str


CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            name="AzurePublicCloud",
            arm="https://management.azure.com",
            authority="https://login.microsoftonline.com",
            ml_audience="https://ml.azure.com",
            inference="inference.ml.azure.com",
            api="api.azureml.ms",
            storage="core.windows.net",
            studio="https://ml.azure.com",
        ),
        # The Chinese documentation names https://studio.ml.azure.cn as the audience, every Microsoft client
        # https://ml.azure.cn: the connection's ml_audience decides where this default is wrong.
        Cloud(
            name="AzureChinaCloud",
            arm="https://management.chinacloudapi.cn",
            authority="https://login.chinacloudapi.cn",
            ml_audience="https://ml.azure.cn",
            inference="inference.ml.azure.cn",
            api="api.ml.azure.cn",
            storage="core.chinacloudapi.cn",
            studio="https://studio.ml.azure.cn",
        ),
        Cloud(
            name="AzureUSGovernment",
            arm="https://management.usgovcloudapi.net",
            authority="https://login.microsoftonline.us",
            ml_audience="https://ml.azure.us",
            inference="inference.ml.azure.us",
            api="api.ml.azure.us",
            storage="core.usgovcloudapi.net",
            studio="https://ml.azure.us",
        ),
    )
}

STORAGE_AUDIENCE = "https://storage.azure.com"
"""Audience of tokens for blob storage, the same in all three clouds."""


def cloud_named(name: str | None) -> Cloud:
    """Return a cloud by its name, the public one for ``None`` or an empty name.

    Raises:
        InvalidInput: There is no such cloud; the message offers the three.
    """
    cloud = CLOUDS.get(str(name or "").strip() or "AzurePublicCloud")
    if cloud is None:
        raise InvalidInput(
            f"cloud_environment is {shown(name)}, which is not an Azure cloud.",
            fix=f"Use one of {', '.join(CLOUDS)}.",
        )
    return cloud
