"""Which tasks can run with no worker, and the reason of each that cannot."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG, BaseOperator, task

from airflow_batch_provider.operators.qualifying import LARGEST, Facts, reason_for_worker


def reason(value, name="tags", **facts):
    return reason_for_worker(Facts({"fine": "x", name: value}, **facts))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        0.5,
        "a literal, with { and }",
        "{{ ds }} {{ ds_nodash }} {{ ts }} {{ ts_nodash }} {{ logical_date }} {{ data_interval_end }}",
        "{{ params.day }} {{ params['day'] }} {{ params.get('day', 1) | upper }}",
        "{{ run_id }} {{ dag_run.conf['a'] }} {{ dag_run.run_id }} {{ dag_run['conf'] }}",
        "{{ var.value.bucket }} {{ var.json.place.a }}",
        "{{ ti.task_id }} {{ task_instance.try_number }} {{ dag.dag_id }} {{ task.task_id }}",
        "{{ macros.ds_add(ds, 1) }} {{ logical_date | ds_nodash }}",
        "{% for one in range(3) %}{% set ns = namespace(a=one) %}{{ ns.a }}{% endfor %}",
        "{% if params.day is defined %}{{ 'ti' }}{% endif %}",
        "{{ params.number * 60 }}",
        {"a": ["{{ ds }}", ("b", {"c": "{{ run_id }}"})]},
    ],
)
def test_literals_and_what_the_triggerer_can_render_qualify(value):
    """Such a task needs no worker."""
    assert reason(value) == ""


@task
def other():
    """Return something."""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{{ ti.xcom_pull(task_ids='a') }}", "tags uses 'ti.xcom_pull'"),
        ("{{ ti['xcom_pull'](task_ids='a') }}", "tags uses 'ti.xcom_pull'"),
        ("{{ ti[params.a] }}", "tags uses 'ti.[…]'"),
        ("{% set t = ti %}{{ t.xcom_pull('a') }}", "tags uses 'ti'"),
        ("{{ task_instance.start_date }}", "tags uses 'task_instance.start_date'"),
        ("{{ ti.max_tries }}", "tags uses 'ti.max_tries'"),
        ("{{ dag_run.clear_number }}", "tags uses 'dag_run.clear_number'"),
        ("{{ conn.a.password }}", "tags uses 'conn'"),
        ("{{ prev_start_date_success }}", "tags uses 'prev_start_date_success'"),
        ("{{ triggering_asset_events }}", "tags uses 'triggering_asset_events'"),
        ("{{ task_state_store.get('a') }}", "tags uses 'task_state_store'"),
        ("{{ my_macro(ds) }}", "tags uses 'my_macro'"),
        ("{{ macros.my_plugin.f() }}", "tags uses 'macros.my_plugin'"),
        ("{{ ds | my_filter }}", "tags uses the filter 'my_filter'"),
        ("{{ ds is my_test }}", "tags uses the test 'my_test'"),
        ("{% include 'a.txt' %}", "tags holds a template that reads a file"),
        ("{{ 9 ** 9 ** 9 }}", "tags holds a template that computes with '**'"),
        ("{{ 'x' * params.number }}", "tags holds a template that repeats a text or a list"),
        ("{{ 1000000000 * [ds] }}", "tags holds a template that repeats a text or a list"),
        ("{{ (ds ~ ts) * params.number }}", "tags holds a template that repeats a text or a list"),
        ("{% import 'a' as b %}{{ b.c }}", "tags holds a template that reads a file"),
        ("{% do [].append(1) %}", "tags holds a template that is not understood there"),
        ("{{ ds", "tags holds a template that is not understood there"),
        ({"a": [{"b": "{{ nobody }}"}]}, "tags.a[0].b uses 'nobody'"),
        ({1: "a"}, "tags.1 is under a key that is no text"),
        (timedelta(1), "tags is a timedelta"),
        (len, "tags is a builtin_function_or_method"),
        ("https://a.blob.core.windows.net/b?sv=1&sig=planted", "tags holds a secret"),
        ("x" * LARGEST, "its arguments have"),
    ],
)
def test_what_the_triggerer_cannot_render_or_keep_does_not(value, why):
    """The reason names the argument and what about it."""
    assert reason(value).startswith(why)


def test_what_another_task_returns_does_not():
    """Its value is known only on a worker."""
    with DAG("dag", schedule=None):
        result = other()

    assert reason({"a": result}) == "tags.a takes what another task returns"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("inputs", "inputs.yml", "inputs names a file"),
        ("inputs", "{{ params.file }}", "inputs names a file"),
        ("outputs", "auto", ""),
        ("endpoint_name", "inputs.yml", ""),
    ],
)
def test_files_are_read_by_workers(name, value, why):
    """A text where a mapping would be is the name of a file, but for the one word that is none."""
    assert reason(value, name, may_be_files=("inputs", "outputs")) == why


@pytest.mark.parametrize(
    ("value", "local"),
    [
        ({"a": {"path": "./images"}}, True),
        ({"a": {"path": "images"}}, True),
        ({"a": {"path": "/data/images"}}, True),
        ({"a": "../images"}, True),
        ({"a": "file:///data"}, True),
        ({"a": "append"}, False),
        ({"a": 5}, False),
        ({"a": {"path": "{{ params.path }}"}}, False),
        ({"a": {"path": "azureml:data@latest"}}, False),
        ({"a": {"path": "https://a.blob.core.windows.net/b"}}, False),
    ],
)
def test_local_data_is_uploaded_by_workers(value, local):
    """A path on this machine means nothing to a triggerer."""
    assert reason(value, "inputs", may_be_uploaded=("inputs",)).endswith("is a local path") is local
    assert reason(value, "data") == ""


def test_what_a_task_needs_besides_is_told_first():
    """One reason is enough."""
    assert reason(len, needs=("is mapped", "has outlets")) == "it is mapped"


def test_airflow_knows_the_filters_that_are_taken_for_its_own():
    """Whatever this module allows, a task's own environment has."""
    from airflow_batch_provider.operators import qualifying

    environment = BaseOperator(task_id="a").get_template_env()

    assert environment.filters.keys() >= qualifying._FILTERS
