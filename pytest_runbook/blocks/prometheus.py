"""Prometheus blocks: run one PromQL query over a range of time or at the current time.

Source: Prometheus' HTTP API, version 1: expression queries, and the format of their results.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ..context.json_form import wire_data
from ..context.output import Output
from ..errors import BlockFailed, InvalidValue, NotSerializable
from ..execution.context import ExecutionContext
from ..execution.result import OutputSection
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..resources.http.exchange import HttpExchange, HttpRequest
from ..text import duration_seconds, shorten, show_seconds
from .http_props import HttpProps
from .query_block import QueryBlockBehavior
from .remote_access import proxy_of

INSTANT = "instant"
SHOWN_SERIES = 100
MAX_POINTS = 60
MAX_KEPT_SAMPLES = 1_000
# Range and step in seconds, by the format's names. Source: section 10 of the runbook format.
RANGES = {
    "5m": (300, 10),
    "15m": (900, 30),
    "30m": (1_800, 60),
    "": (3_600, 60),
    "1h": (3_600, 60),
    "3h": (10_800, 300),
    "6h": (21_600, 600),
    "24h": (86_400, 1_800),
    "2d": (172_800, 3_600),
    "7d": (604_800, 3_600),
    "30d": (2_592_000, 14_400),
    "90d": (7_776_000, 86_400),
    "180d": (15_552_000, 86_400),
}
HINTS = {
    "bad_data": "look at the PromQL",
    "execution": "look at the PromQL: the server could not evaluate it",
    "timeout": "the server gave up: ask for less, or let it take longer (its --query.timeout)",
    "unavailable": "the server is starting or overloaded",
}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The time range of a query: Unix times and a step, in seconds. The step of an instant query is 0."""

    start: int
    end: int
    step: int

    def to_json(self) -> dict[str, object]:
        return {"start": self.start, "end": self.end, "step": self.step}


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its own timestamps (Unix, seconds).

    values: numbers; maps for native histograms; one text for a string result.
    """

    name: str
    labels: Mapping[str, str]
    timestamps: Sequence[float]
    values: Sequence[object]

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "labels": self.labels, "timestamps": self.timestamps, "values": self.values}


@dataclass(frozen=True, slots=True)
class PrometheusResult:
    """The result of a query. kind: matrix, vector, scalar or string. warnings: the server's, as text."""

    kind: str
    series: tuple[Series, ...]
    query: str
    time_range: TimeRange
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [series.name for series in self.series]

    @property
    def data(self) -> list[list[object]]:
        """All timestamps, then the values of each series at them; None where a series has no sample."""
        times = sorted({moment for series in self.series for moment in series.timestamps})
        samples = (dict(zip(series.timestamps, series.values, strict=True)) for series in self.series)
        return [list(times), *([row.get(moment) for moment in times] for row in samples)] if self.series else []

    def to_json(self) -> dict[str, object]:
        """Return the result under the names that the reference sends to its clients."""
        return {
            "data": self.data,
            "seriesNames": self.names,
            "queryExecuted": self.query,
            "timeRange": self.time_range.to_json(),
            "resultType": self.kind,
            "series": [series.to_json() for series in self.series],
        }


class Prometheus(QueryBlockBehavior[HttpRequest, PrometheusResult]):
    """Queries a Prometheus server. An empty result is a success."""

    connection_prop = "endpoint"

    @property
    def known_effect(self) -> Effect:
        return self.declared_effect or Effect(Effects.READ, "a query only reads")

    def target(self, context: ExecutionContext, connection_string: str) -> str:
        return f"{super().target(context, connection_string)} {HttpProps(context).tls()}"

    async def connect(self, context: ExecutionContext, connection_string: str) -> HttpRequest:
        """Return the request without its query. The HTTP pool connects, or reuses a connection, when it is sent."""
        props = HttpProps(context)
        auth, authorization = props.credentials()
        return HttpRequest(
            method="GET",
            url=props.url(self.connection_prop),
            headers=(*props.headers(), *authorization),
            auth=auth,
            tls=props.tls(),
            connect_timeout=props.seconds("connectTimeout"),
            read_timeout=props.seconds("readTimeout"),
            proxy=await proxy_of(context, self.label),
            check=context.resources.allow_list.url_check,
        )

    async def execute_query(
        self, context: ExecutionContext, connection: HttpRequest, query: str
    ) -> tuple[PrometheusResult]:
        time_range = self._time_range()
        exchange = HttpExchange(_with_query(connection, query, time_range))
        context.report_details.did = context.masker.excerpt(query, 80)
        await context.resources.http.perform(exchange, context.run_id)
        result = _result(_data(exchange), query, time_range)
        self._report_result(context, result, exchange)
        return (result,)

    def create_output(self, results: Sequence[PrometheusResult]) -> Output:
        (result,) = results
        samples = sum(len(series.values) for series in result.series)
        return Output(
            {
                "results": lambda: [result.to_json()],
                "first": result.to_json,
                "total_series": len(result.series),
                "result_count": len(results),
                "series_names": result.names,
                "data": lambda: result.data,
                "query_executed": result.query,
                "time_range": result.time_range.to_json(),
                "result_type": result.kind,
                "series": lambda: [series.to_json() for series in result.series],
                "warnings": list(result.warnings),
            },
            lambda: _one_value(result),
            large=("results", "first", "data", "series") if samples > MAX_KEPT_SAMPLES else (),
        )

    def result_message(self, result: PrometheusResult) -> Mapping[str, object]:
        message: Mapping[str, object] = wire_data(result.to_json())
        return message

    def _time_range(self) -> TimeRange:
        period, now = str(self.spec.props["period"] or "").strip(), int(time.time())
        if period == INSTANT:
            return TimeRange(now, now, 0)
        seconds, step = RANGES.get(period) or self._range_of(period)
        return TimeRange(now - seconds, now, step)

    def _range_of(self, period: str) -> tuple[int, int]:
        """Return seconds and step for a duration that `RANGES` does not list, with about as many points as those."""
        try:
            seconds = math.ceil(duration_seconds(period))
        except ValueError as error:
            hint = f"one of {', '.join(filter(None, RANGES))}, another duration, or {INSTANT}"
            raise InvalidValue(f"period: {error}", location=self.spec.location_of("period"), hint=hint) from None
        return seconds, max(1, math.ceil(seconds / MAX_POINTS))

    def _report_result(self, context: ExecutionContext, result: PrometheusResult, exchange: HttpExchange) -> None:
        count = f"{len(result.series)} series" if result.kind in ("matrix", "vector") else result.kind
        context.report_details.did = (
            f"{context.report_details.did} -> {count} in {show_seconds(exchange.seconds or 0.0)}"
        )
        context.report_details.notes += [f"Prometheus warns: {warning}" for warning in result.warnings]
        context.report_details.output = lambda: (
            [OutputSection("series", "\n".join(_series_lines(result)))] if result.series else []
        )


def _with_query(request: HttpRequest, query: str, time_range: TimeRange) -> HttpRequest:
    parameters = {"query": query}
    if time_range.step:
        parameters |= {"start": str(time_range.start), "end": str(time_range.end), "step": f"{time_range.step}s"}
    base, _, query_string = request.url.raw_path.decode("ascii").partition("?")
    path = f"{base.rstrip('/')}/api/v1/{'query_range' if time_range.step else 'query'}"
    target = f"{path}?{'&'.join(filter(None, (query_string, urlencode(parameters))))}"
    return replace(request, url=request.url.copy_with(raw_path=target.encode()))


def _data(exchange: HttpExchange) -> Mapping[str, Any]:
    """Return the server's response, parsed.

    :raises BlockFailed: if the server reports an error, or does not respond in Prometheus' format.
    """
    text = exchange.body.decode("utf-8", "replace")
    try:
        response = json.loads(text)
    except (ValueError, RecursionError):
        response = None
    if isinstance(response, dict) and response.get("status") == "success":
        return response
    if isinstance(response, dict) and response.get("status") == "error":
        kind = str(response.get("errorType"))
        raise BlockFailed(f"Prometheus refuses the query: {response.get('error')}", hint=HINTS.get(kind), detail=text)
    hint = {401: "give it credentials: `auth`", 403: "these credentials are not enough"}.get(
        exchange.status, "is `endpoint` the address of a Prometheus server, with the path that it is served below?"
    )
    detail = ": ".join(filter(None, (f"HTTP {exchange.status} {exchange.reason}".rstrip(), shorten(text, 200))))
    raise BlockFailed(f"no answer of a Prometheus server: {detail}", hint=hint, detail=text)


def _result(response: Mapping[str, Any], query: str, time_range: TimeRange) -> PrometheusResult:
    try:
        kind = response["data"]["resultType"]
        series = tuple(_series(kind, response["data"]["result"], query))
        warnings = [str(warning) for key in ("warnings", "infos") for warning in response.get(key) or ()]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotSerializable(
            f"the server's answer has an unknown shape: {error!r}", detail=shorten(str(response), 1000)
        ) from error
    return PrometheusResult(kind, series, query, time_range, tuple(warnings))


def _series(kind: str, result: Any, query: str) -> Iterator[Series]:
    """Yield the series of a result of that kind; a scalar or a string becomes one series without labels."""
    match kind:
        case "scalar":
            yield Series(query, {}, [result[0]], [float(result[1])])
        case "string":
            yield Series(query, {}, [result[0]], [str(result[1])])
        case "matrix" | "vector":
            for each in result:
                labels = each["metric"]
                name = ", ".join(f"{label}={value}" for label, value in labels.items()) or query
                yield Series(name, labels, *_samples(each))
        case _:
            raise ValueError(f"result type {kind}")


def _samples(series: Mapping[str, Any]) -> tuple[list[float], list[object]]:
    """Return timestamps and values in the order of time; native histograms stay maps, as the server sends them."""
    floats = series.get("values") or ([series["value"]] if "value" in series else [])
    histograms = series.get("histograms") or ([series["histogram"]] if "histogram" in series else [])
    samples = [(moment, float(text)) for moment, text in floats] + list(histograms)
    samples.sort(key=lambda sample: sample[0])
    return [moment for moment, _ in samples], [value for _, value in samples]


def _one_value(result: PrometheusResult) -> object:
    if not result.series:
        raise ValueError("the query gave no series")
    if len(result.series) > 1:
        raise ValueError(f"the query gave {len(result.series)} series, not one; use output.series")
    values = result.series[0].values
    if len(values) > 1:
        raise ValueError(f"the series has {len(values)} samples, not one; use `period: instant`, or output.series[0]")
    return values[0]


def _series_lines(result: PrometheusResult) -> Iterator[str]:
    """Yield a line for each series: its last value and its name."""
    for series in result.series[:SHOWN_SERIES]:
        last = series.values[-1] if series.values else "no sample"
        more = f" (the last of {len(series.values)})" if len(series.values) > 1 else ""
        yield f"{shorten(str(last), 60)}{more}  {shorten(series.name, 120)}"
    if len(result.series) > SHOWN_SERIES:
        yield f"... and {len(result.series) - SHOWN_SERIES} more"
