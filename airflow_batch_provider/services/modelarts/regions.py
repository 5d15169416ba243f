"""Where ModelArts, IAM and OBS are, in each region, and which hosts may see a credential.

Source: the region table of the vendor's Python SDK (``huaweicloudsdkmodelarts`` 3.1). It lists
``ap-southeast-1`` below ``myhuaweicloud.cn``, as no other; that is taken for a slip, and every address can be
overridden.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import RENDERED, is_nothing, shown
from airflow_batch_provider.web import is_local, netloc

REGIONS = (
    "af-north-1",
    "af-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "cn-east-3",
    "cn-east-4",
    "cn-north-1",
    "cn-north-2",
    "cn-north-4",
    "cn-north-9",
    "cn-north-11",
    "cn-north-12",
    "cn-south-1",
    "cn-southwest-2",
    "cn-southwest-3",
    "la-north-2",
    "la-south-2",
    "me-east-1",
    "sa-brazil-1",
    "tr-west-1",
)
DOMAIN = "myhuaweicloud.com"
_REGION = re.compile(r"[A-Za-z0-9_-]*")
CONSOLE = "https://console.huaweicloud.com"


@dataclass(frozen=True)
class Endpoints:
    """Base URLs of the services that a connection talks to, without a slash at the end.

    Args:
        modelarts: The workflow API.
        iam: Tokens and projects.
        obs: Object storage; its buckets are subdomains.
        console: The web console.
    """

    modelarts: str
    iam: str
    obs: str
    console: str = CONSOLE

    @property
    def local(self) -> bool:
        """Whether the services are on this machine, as the emulator's are."""
        return is_local(self.modelarts) and is_local(self.iam)

    def moved(self, old: str, new: str) -> Endpoints:
        """Return the addresses of another region; those that do not follow from the old one's name stay.

        Raises:
            InvalidInput: There is no such region.
        """
        names = ("modelarts", "iam", "obs")
        moving = [name for name in names if getattr(self, name) == _address(name, old)]
        if moving and new != old:
            _check(new)
        return replace(self, **{name: _address(name, new) for name in moving})

    def hosts(self) -> dict[str, tuple[str, ...]]:
        """Return, for each kind of request, the hosts that may see a token or a signature.

        A host counts with its port; ``*.`` in front allows subdomains.
        """
        obs = netloc(self.obs)
        return {"modelarts": (netloc(self.modelarts),), "iam": (netloc(self.iam),), "obs": (obs, f"*.{obs}")}


def endpoints(region: str, *, modelarts: str = "", iam: str = "", obs: str = "") -> Endpoints:
    """Return the addresses of a region.

    Args:
        region: Its id, such as ``cn-north-4``.
        modelarts: Overrides the workflow API's base URL. Where that is on this machine, so are the others.
        iam: Overrides IAM's base URL.
        obs: Overrides object storage's base URL.

    Raises:
        InvalidInput: There is no such region, and an address that follows from its name is needed.
    """
    if not _REGION.fullmatch(region):
        raise InvalidInput(f"region is {shown(region)}.", fix="Give a region's id, such as cn-north-4.")
    local = modelarts if modelarts and is_local(modelarts) else ""
    found = {"modelarts": modelarts, "iam": iam or local, "obs": obs or local}
    if not all(found.values()):
        _check(region)
    return Endpoints(
        **{name: url or _address(name, region) for name, url in found.items()},
        console=local or CONSOLE,
    )


def _address(name: str, region: str) -> str:
    return f"https://{name}.{region}.{DOMAIN}"


def near_regions(region: str) -> list[str]:
    """Return the known regions whose names are like one that is not known."""
    return [] if region in REGIONS else get_close_matches(region, REGIONS, n=3, cutoff=0.5)


def _check(region: str) -> None:
    if region in REGIONS:
        return
    near = near_regions(region)
    why = f" {RENDERED}" if is_nothing(region) and region else ""
    offer = f"Did you mean {' or '.join(near)}? " if near else f"Known are {', '.join(REGIONS)}. "
    raise InvalidInput(
        f"region is {shown(region)}, which is not known.{why}",
        fix=f"{offer}For another region, give endpoint, iam_endpoint and obs_endpoint.",
    )
