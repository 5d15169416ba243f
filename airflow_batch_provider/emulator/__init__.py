"""The other side of the wire: a local emulator of the services, for tests, demos and development.

``python -m airflow_batch_provider.emulator`` starts it. It speaks the REST APIs of Microsoft Entra ID, Azure
Resource Manager, Azure ML batch endpoints, run history and blob storage, and of Huawei Cloud IAM, ModelArts
workflows and OBS, closely enough for the vendors' own clients, keeps its state in a folder, and executes
deployments and job steps for real in processes of their own.

It imports nothing else of this distribution, so that a mistake in the client cannot confirm itself here.
"""

from __future__ import annotations
