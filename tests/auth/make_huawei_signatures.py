"""Makes ``huawei_signatures.json`` with the vendor's own signer. Never run by a test.

The vendor's package must not be in the project's environment; use one to throw away, from ``tests/auth``::

    python3 -m venv /tmp/signer && /tmp/signer/bin/pip install huaweicloudsdkcore==3.1.219
    /tmp/signer/bin/python make_huawei_signatures.py
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from huawei_requests import ACCESS_KEY, SECRET_KEY, requests
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer


def signature(one: dict[str, Any]) -> list[str]:
    """Return which headers the vendor's signer signs, and its signature."""
    request = SdkRequest(
        method=one["method"],
        schema="https",
        host=one["headers"]["Host"],
        resource_path=quote(one["path"], safe="/"),
        query_params=list(one["query"]),
        header_params=dict(one["headers"]),
        body=one["body"],
    )
    signed = Signer(SimpleNamespace(ak=ACCESS_KEY, sk=SECRET_KEY)).sign(request)
    _, names, value = signed.header_params["Authorization"].split(", ")
    return [names.removeprefix("SignedHeaders="), value.removeprefix("Signature=")]


if __name__ == "__main__":
    golden = {
        "source": "huaweicloudsdkcore 3.1.219, signer.Signer, over tests/auth/huawei_requests.py",
        "signatures": [signature(one) for one in requests()],
    }
    Path("huawei_signatures.json").write_text(json.dumps(golden, indent=0) + "\n")
