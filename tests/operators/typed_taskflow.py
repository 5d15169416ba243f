"""Uses of the decorator that a type checker reads; a comment is an error where it finds nothing."""

from __future__ import annotations

from typing import assert_type

from airflow.sdk import XComArg, task

from airflow_batch_provider.decorators import azure_ml_batch


@azure_ml_batch(endpoint_name="digits", deferrable=True, retries=2)
def folder(day: str, number: int = 1) -> str:
    return f"azureml://datastores/sales/paths/{day}/{number}"


@azure_ml_batch(endpoint_name=folder("2026-11-21"))
def named() -> dict[str, str]:
    return {"images": "azureml:images@latest"}


@azure_ml_batch
def bare() -> str:
    return "azureml:images@latest"


@task.azure_ml_batch(endpoint_name="digits")
def by_name() -> str:
    return "azureml:images@latest"


assert_type(folder("2026-11-21"), XComArg)
assert_type(folder.function("2026-11-21"), str)
folder.partial(number=2).expand(day=["2026-11-20", "2026-11-21"])
folder.override(endpoint_name="letters")("2026-11-21", number=3)
by_name()

folder(5)  # type: ignore[arg-type]
folder()  # type: ignore[call-arg, misc]


@azure_ml_batch(endpoint_name=5)  # type: ignore[call-overload, untyped-decorator]
def wrong_argument() -> str:
    return "azureml:images@latest"


@azure_ml_batch(endpoint_name="digits")  # type: ignore[type-var]
def wrong_result() -> int:
    return 5
