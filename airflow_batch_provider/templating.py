"""Templates that cannot be rendered: the error names the argument, the template and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.values import shown

_FIX = "Correct the template; a name that may be missing can have a default: {{ name | default('x') }}."


class NamedTemplates:
    """Renders an operator's arguments as Airflow does, whose error names neither argument nor template."""

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        from jinja2 import TemplateError

        for field in template_fields:
            try:
                super()._do_render_template_fields(  # type: ignore[misc]  # the operator's
                    parent, (field,), context, jinja_env, seen_oids
                )
            except TemplateError as error:  # a task has few fields
                value = getattr(parent, field)
                failing = (one for one in _texts(field, value) if self._fails(one[1], context, jinja_env))
                place, text = next(failing, (field, value))
                raise unrendered(place, text, error) from error

    def _fails(self, text: str, context: Any, jinja_env: Any) -> bool:
        from jinja2 import TemplateError

        try:
            self.render_template(text, context, jinja_env)  # type: ignore[attr-defined]  # the operator's
        except TemplateError:
            return True
        return False


def unrendered(field: str, template: Any, error: Exception) -> InvalidInput:
    """Return the error of a template that cannot be rendered.

    Args:
        field: The argument, or what else holds it.
        template: Its text.
        error: Jinja's.
    """
    said = str(error).rstrip(".")
    return InvalidInput(f"{field} is {shown(template)}, which cannot be rendered: {said}.", fix=_FIX)


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{path}[{key!r}]", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(f"{path}[{index}]", inner)
