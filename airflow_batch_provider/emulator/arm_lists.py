"""Lists of ARM resources: filters, order and pages.

Query parameters: the ARM specification; which kind takes which is not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from airflow_batch_provider.emulator.batch import next_link, page_size, read_token
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from starlette.requests import Request


def answer(request: Request, items: list[dict[str, Any]]) -> Response:
    """Answer with one page of resources.

    Args:
        request: ``$top`` or ``count`` and ``$skip`` (a token of ours) choose the page, ``$orderBy=createdtime
            desc`` the order, ``listViewType``, ``names``, ``searchText``, ``isDefault`` and ``hash`` filter.
        items: All resources.
    """
    query = request.query_params
    kept = [item for item in items if _fits(request, item)]
    order = query.get("$orderBy", "").lower().split()
    if order[:1] == ["createdtime"]:
        kept.sort(key=_created, reverse=order[1:] == ["desc"])
    size = page_size(query.get("$top") or query.get("count"), world_of(request).settings.current.page_size)
    start = read_token(query.get("$skip")) or 0
    more = next_link(request, "$skip", start + size) if len(kept) > start + size else None
    return JSONResponse({"value": kept[start : start + size], "nextLink": more})


def _created(item: dict[str, Any]) -> str:
    return str(item["systemData"]["createdAt"])


def _fits(request: Request, item: dict[str, Any]) -> bool:
    query, properties = request.query_params, item["properties"]
    view = query.get("listViewType", "ActiveOnly").lower()
    if view != "all" and bool(properties.get("isArchived")) != (view == "archivedonly"):
        return False
    default = query.get("isDefault", "").lower()
    if default in {"true", "false"} and properties.get("isDefault", False) != (default == "true"):
        return False
    names = query.get("names")
    if names and item["name"].lower() not in names.lower().split(","):
        return False
    if query.get("searchText", "").lower() not in item["name"].lower():
        return False
    digest = query.get("hash")
    return not digest or digest == (properties.get("properties") or {}).get("hash_sha256")
