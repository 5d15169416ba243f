"""Faults strike as told, and the journal shows what really happened, without secrets."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .conftest import WORKSPACE, wait_for

ENDPOINT = f"{WORKSPACE}/batchEndpoints/digits"


def jobs(azure):
    return len(azure.http.get("/_emulator/jobs").json()["jobs"])


def ask(azure):
    return azure.http.get(ENDPOINT, headers=azure.arm)


class TestActions:
    def test_status_answers_with_headers_and_body_instead_of_the_effect(self, azure):
        scoring, before = azure.scoring_uri("waiting"), jobs(azure)
        azure.faults({"action": "status", "status": 429, "headers": {"Retry-After": "7"}, "body": {"a": 1}})

        answer = azure.http.post(scoring, json={}, headers=azure.ml)

        assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "7", {"a": 1})
        assert jobs(azure) == before

    def test_status_can_hide_an_effect(self, azure):
        azure.scoring_uri("waiting")
        before = jobs(azure)
        azure.faults({"action": "status", "status": 503, "effect": True, "match": {"method": "POST"}})

        answer = azure.invoke("waiting")

        assert answer.status_code == 503
        assert jobs(azure) == before + 1

    def test_text_body_is_sent_as_plain_text(self, azure):
        azure.faults({"action": "status", "status": 502, "body": "upstream connect error"})

        answer = ask(azure)

        assert answer.text == "upstream connect error"
        assert answer.headers["content-type"].startswith("text/plain")

    @pytest.mark.parametrize(("action", "made"), [("drop_before", 0), ("drop_after", 1)])
    def test_dropped_connection_is_a_transport_error_before_or_after_the_effect(self, azure, action, made):
        azure.scoring_uri("waiting")
        before = jobs(azure)
        azure.faults({"action": action, "match": {"plane": "batch"}})

        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            azure.invoke("waiting")

        assert jobs(azure) == before + made
        (entry,) = azure.requests(plane="batch")
        assert (entry["status"], entry["faults"]) == (None, [action])

    def test_dropped_connection_over_a_large_upload_is_a_transport_error(self, azure):
        azure.faults({"action": "drop_before", "match": {"plane": "blob"}})

        with pytest.raises(httpx.TransportError):
            azure.http.put("/blob/emulatorstore/c1c/big?sig=x", content=b"x" * 5_000_000)

    def test_truncated_answer_is_a_transport_error(self, azure):
        azure.faults({"action": "truncate"})

        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            ask(azure)

    def test_answer_that_is_not_json_keeps_its_status(self, azure):
        azure.faults({"action": "not_json"})

        answer = ask(azure)

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        with pytest.raises(json.JSONDecodeError):
            answer.json()

    def test_html_page_takes_the_place_of_an_answer(self, azure):
        azure.faults({"action": "html"})

        answer = ask(azure)

        assert answer.headers["content-type"].startswith("text/html")
        assert answer.text.startswith("<!DOCTYPE html>")

    def test_latency_with_effect_delays_the_answer_alone(self, azure):
        """The job is there while its answer is still under way."""
        azure.faults({"action": "latency", "seconds": 2.0, "effect": True, "match": {"method": "POST"}})
        before = jobs(azure)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(azure.invoke, "waiting")
            with httpx.Client(trust_env=False) as other:
                wait_for(lambda: len(other.get(f"{azure.url}/_emulator/jobs").json()["jobs"]) > before)
            assert not answer.done()
        assert azure.journal_of(answer.result().json()["name"])

    def test_latency_delays_and_lets_another_fault_strike_too(self, azure):
        azure.faults({"action": "latency", "seconds": 0.2}, {"action": "status", "status": 500})
        began = time.monotonic()

        answer = ask(azure)

        assert time.monotonic() - began >= 0.2
        assert answer.status_code == 500

    def test_late_answer_does_not_delay_others(self, azure):
        azure.faults({"action": "latency", "seconds": 1.0, "match": {"plane": "arm"}})
        with ThreadPoolExecutor() as pool, httpx.Client() as other:
            slow = pool.submit(ask, azure)
            began = time.monotonic()
            other.get(f"{azure.url}/discovery")
            assert time.monotonic() - began < 0.9
            assert slow.result().status_code == 200

    def test_expired_tokens_are_refused_until_there_are_new_ones(self, azure):
        old = azure.bearer("https://management.azure.com")
        azure.faults({"action": "expire_tokens", "times": 1})

        first = azure.http.get(ENDPOINT, headers=old)
        second = azure.http.get(ENDPOINT, headers=azure.bearer("https://management.azure.com"))

        assert (first.status_code, second.status_code) == (401, 200)
        for cached in ("arm", "ml", "storage"):
            azure.__dict__.pop(cached, None)


class TestMatching:
    @pytest.mark.parametrize(
        ("match", "struck"),
        [
            ({}, True),
            ({"plane": "arm"}, True),
            ({"plane": "batch"}, False),
            ({"method": "get"}, True),
            ({"method": "POST"}, False),
            ({"path": "batchEndpoints/d[a-z]+$"}, True),
            ({"path": "^/endpoints"}, False),
            ({"path": "digits", "method": "POST"}, False),
        ],
    )
    def test_all_conditions_must_fit(self, azure, match, struck):
        azure.faults({"action": "status", "status": 500, "match": match})

        assert (ask(azure).status_code == 500) == struck

    def test_times_and_skip_count_the_matching_requests(self, azure):
        azure.faults({"action": "status", "status": 500, "times": 2, "skip": 1})

        assert [ask(azure).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
        assert azure.http.get("/_emulator/faults").json()["faults"][0]["times"] == 0

    def test_probability_with_a_seed_strikes_the_same_share_each_time(self, azure):
        def run():
            azure.faults({"action": "status", "status": 500, "probability": 0.3, "seed": 7})
            return [ask(azure).status_code for _ in range(60)]

        first = run()

        assert run() == first
        assert 8 <= first.count(500) <= 30

    def test_clearing_ends_all_faults(self, azure):
        azure.faults({"action": "status", "status": 500})

        azure.http.delete("/_emulator/faults")

        assert ask(azure).status_code == 200

    def test_control_plane_is_never_struck(self, azure):
        azure.faults({"action": "drop_before"})

        assert azure.http.get("/_emulator/health").json()["status"] == "ok"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"action": "explode"}, "one of latency, status"),
            ({"action": "status", "status": 99}, "status of a fault is a number from 100 to 599, not 99"),
            ({"action": "status", "colour": "red"}, "Unknown field of a fault: colour"),
            (
                {"action": "status", "match": {"host": "x"}},
                "match of a fault is an object with method, path, plane",
            ),
            ({"action": "status", "match": {"path": "("}}, "no regular expression"),
            ({"action": "status", "probability": 2}, "probability of a fault is a number from 0 to 1, not 2"),
            ({"action": "latency", "seconds": "1"}, "seconds of a fault is a number"),
            ({"action": "status", "times": 0}, "times of a fault is a number from 1, not 0"),
            ("drop", "A fault is an object"),
        ],
    )
    def test_bad_fault_is_refused_and_leaves_the_others_in_force(self, azure, body, words):
        azure.faults({"action": "html"})

        answer = azure.http.post("/_emulator/faults", json=[body])

        assert answer.status_code == 400
        assert words in answer.json()["error"]
        assert [fault["action"] for fault in azure.http.get("/_emulator/faults").json()["faults"]] == ["html"]

    @pytest.mark.parametrize("content", [b"", b"{", b'{"faults": 3}', b"3"])
    def test_body_without_a_list_is_refused(self, azure, content):
        assert azure.http.post("/_emulator/faults", content=content).status_code == 400


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"colour": 1}, "Unknown setting 'colour'"),
            ({"keep_tags": "yes"}, "keep_tags is true or false"),
            ({"page_size": 0}, "page_size is a whole number above 0"),
            ({"list_lag": -1}, "list_lag is a number from 0"),
            ({"list_lag": True}, "list_lag is a number from 0"),
            ([], "Send an object"),
        ],
    )
    def test_bad_setting_is_refused(self, azure, change, words):
        before = azure.http.get("/_emulator/settings").json()

        answer = azure.http.post("/_emulator/settings", json=change)

        assert answer.status_code == 400
        assert words in answer.json()["error"]
        assert azure.http.get("/_emulator/settings").json() == before


class TestJournal:
    def test_requests_are_in_order_and_can_be_filtered(self, azure):
        ask(azure)
        azure.get("/jobs", tag="x")
        azure.invoke("waiting")

        entries = azure.requests()

        assert [entry["method"] for entry in entries] == ["GET", "GET", "GET", "POST"]
        assert azure.requests(plane="batch")[-1]["status"] == 201
        assert azure.requests(after=str(entries[-2]["seq"])) == [entries[-1]]
        assert [entry["query"] for entry in azure.requests(path=f"{WORKSPACE}/jobs")] == ["tag=x"]

    def test_entry_shows_what_a_test_wants_to_count(self, azure):
        azure.invoke("waiting", deployment="short", headers={"repeatability_request-id": "r1"})

        entry = azure.requests(plane="batch", method="POST")[-1]

        assert entry["headers"]["azureml-model-deployment"] == "short"
        assert entry["headers"]["repeatability_request-id"] == "r1"
        assert entry["body"]["properties"]["inputData"]["data"]["jobInputType"] == "UriFolder"
        assert (entry["audience"], entry["caller"]) == ("https://ml.azure.com", "app")

    def test_no_secret_reaches_the_journal(self, azure):
        azure.token("https://ml.azure.com/.default", client_secret="planted-1")
        azure.token("https://ml.azure.com/.default", client_secret="", client_assertion="planted-2")
        azure.http.get("/blob/emulatorstore/azureml/x?sv=1&sig=planted-3")
        azure.invoke("waiting", "https://a.blob.core.windows.net/c/d?sv=1&sig=planted-4&sp=r")
        azure.http.get(ENDPOINT, headers={"Authorization": "Bearer planted-5"})
        azure.http.post(
            azure.scoring_uri("waiting"), json={"a": [{"sasToken": "planted-6"}]}, headers=azure.ml
        )
        variables = {"properties": {"environmentVariables": {"A": "planted-7"}}}
        azure.http.post(azure.scoring_uri("waiting"), json=variables, headers=azure.ml)
        token = azure.ml["Authorization"].removeprefix("Bearer ")

        text = json.dumps(azure.requests())

        assert "planted" not in text
        assert token not in text
        assert "sig=***&sp=r" in text

    def test_clearing_forgets_the_requests(self, azure):
        ask(azure)

        azure.http.delete("/_emulator/requests")

        assert azure.requests() == []

    def test_bad_filter_is_refused(self, azure):
        assert azure.http.get("/_emulator/requests?after=x").status_code == 400

    def test_control_plane_is_not_in_the_journal(self, azure):
        azure.http.get("/_emulator/health")

        assert azure.requests() == []


def test_reset_clears_faults_settings_and_journal_but_not_jobs(azure):
    name = azure.invoke("waiting").json()["name"]
    azure.settings(page_size=3)
    azure.faults({"action": "status", "match": {"plane": "arm"}})

    azure.reset()

    assert azure.http.get("/_emulator/faults").json()["faults"] == []
    assert azure.http.get("/_emulator/settings").json()["page_size"] == 100
    assert azure.requests() == []
    assert azure.journal_of(name)["id"] == name


def test_a_plane_answers_no_more_requests_in_a_second_than_it_is_set_to(azure):
    """What comes faster is refused with 429 and Retry-After; after a second it is answered again."""
    azure.settings(requests_per_second=5)
    statuses = [ask(azure).status_code for _ in range(12)]

    assert statuses[:5] == [200] * 5
    assert 429 in statuses
    wait_for(lambda: (refused := ask(azure)).status_code == 429 and refused.headers["retry-after"] == "1")
    time.sleep(1.1)
    assert ask(azure).status_code == 200
