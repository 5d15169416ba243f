"""Arguments that are read from a YAML or JSON file, as ``az ml batch-endpoint invoke --file`` does.

Airflow's ``template_ext`` would open every nested string that ends in ``.json`` as a file, such as the path
of an input. So a file is read only when the whole argument is a string that names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batch_provider.errors import InvalidInput
from airflow_batch_provider.templating import unrendered

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from jinja2 import Environment

ENDINGS = (".yml", ".yaml", ".json")


def from_file(operator: BaseOperator, field: str, context: Context) -> Any:
    """Return an argument's value, read from a file if the argument names one.

    Args:
        operator: Whose argument it is; relative paths start at its DAG file's folder, or at the DAG's
            ``template_searchpath``.
        field: The argument's name; a file's key of that name is its value, as in the CLI's files.
        context: Renders the templates in the file.

    Raises:
        InvalidInput: The file cannot be found, rendered or parsed; the message names it and the line.
    """
    value = getattr(operator, field)
    if not isinstance(value, str):
        return value
    if not value.strip().endswith(ENDINGS):
        raise InvalidInput(
            f"{field} is {value!r}, a text.",
            fix=f"Give a mapping, or a file that ends in {' or '.join(ENDINGS)}.",
        )
    read = _parsed(field, value, _rendered(operator, field, value.strip(), context))
    nested = read.get(field)
    return nested if isinstance(nested, Mapping) else read


def text_from_file(operator: BaseOperator, field: str, context: Context) -> Any:
    """Return an argument's value, or the text of the file that it names, see `from_file`."""
    value = getattr(operator, field)
    if not isinstance(value, str) or "\n" in value.strip() or not value.strip().endswith(ENDINGS):
        return value
    return _rendered(operator, field, value.strip(), context)


def folders_of(operator: BaseOperator, field: str) -> list[str]:
    """Return where relative paths in an argument's value are looked for, in this order.

    Args:
        operator: Whose argument it is.
        field: The argument's name. If it names a file, paths in it start at its folder, as in the CLI's.
    """
    searched = search_path(operator)
    value = getattr(operator, field)
    if not isinstance(value, str):
        return searched
    files = (Path(folder, value.strip()) for folder in searched)
    return [*(str(file.parent) for file in files if file.is_file()), *searched]


def search_path(operator: BaseOperator) -> list[str]:
    """Return where an operator's files are looked for: in its DAG file's folder, and in that of templates."""
    return _searched(operator.get_template_env())


def _searched(environment: Environment) -> list[str]:
    return [str(folder) for folder in getattr(environment.loader, "searchpath", [])] or [str(Path.cwd())]


def _rendered(operator: BaseOperator, field: str, name: str, context: Context) -> str:
    from jinja2 import TemplateError, TemplateNotFound

    environment = operator.get_template_env()
    try:
        if Path(name).is_absolute():
            template = environment.from_string(Path(name).read_text())
        else:
            template = environment.get_template(name)
        return str(template.render(**context))
    except (TemplateNotFound, OSError) as error:
        searched = getattr(environment.loader, "searchpath", [])
        raise InvalidInput(
            f"{field} is {name!r}, a file that cannot be read: {error}.",
            fix=f"Relative paths are looked for in {', '.join(map(str, searched)) or 'the DAG folder'}.",
        ) from error
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise unrendered(field, f"{name}, line {line}" if line else name, error) from error


def _language(name: str) -> str:
    return "JSON" if name.strip().endswith(".json") else "YAML"


def _parsed(field: str, name: str, text: str) -> Mapping[str, Any]:
    import yaml

    try:
        # JSON is YAML, so one parser reads both.
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InvalidInput(
            f"{field}: {name}{line}: {problem}.", fix=f"Mend the file's {_language(name)}."
        ) from error
    if not isinstance(read, Mapping):
        raise InvalidInput(
            f"{field}: {name} holds {type(read).__name__}, not a mapping.", fix="Give names and values."
        )
    return read
