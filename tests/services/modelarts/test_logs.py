"""The end of a failed training job's log, in the text of the failure."""

from __future__ import annotations

import json

import httpx
import pytest

from .script import REF, SERVICE, execution, ok, play, refused, step

JOB = "0c1e9c1c-5c7e-4b6f-8f0e-3f6f3f1f2a11"
LOG = f"/v2/p1/training-jobs/{JOB}/tasks/worker-0/logs/preview"
SAID = {"content": "epoch 1\n\nTraceback\nValueError: odd\n", "current_size": 34, "full_size": 34}


def explained(answers, *runs):
    return play(SERVICE.explain(REF), [ok(execution("abnormal", *runs, events=["the end"])), *answers])


def failed(instance, name="fit", **fields):
    return step(name, "failed", **{"instance_id": instance, **fields})


@pytest.mark.parametrize(
    "instance",
    [
        {"training_job_id": JOB},
        json.dumps({"training_job_id": JOB}),
        {"type": "train", "job_id": JOB},
        {"id": JOB},
        JOB,
    ],
    ids=["mapping", "text of one", "job_id", "id", "plain"],
)
def test_the_log_is_asked_for_by_the_steps_job(instance):
    """Whichever way the step names its job; empty lines are left out."""
    played = explained(
        [ok(SAID)], failed(instance, error_info={"error_code": "X.1", "error_message": "Odd."})
    )

    assert played.asked[1:] == [("GET", LOG)]
    assert played.returned == (
        "Step 'fit' is failed: X.1: Odd.\n"
        f"The last lines of worker-0 of training job {JOB}, step 'fit':\n"
        "  | epoch 1\n  | Traceback\n  | ValueError: odd"
    )


@pytest.mark.parametrize(
    "instance", ["", None, 7, "{", '{"a": 1}', {"model_id": JOB}, {"job_id": "../x"}, ["x"], "not a uuid"]
)
def test_a_step_without_a_job_has_no_log(instance):
    """Nothing is asked for, and the failure is told as it is."""
    played = explained([], failed(instance))

    assert played.returned == "Step 'fit' is failed: no reason was given."


@pytest.mark.parametrize(
    "answers",
    [
        [refused(404, "ModelArts.2753")],
        [refused(403)],
        [refused(503)] * 2,
        [httpx.ConnectError("x")] * 2,
        [httpx.Response(200, html="<html>")],
        [ok({"content": " \n"})],
        [ok({"content": None})],
        [ok({})],
    ],
)
def test_a_log_that_cannot_be_had_changes_nothing(answers):
    """The failure is known without it."""
    played = explained(answers, failed(JOB))

    assert played.raised is None
    assert played.returned == "Step 'fit' is failed: no reason was given."


def test_the_first_log_that_says_anything_is_told():
    """Steps that went well are not asked; the old name of the field does."""
    other = JOB.replace("0c", "1c")
    runs = [step("prepare", "completed", instance_id=JOB), failed(JOB, "a"), failed(other, "b")]

    played = explained([ok({"content": ""}), ok({"context": "no memory"})], *runs)

    assert played.asked[2] == ("GET", LOG.replace(JOB, other))
    assert played.returned.endswith(f"training job {other}, step 'b':\n  | no memory")


def test_a_long_log_is_cut_and_its_secrets_are_not_told():
    """The last twenty lines, each short enough to read."""
    lines = [f"line {number}" for number in range(3000)]
    lines += ["x" * 1000, "PUT https://b.obs.x.com/?AccessKeyId=A&Signature=S3CR3TS3CR3TS3CR3T&x=1", "end"]

    told = explained([ok({"content": "\n".join(lines)})], failed(JOB)).returned.splitlines()[2:]

    assert (len(told), told[0], told[-1]) == (20, "  | line 2983", "  | end")
    assert max(map(len, told)) == 304
    assert "S3CR3T" not in "".join(told)


# --- all of them --------------------------------------------------------------------------------------------


def ends(status, answers, *runs):
    told = []
    played = play(SERVICE.logs(REF, told.append), [ok(execution(status, *runs)), *answers])
    assert played.raised is None
    return [str(log) for log in told]


def test_of_failed_steps_the_ends_of_the_logs_are_told():
    """Steps that went well are not asked."""
    told = ends("abnormal", [ok(SAID)], step("prepare", "completed", instance_id=JOB), failed(JOB))

    (text,) = told
    assert text.splitlines() == [
        f"The end of worker-0 of training job {JOB}, step 'fit':",
        *("  | epoch 1", "  | Traceback", "  | ValueError: odd"),
    ]


def test_where_none_failed_all_are_told():
    """What cannot be read, or says nothing, keeps no other back; a step without a job is not asked."""
    runs = [step(name, "completed", instance_id=JOB) for name in "abc"]
    told = ends("completed", [refused(403), ok({"content": ""}), ok(SAID)], step("d", "completed"), *runs)

    assert [text.splitlines()[0] for text in told] == [
        f"The end of worker-0 of training job {JOB}, step 'c':"
    ]


def test_what_is_left_out_is_told():
    """The service shows the end of a large log, and of that the end is told."""
    text = "".join(f"{number:07} {'x' * 92}\n" for number in range(1000))
    (told,) = ends(
        "abnormal", [ok({"content": text, "current_size": len(text), "full_size": 10**9})], failed(JOB)
    )

    first, *lines = told.splitlines()
    assert (len(lines), lines[-1][:11]) == (200, "  | 0000999")
    assert f"and {10**9 - 65_536} bytes before that left out" in first


def test_no_more_than_eight_logs_are_fetched():
    """It is said that there are more."""
    runs = [failed(JOB, f"step-{number}") for number in range(10)]
    told = ends("abnormal", [ok(SAID)] * 8, *runs)

    assert told[8:] == ["Left out of the training jobs: the logs of 2 further ones."]
