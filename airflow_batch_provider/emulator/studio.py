"""A page for each job at the address where Azure ML studio has its own, so that links lead somewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_batch_provider.emulator import journal, wire
from airflow_batch_provider.emulator.world import world_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from airflow_batch_provider.emulator.jobs import Job

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd;
overflow-wrap: anywhere; }}
th {{ width: 12rem; font-weight: 600; }}
</style></head><body><h1>{title}</h1>
<p>Batch emulator: this page stands where Azure ML studio has the job's.</p>
<table>{rows}</table></body></html>"""


async def job_page(request: Request) -> Response:
    """Answer with the page of a job."""
    job = world_of(request).jobs.by_run(request.path_params["job"])
    if job is None:
        return HTMLResponse(_PAGE.format(title="Unknown job", rows=""), 404)
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>" for name, value in _rows(job))
    return HTMLResponse(_PAGE.format(title=escape(job.display_name), rows=rows))


def _cell(value: str) -> str:
    return escape(str(journal.redact(value))).replace("\n", "<br>")


def _rows(job: Job) -> Iterable[tuple[str, str]]:
    yield "Job", job.id
    yield "Status", job.status
    yield "Endpoint", f"{job.endpoint} / {job.deployment}"
    yield "Experiment", job.experiment
    yield "Created", f"{wire.timestamp(job.created_at)} by {job.created_by}"
    yield "States", "\n".join(f"{wire.timestamp(at)} {status}" for status, at in job.states)
    for name, item in job.request["inputData"].items():
        yield f"Input {name}", str(item.get("uri", item.get("value")))
    for name, output in job.outputs.items():
        yield f"Output {name}", output["uri"]
    if job.error:
        yield "Error", job.error


ROUTES = [Route("/runs/{job}", job_page)]
