"""Times as ModelArts writes them: Go's RFC 3339 with up to nine digits, in Beijing's zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_BEIJING = timezone(timedelta(hours=8))


def timestamp(epoch: float) -> str:
    """Write epoch seconds such as ``2022-11-01T21:36:04.264564372+08:00``; trailing zeros are left out."""
    whole, fraction = divmod(round(epoch * 1_000_000_000), 1_000_000_000)
    text = datetime.fromtimestamp(whole, _BEIJING).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}{'.' if digits else ''}{digits}+08:00"


def event(epoch: float, before: str, after: str) -> str:
    """Write a change of status as the service's event lists do."""
    moment = datetime.fromtimestamp(epoch, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment} change status from {before} to {after}"


def iam_timestamp(epoch: float) -> str:
    """Write epoch seconds as IAM does: ``2019-02-13T06:52:13.855000Z``."""
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
