"""OBS, Huawei Cloud's object storage, as far as S3 clients of batch jobs use it."""

from __future__ import annotations
