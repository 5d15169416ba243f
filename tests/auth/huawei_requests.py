"""Two thousand requests, the same each time: what the golden signatures were made for.

Only `random.Random.random` is used, which gives the same numbers in every version of Python.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 2000
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE0000000", "golden-s3cret/key+of=no?one"
LETTERS = "abcXYZ019-_.~ !*'()@:&=+$,;%?#[]/\"\\|<>^`{}äß中文节点🚀\u00a0"
IN_PATH = LETTERS.replace("?", "").replace("#", "").replace("/", "")
TYPES = ("", "application/json", "application/json;charset=utf8", "application/bson", "text/plain")


def requests() -> Iterator[dict[str, Any]]:
    """Yield each request: method, path, query, headers and body."""
    chance = random.Random(20261121)  # noqa: S311  # no secret depends on it

    def below(limit: int) -> int:
        return int(chance.random() * limit)

    def text(letters: str, longest: int) -> str:
        return "".join(letters[below(len(letters))] for _ in range(below(longest + 1)))

    for number in range(COUNT):
        body = text(LETTERS, 60) * below(3)
        headers = {"X-Sdk-Date": f"2026{1 + below(12):02}{1 + below(28):02}T{below(24):02}{below(60):02}07Z"}
        headers["Host"] = f"modelarts.region-{number}.example" + (":8443" if below(4) == 0 else "")
        if kind := TYPES[below(len(TYPES))]:
            headers["Content-Type"] = kind
        if below(2):
            headers["X-Project-Id"] = text("abcdef0123456789", 32)
        if below(3) == 0:
            headers["X-Security-Token"] = text("ABCdef012+/=", 80)
        if below(5) == 0:
            headers["x_dropped"] = "gateways drop headers with an underscore"
        yield {
            "method": ("GET", "POST", "PUT", "DELETE")[below(4)],
            "path": "/v2" + "".join(f"/{text(IN_PATH, 12)}" for _ in range(below(6))) + "/" * below(2),
            "query": [(text(LETTERS, 6), text(LETTERS, 10)) for _ in range(below(5))],
            "headers": headers,
            "body": body,
        }
