"""Rendering templates in the triggerer, where a long one would hold up every other trigger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from airflow_batch_provider.bounds import bounded
from airflow_batch_provider.errors import InvalidInput

SECONDS = 20.0
"""How long it may compute."""

LARGEST = 256 * 1024
"""How many characters it may make."""

# Looking up a variable is a question to Airflow, which may have much else to do.
_LONGEST = 60.0


async def render(environment: Any, fields: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Render every text in *fields*, in a thread.

    Args:
        environment: Jinja's.
        fields: Name to a text, a number, or a mapping or list of such, to any depth.
        context: What templates may use.

    Returns:
        The same with every text rendered, always to text.

    Raises:
        InvalidInput: A template cannot be rendered, or not within the bounds; the field is named.
    """
    from jinja2 import StrictUndefined

    environment.undefined = StrictUndefined  # As in a worker: a misspelt name is an error, no empty text.
    work = _Rendering(environment, context)
    try:
        rendered = await bounded(asyncio.to_thread(work.all_of, fields), _LONGEST)
    except asyncio.TimeoutError:
        # Its own computing it would have noticed between two pieces of output; the thread goes on until then.
        raise _too_long(work.path, _LONGEST) from None
    return dict(rendered)


class _Rendering:
    def __init__(self, environment: Any, context: Mapping[str, Any]) -> None:
        self.path = ""
        self._environment = environment
        self._context = context
        self._ends = 0.0
        self._left = LARGEST

    def all_of(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._ends = time.thread_time() + SECONDS
        return {name: self._value(name, value) for name, value in fields.items()}

    def _value(self, path: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._value(f"{path}.{key}", inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(f"{path}[{index}]", inner) for index, inner in enumerate(value)]
        return self._text(path, value) if isinstance(value, str) else value

    def _text(self, path: str, text: str) -> str:
        self.path = path
        try:
            return "".join(self._bounded(self._environment.from_string(text).generate(self._context)))
        except InvalidInput:
            raise
        except Exception as error:
            raise InvalidInput(
                f"{path.removeprefix('order.')} is {text!r}, a template that cannot be rendered: "
                f"{type(error).__name__}: {error}.",
                fix="Mend the template.",
            ) from error

    def _bounded(self, pieces: Any) -> Any:
        for piece in pieces:
            self._left -= len(piece)
            if self._left < 0:
                raise InvalidInput(
                    f"{self.path.removeprefix('order.')} is a template that makes more than {LARGEST} "
                    "characters.",
                    fix="Name the data instead of giving it, or run the task on a worker: "
                    "start_from_trigger=False.",
                )
            if time.thread_time() > self._ends:
                raise _too_long(self.path, SECONDS)
            yield piece


def _too_long(path: str, seconds: float) -> InvalidInput:
    return InvalidInput(
        f"{path.removeprefix('order.')} is a template that takes longer than {seconds:g} seconds.",
        fix="Simplify it, or run the task on a worker: start_from_trigger=False.",
    )
