"""Prometheus blocks against a real server: ranges and moments, each kind of result, and what goes wrong."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult, Outcome
from pytest_runbook.model.runbook import Effects
from tests.run_book import Ran, run_book
from tests.servers.http_servers import Certificates, HttpServer, RawServer, http_server, read_head, tls_server
from tests.servers.prometheus_server import PrometheusServer


def ask(folder: Path, endpoint: str, query: str, period: str = "instant", **props: object) -> Ran:
    return run_book(folder, {"prometheus": {"query": query, "endpoint": endpoint, "period": period, **props}})


def output_of(ran: Ran) -> Mapping[str, Any]:
    assert ran.result.outcome is Outcome.PASSED, ran.result
    return ran.output


# Results


def test_vector_returns_each_series_with_its_labels(prometheus: PrometheusServer, tmp_path: Path) -> None:
    output = output_of(ask(tmp_path, prometheus.url, "stock"))

    assert output["result_type"] == "vector"
    assert output["series_names"] == ["__name__=stock, shelf=a", "__name__=stock, shelf=b"]
    assert [(series["labels"]["shelf"], series["values"]) for series in output["series"]] == [
        ("a", [7.0]),
        ("b", [8.0]),
    ]
    moment = output["series"][0]["timestamps"][0]
    assert output["data"] == [[moment], [7.0], [8.0]]
    assert abs(moment - time.time()) < 60


def test_output_has_every_key_that_is_documented(prometheus: PrometheusServer, tmp_path: Path) -> None:
    output = output_of(ask(tmp_path, prometheus.url, "sum(stock)"))

    series = output["series"][0]
    now = output["time_range"]["start"]
    first = {
        "data": [series["timestamps"], [15.0]],
        "seriesNames": ["sum(stock)"],
        "queryExecuted": "sum(stock)",
        "timeRange": {"start": now, "end": now, "step": 0},
        "resultType": "vector",
        "series": [series],
    }
    assert dict(output) == {
        "results": [first],
        "first": first,
        "total_series": 1,
        "result_count": 1,
        "series_names": ["sum(stock)"],
        "data": first["data"],
        "query_executed": "sum(stock)",
        "time_range": {"start": now, "end": now, "step": 0},
        "result_type": "vector",
        "series": [{"name": "sum(stock)", "labels": {}, "timestamps": series["timestamps"], "values": [15.0]}],
        "warnings": [],
    }


def test_matrix_keeps_each_series_own_timestamps(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """The second series ends half way, so that its row has no samples there."""
    output = output_of(ask(tmp_path, prometheus.url, "lag", "1h"))

    whole, half = output["series"]
    assert (whole["labels"]["region"], half["labels"]["region"]) == ("eu", "us")
    assert whole["timestamps"][: len(half["timestamps"])] == half["timestamps"]
    assert len(half["timestamps"]) < len(whole["timestamps"])
    times, first_row, second_row = output["data"]
    assert (times, first_row) == (whole["timestamps"], whole["values"])
    assert second_row[: len(half["values"])] == half["values"]
    assert set(second_row[len(half["values"]) :]) == {None}


@pytest.mark.parametrize(
    ("query", "kind", "value"),
    [
        ("scalar(orders)", "scalar", 42.0),
        ('"just a text"', "string", "just a text"),
        ("orders", "vector", 42.0),
        ("everything", "vector", math.inf),
        ("-everything", "vector", -math.inf),
    ],
)
def test_value_is_the_single_sample(
    prometheus: PrometheusServer, tmp_path: Path, query: str, kind: str, value: object
) -> None:
    output = output_of(ask(tmp_path, prometheus.url, query))

    assert (output["result_type"], output["value"]) == (kind, value)


def test_not_a_number_is_none_to_nobody(prometheus: PrometheusServer, tmp_path: Path) -> None:
    value = output_of(ask(tmp_path, prometheus.url, "nothing"))["value"]

    assert isinstance(value, float)
    assert math.isnan(value)


def test_value_of_a_range_with_one_sample_is_that(tmp_path: Path) -> None:
    body = b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"42"]]}]}}'
    with RawServer(lambda connection: answer(connection, body)) as server:
        assert output_of(ask(tmp_path, server.url, "orders", "5m"))["value"] == 42.0


@pytest.mark.parametrize(
    ("query", "period", "reported"),
    [
        ("absent_metric", "instant", "the query gave no series"),
        ("stock", "instant", "the query gave 2 series, not one; use output.series"),
        ('lag{region="eu"}', "1h", "samples, not one; use `period: instant`, or output.series[0]"),
    ],
)
def test_value_of_more_than_one_thing_is_an_error(
    prometheus: PrometheusServer, tmp_path: Path, query: str, period: str, reported: str
) -> None:
    props = {"query": query, "endpoint": prometheus.url, "period": period}
    result = run_book(tmp_path, {"prometheus": props, "assert": "output.value == 1"}).result

    assert reported in str(result.assertions[-1].message)


def test_no_series_is_a_result(prometheus: PrometheusServer, tmp_path: Path) -> None:
    output = output_of(ask(tmp_path, prometheus.url, "absent_metric", "5m"))

    assert (output["total_series"], output["series"], output["data"]) == (0, [], [])


def test_report_reports_the_query_and_the_last_values(prometheus: PrometheusServer, tmp_path: Path) -> None:
    result = ask(tmp_path, prometheus.url, "stock").result

    assert str(result.did).startswith("stock -> 2 series in ")
    assert result.where == prometheus.url
    assert [section.text for section in result.sections] == [
        "7.0  __name__=stock, shelf=a\n8.0  __name__=stock, shelf=b"
    ]


# Time


@pytest.mark.parametrize(
    ("period", "seconds", "step"),
    [
        ("5m", 300, 10),
        ("15m", 900, 30),
        ("30m", 1_800, 60),
        ("", 3_600, 60),
        ("1h", 3_600, 60),
        ("3h", 10_800, 300),
        ("6h", 21_600, 600),
        ("24h", 86_400, 1_800),
        ("2d", 172_800, 3_600),
        ("7d", 604_800, 3_600),
        ("30d", 2_592_000, 14_400),
        ("90d", 7_776_000, 86_400),
        ("180d", 15_552_000, 86_400),
        ("10m", 600, 10),
        ("1m", 60, 1),
        ("90s", 90, 2),
    ],
)
def test_period_is_a_range_and_a_step(tmp_path: Path, period: str, seconds: int, step: int) -> None:
    asked: list[str] = []
    with RawServer(lambda connection: asked.append(answer(connection, EMPTY))) as server:
        output = output_of(ask(tmp_path, f"{server.url}/below/", "up", period))

    url = urlsplit(asked[0])
    assert url.path == "/below/api/v1/query_range"
    sent = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (int(sent["end"]) - int(sent["start"]), sent["step"], sent["query"]) == (seconds, f"{step}s", "up")
    assert output["time_range"] == {"start": int(sent["start"]), "end": int(sent["end"]), "step": step}


def test_endpoint_keeps_its_own_path_and_parameters(tmp_path: Path) -> None:
    asked: list[str] = []
    with RawServer(lambda connection: asked.append(answer(connection, EMPTY))) as server:
        output_of(ask(tmp_path, f"{server.url}/a%2Fb/?dedup=true", 'up{job="ä"} > 1'))

    assert asked == ["/a%2Fb/api/v1/query?dedup=true&query=up%7Bjob%3D%22%C3%A4%22%7D+%3E+1"]


def test_period_that_is_none(tmp_path: Path) -> None:
    result = ask(tmp_path, "http://127.0.0.1:9", "up", "a while").result

    assert result.message == 'period: "a while" is not a duration'
    assert "instant" in str(result.hint)


def test_endpoint_is_this_machine_unless_the_block_shows_otherwise(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"prometheus": "up"}).result

    assert result.where == "http://localhost:9090"


EMPTY = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'


def answer(connection: socket.socket, body: bytes, status: bytes = b"200 OK") -> str:
    """Answer one request; give what it asked for."""
    head = read_head(connection)
    connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)) + body)
    return head.split()[1].decode()


# Who asks


@pytest.mark.parametrize(
    "way",
    [
        {"auth": {"user": "ada", "password": "lovelace"}},
        {"headers": {"Authorization": "Basic YWRhOmxvdmVsYWNl"}},
        {"endpoint": "ada:lovelace@"},
    ],
    ids=["auth", "a header", "the url"],
)
def test_credentials_open_the_door_and_warnings_are_shown(
    closed_prometheus: PrometheusServer, tmp_path: Path, way: dict[str, Any]
) -> None:
    endpoint = closed_prometheus.url.replace("://", f"://{way.pop('endpoint', '')}")
    ran = ask(tmp_path, endpoint, "orders", **way)

    assert output_of(ran)["value"] == 42.0
    assert "lovelace" not in str(ran.result)
    (note,) = ran.result.notes
    assert ran.output["warnings"] == [note.removeprefix("Prometheus warns: ")]


def test_missing_credentials(closed_prometheus: PrometheusServer, tmp_path: Path) -> None:
    result = ask(tmp_path, closed_prometheus.url, "orders").result

    assert str(result.message).startswith("no answer of a Prometheus server: HTTP 401 Unauthorized")
    assert result.hint == "give it credentials: `auth`"


# What goes wrong


def failed(ran: Ran) -> BlockResult:
    assert ran.result.outcome is Outcome.FAILED
    return ran.result


def test_wrong_query_is_reported_in_the_server_s_words(prometheus: PrometheusServer, tmp_path: Path) -> None:
    result = failed(ask(tmp_path, prometheus.url, "sum(orders"))

    assert "Prometheus refuses the query: invalid parameter" in str(result.message)
    assert "parse error" in str(result.message)
    assert (result.kind, result.hint) == ("block", "look at the PromQL")


def test_query_that_can_not_be_evaluated(prometheus: PrometheusServer, tmp_path: Path) -> None:
    result = failed(ask(tmp_path, prometheus.url, "lag + on() group_left() stock", "1h"))

    assert "many-to-many" in str(result.message)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("", "`endpoint` is empty"),
        ("localhost:9090", "is no URL of HTTP"),
        ("ftp://localhost", 'its scheme is "ftp"'),
        ("http://{{ env.NO_SUCH_HOST_HERE }}:9090", "NO_SUCH_HOST_HERE"),
        ("http://{{ '' }}:9090", "empty"),
    ],
)
def test_endpoint_that_is_none(tmp_path: Path, endpoint: str, message: str) -> None:
    assert message in str(failed(ask(tmp_path, endpoint, "up")).message)


def test_query_must_show_something(prometheus: PrometheusServer, tmp_path: Path) -> None:
    assert failed(ask(tmp_path, prometheus.url, " {{ '' }} ")).message == "`query` is empty"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>hello", "no answer of a Prometheus server: HTTP 200 OK: <html>hello"),
        (b"[" * 100_000, "no answer of a Prometheus server"),
        (b'"text"', "no answer of a Prometheus server"),
        (b'{"status":"success"}', "the server's answer has an unknown shape"),
        (b'{"status":"success","data":{"resultType":"cube","result":[]}}', "an unknown shape"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}', "shape"),
        (b'{"status":"success","data":{"resultType":"vector","result":7}}', "shape"),
    ],
)
def test_answer_that_makes_no_sense(tmp_path: Path, body: bytes, message: str) -> None:
    with RawServer(lambda connection: answer(connection, body)) as server:
        result = failed(ask(tmp_path, server.url, "up"))

    assert message in str(result.message)


def test_error_of_something_else_is_reported_with_its_status(web: HttpServer, tmp_path: Path) -> None:
    result = failed(ask(tmp_path, f"{web.url}/status/404", "up"))

    assert "no answer of a Prometheus server: HTTP" in str(result.message)
    assert "endpoint" in str(result.hint)


def test_native_histograms_are_kept_as_they_are(tmp_path: Path) -> None:
    body = (
        b'{"status":"success","data":{"resultType":"vector","result":'
        b'[{"metric":{},"histogram":[1,{"count":"3","sum":"4","buckets":[]}]}]}}'
    )
    with RawServer(lambda connection: answer(connection, body)) as server:
        output = output_of(ask(tmp_path, server.url, "h"))

    assert output["series"][0]["values"] == [{"count": "3", "sum": "4", "buckets": []}]


def test_server_that_is_down_is_one_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    block = {"prometheus": {"query": "up", "endpoint": endpoint}}
    first, second = run_book(tmp_path, block, block).results

    assert (first.kind, first.message) == ("unreachable", f"no connection to {endpoint[7:]}: refused")
    assert (second.outcome, second.kind) == ("skipped", "unreachable")


def test_server_that_never_answers_is_given_up_and_sees_it(tmp_path: Path) -> None:
    with http_server() as server:
        result = failed(ask(tmp_path, f"{server.url}/never", "up", read_timeout="200ms"))

        assert result.kind == "timeout"
        assert server.app.gone.acquire(timeout=10)


def test_distrusted_server_can_be_asked_by_a_block_that_trusts_it(certificates: Certificates, tmp_path: Path) -> None:
    with tls_server(certificates.issue("prometheus", "127.0.0.1")) as server:
        props = {"query": "up", "endpoint": f"{server.url}/json?text="}
        ran = run_book(tmp_path, {"prometheus": props}, {"prometheus": {**props, "ca": str(certificates.ca)}})

    assert [result.kind for result in ran.results] == ["unreachable", "block"]


def test_queries_only_read(prometheus: PrometheusServer, tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, effects=Effects.READ)
    props = {"query": "orders", "endpoint": prometheus.url}
    ran = run_book(tmp_path, {"prometheus": props}, settings=settings)

    assert ran.result.outcome is Outcome.PASSED
