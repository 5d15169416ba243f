"""The section ``modelarts`` of a set-up file: who exists, what lies in OBS, algorithms and workflows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.emulator.errors import ServiceError
from airflow_batch_provider.emulator.modelarts.account import Account
from airflow_batch_provider.emulator.modelarts.places import Place, read_place
from airflow_batch_provider.emulator.modelarts.validation import check_workflow
from airflow_batch_provider.emulator.setup_node import Node, SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_batch_provider.emulator.world import World

_TOP = {
    *("region", "project_id", "domain", "user", "password", "access_keys"),
    *("objects", "public_buckets", "algorithms", "workflows"),
}
_ALGORITHM = {"code_dir", "boot_file", "parameters", "environments"}
_REMEMBERED = "modelarts"


@dataclass(frozen=True)
class Cloud:
    """What the section says.

    Attributes:
        account: Who exists.
        objects: Local files and folders with their places in OBS.
        workflows: As the request that creates one has it.
    """

    account: Account
    objects: list[tuple[Place, Path]]
    workflows: list[dict[str, Any]]


def read(section: Node) -> Cloud:
    """Read the section.

    Args:
        section: It, empty if the file has none.

    Raises:
        SetupError: It is not valid: names file, key, value and fix.
    """
    section.only(_TOP)
    default = Account()
    account = Account(
        **{key: section.text(key, getattr(default, key)) for key in ("region", "domain", "user", "password")},
        project_id=section.text("project_id", default.project_id),
        keys=section.texts("access_keys") or default.keys,
        algorithms={node.name: _algorithm(node) for node in section.named("algorithms")},
        public_buckets=tuple(_list(section.child("public_buckets"))),
    )
    return Cloud(
        account,
        [_object(node) for node in section.named("objects", values=str)],
        [_workflow(node) for node in section.named("workflows")],
    )


def put(world: World, cloud: Cloud) -> None:
    """Let the account exist, remember it in the state, copy the files into OBS, and keep the workflows."""
    world.database.remember(_REMEMBERED, asdict(cloud.account))
    world.modelarts.account = cloud.account
    for place, local in cloud.objects:
        if local.is_dir():
            world.obs.upload_folder(local, place.bucket, place.folder)
        else:
            world.obs.upload_file(local, *place)
    for bucket in cloud.account.public_buckets:
        world.obs.create_bucket(bucket)
    for workflow in cloud.workflows:
        world.modelarts.workflows.put(workflow)


def recall(world: World) -> None:
    """Let the account exist that this state remembers, if any."""
    kept = world.database.recall(_REMEMBERED)
    if kept:
        world.modelarts.account = Account(**kept | {"public_buckets": tuple(kept["public_buckets"])})


def _list(node: Node) -> list[str]:
    value = node.value or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise node.wrong("a list of bucket names")
    return value


def _algorithm(node: Node) -> dict[str, Any]:
    node.only(_ALGORITHM)
    code = node.child("code_dir")
    if read_place(code.as_text()) is None:
        raise code.wrong("an OBS folder such as obs://bucket/code/")
    parameters = [{"name": name, "value": value} for name, value in node.mapping("parameters").value.items()]
    return {
        "code_dir": code.as_text(),
        "boot_file": node.child("boot_file").as_text(),
        "parameters": parameters,
        "environments": node.texts("environments"),
    }


def _workflow(node: Node) -> dict[str, Any]:
    definition: dict[str, Any] = {**node.value, "name": node.name}
    try:
        check_workflow(definition)
    except ServiceError as error:
        raise SetupError(f"{node.file}: {'.'.join(node.path)}: {error.message}") from None
    return definition


def _object(node: Node) -> tuple[Place, Path]:
    place = read_place(node.name)
    local = node.existing()
    if place is None or not (place.key or local.is_dir()):
        raise node.wrong("a local path under an OBS path such as obs://bucket/code/")
    return place, local
