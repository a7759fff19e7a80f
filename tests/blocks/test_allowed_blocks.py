"""What blocks may start and connect to: refused before anything of it is touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_runbook import Settings
from pytest_runbook.policy.allow_list import AllowList
from tests.run_book import Ran, run_book
from tests.servers.http_servers import HttpServer

Block = Mapping[str, object]


def run(folder: Path, *blocks: Block, allow: str) -> Ran:
    types = {"script": "script", "http": "http", "sub-runbook": "sub-runbook"}
    return run_book(folder, *blocks, settings=Settings(root=folder, allow_list=AllowList.of(allow.splitlines(), types)))


REFUSED = [
    ("type: http", {"script": "touch ran"}, "runbook_allow has no type script; it has http"),
    (
        "interpreter: sh",
        {"script": {"code": "touch ran", "interpreter": "bash -e"}},
        "runbook_allow has no interpreter bash -e; it has sh",
    ),
    ("interpreter: sh", {"terminal": {"code": "touch ran", "type": "bash"}}, "has no interpreter bash; it has sh"),
    ("interpreter: sh", {"kubernetes": "touch ran"}, "has no interpreter"),
    ("host: *.corp", {"http": "http://127.0.0.1:1/"}, "runbook_allow has no host 127.0.0.1; it has *.corp"),
    (
        "url: https://*.corp/*",
        {"http": "http://a:b@127.0.0.1:1/x"},
        "has no url http://127.0.0.1:1/x; it has https://*.corp/*",
    ),
    ("host: *.corp", {"prometheus": {"query": "up", "endpoint": "http://127.0.0.1:1"}}, "has no host 127.0.0.1"),
    ("host: *.corp", {"postgres": {"uri": "postgres://a:b@127.0.0.1/x", "query": "select 1"}}, "has no host 127.0.0.1"),
    (
        "url: mysql://*.corp/*",
        {"mysql": {"uri": "mysql://a:b@127.0.0.1:3307/x", "query": "select 1"}},
        "has no url mysql://127.0.0.1:3307/x",
    ),
    ("host: *.corp", {"clickhouse": {"uri": "http://127.0.0.1:1/x", "query": "select 1"}}, "has no host 127.0.0.1"),
    ("url: sqlite:/srv/*", {"sqlite": {"uri": "shop.db", "query": "select 1"}}, "has no url sqlite:/"),
]


@pytest.mark.parametrize(("allow", "block", "why"), REFUSED)
def test_what_is_not_allowed_is_refused(allow: str, block: Block, why: str, tmp_path: Path) -> None:
    result = run(tmp_path, block, allow=allow).result

    assert (result.outcome, result.kind) == ("skipped", "refused")
    assert why in (result.message or "")
    assert "b@" not in (result.message or "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.runbook.json"]


ALLOWED = [
    ("type: script", {"script": "true"}),
    ("interpreter: bash*, sh", {"script": "true"}),
    ("host: *.corp", {"script": "true"}),
    ("url: sqlite:*/shop.db", {"sqlite": {"uri": "shop.db", "query": "select 1"}}),
    ("url: sqlite:*:memory:", {"sqlite": {"uri": ":memory:", "query": "select 1"}}),
    ("host: *.corp", {"sqlite": {"uri": ":memory:", "query": "select 1"}}),
]


@pytest.mark.parametrize(("allow", "block"), ALLOWED)
def test_what_is_allowed_runs(allow: str, block: Block, tmp_path: Path) -> None:
    assert run(tmp_path, block, allow=allow).result.outcome == "passed"


def test_a_redirect_does_not_lead_out_of_what_is_allowed(tmp_path: Path, web: HttpServer) -> None:
    elsewhere = web.url.replace("127.0.0.1", "localhost")
    there = {"http": f"{web.url}/redirect?to={web.url}/echo"}
    away = {"http": f"{web.url}/redirect?to={elsewhere}/echo"}

    ran = run(tmp_path, there, away, allow="host: 127.0.0.1")

    assert [str(result.outcome) for result in ran.results] == ["passed", "failed"]
    assert ran.result.kind == "refused"
    assert ran.result.message == (
        f"redirected to {elsewhere}/echo: runbook_allow has no host localhost; it has 127.0.0.1"
    )


def test_blocks_of_runbooks_within_one_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "child.runbook.yaml").write_text("blocks: [{name: A, script: touch ran}]")

    result = run(tmp_path, {"sub-runbook": "child.runbook.yaml"}, allow="type: sub-runbook").result

    assert (result.outcome, result.kind) == ("skipped", "refused")
    assert not (tmp_path / "ran").exists()
