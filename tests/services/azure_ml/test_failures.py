"""Why a run failed, told from spoilt and recorded answers."""

from __future__ import annotations

import pytest

from airflow_batch_provider.services.azure_ml.failures import error_lines

BLOB = "https://store.blob.core.windows.net/azureml/ExperimentRun/dcid.x"
SAS = "sv=2021-08-06&sr=b&sp=r&sig=PLANTED%2Bsignature%3D"


def tree(code="UserError", message="Outer.", **more):
    return {"error": {"code": code, "message": message, **more}}


TREES = {
    "one level": (tree(), "UserError: Outer."),
    "no code": (tree(code=None), "Outer."),
    "no message": (tree(message=None, innerError={"code": "NotFoundError"}), "UserError\nNotFoundError"),
    "inner codes": (
        tree(innerError={"code": "BadArgument", "innerError": {"code": "Deepest", "innerError": None}}),
        "UserError: Outer.\nBadArgument\nDeepest",
    ),
    "a detail that only repeats": (
        tree(details=[{"code": "UserError", "message": "Outer.", "details": []}]),
        "UserError: Outer.",
    ),
    "a detail that says more": (
        tree(details=[{"code": "ScriptExecution", "message": "Outer."}, {"message": "Disk full."}]),
        "UserError: Outer.\nScriptExecution\nDisk full.",
    ),
    "a deep tree": (
        tree(details=[{"code": f"C{level}", "message": f"M{level}."} for level in range(9)]),
        "UserError: Outer.\nC6: M6.\nC7: M7.\nC8: M8.",
    ),
    "lines": (tree(message="First\n  second."), "UserError: First second."),
    "long": (tree(message="x" * 5000), f"UserError: {'x' * 600}…"),
    "a signature": (
        tree(message=f"Not found: {BLOB}?{SAS}"),
        f"UserError: Not found: {BLOB}?sv=2021-08-06&sr=b&sp=r&sig=***",
    ),
    "the service's own error": (
        {**tree(code="ServiceError"), "correlation": {"operation": "o-1", "request": "r-1"}},
        "ServiceError: Outer.\n[request id r-1]",
    ),
    "the user's own error": ({**tree(), "correlation": {"request": "r-1"}}, "UserError: Outer."),
    "nothing": ({}, ""),
    "no tree": ({"error": ["Outer."]}, ""),
    "odd": (tree(message={"a": 1}, details={"b": 2}, innerError="c"), "UserError: {'a': 1}"),
}


@pytest.mark.parametrize(("root", "text"), TREES.values(), ids=TREES.keys())
def test_the_tree_is_told_from_the_outside_in(root, text):
    """Each level is told once, in few lines, without a secret."""
    assert error_lines(root) == text
