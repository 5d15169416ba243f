"""Behaviour that a test may switch while the emulator runs; it survives a restart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_batch_provider.emulator.database import Database


@dataclass(frozen=True)
class Settings:
    """What is not known of the services, or differs between them, and is therefore adjustable.

    Attributes:
        list_lag: Seconds until a new job appears in lists.
        repeatability_dedupe: Whether a repeated ``repeatability_request-id`` gives the first job again.
        keep_tags: Whether custom tags and properties of an invoke are kept on the job.
        drop_tags: The share of new jobs, from 0 to 1, that lose them all the same, chosen at random.
        page_size: Jobs on one page of a list.
        token_lifetime: Seconds until a token of Microsoft Entra ID expires.
        iam_token_lifetime: Seconds until a token of Huawei Cloud's IAM expires.
        operation_uri_in_body: Whether ``properties.properties.AzureAsyncOperationUri`` of an endpoint or
            deployment names its operation, as the published commands read it; new clusters send headers only.
        one_operation_at_a_time: Whether a change of a resource is refused while another is under way; if not,
            it ends after the other.
        keep_labels: Whether the labels of a new ModelArts execution are kept on it.
        requests_per_second: How many requests the batch data plane, Resource Manager and ModelArts each
            answer in a second, after a burst of one second's; further ones are refused with 429 and
            ``Retry-After: 1``. 0 for no limit.
        drop_labels: The share of new executions, from 0 to 1, that lose them all the same, chosen at random.
    """

    list_lag: float = 0.0
    repeatability_dedupe: bool = False
    keep_tags: bool = True
    drop_tags: float = 0.0
    page_size: int = 100
    token_lifetime: float = 3599.0
    iam_token_lifetime: float = 86400.0
    operation_uri_in_body: bool = True
    one_operation_at_a_time: bool = False
    keep_labels: bool = True
    requests_per_second: float = 0.0
    drop_labels: float = 0.0

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Return these settings with some replaced.

        Raises:
            ValueError: A name is unknown or a value has the wrong type; the text says what is right.
        """
        values = asdict(self)
        for name, value in changes.items():
            if name not in values:
                raise ValueError(f"Unknown setting {name!r}; there are {', '.join(sorted(values))}.")
            values[name] = _checked(name, type(values[name]), value)
        return Settings(**values)


def _checked(name: str, kind: type, value: Any) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"Setting {name} is true or false, not {value!r}.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < (1 if kind is int else 0):
        right = "whole number above 0" if kind is int else "number from 0"
        raise ValueError(f"Setting {name} is a {right}, not {value!r}.")
    return kind(value)


class SettingsStore:
    """The settings in force, read from memory and kept in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        known = {field.name for field in fields(Settings)}
        kept = database.recall("settings", {})
        self.current = Settings(**{name: value for name, value in kept.items() if name in known})

    def change(self, changes: dict[str, Any]) -> Settings:
        """Replace some settings and return all of them; raises ValueError as :meth:`Settings.changed`."""
        self.current = self.current.changed(changes)
        self._database.remember("settings", asdict(self.current))
        return self.current
