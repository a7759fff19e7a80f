"""Http blocks against a real server: what is sent, what comes of the answer, and who is told what."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook.document.settings import Settings
from pytest_runbook.errors import UnreadableFile
from pytest_runbook.execution.result import Outcome
from pytest_runbook.model.runbook import Effects
from tests import harness
from tests.run_book import Ran, run_book
from tests.servers.http_servers import HttpServer, RawServer, read_head


def echoed(ran: Ran) -> dict[str, Any]:
    """What the server was sent."""
    assert ran.result.outcome is Outcome.PASSED, ran.result
    body = ran.output["body_json"]
    assert isinstance(body, dict)
    return body


def headers_of(request: Mapping[str, Any]) -> dict[str, str]:
    return dict(request["headers"])


# What is sent


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "report"])
def test_every_method_is_sent_as_it_is_called(web: HttpServer, tmp_path: Path, method: str) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "method": method}})

    assert echoed(ran)["method"] == method.upper()


def test_head_returns_the_headers_alone(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": f"HEAD {web.url}/echo"})

    assert ran.output["status"] == 200
    assert ran.output["body"] == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Team": "{{ var.team }}", "X-Tries": 3, "X-Dry": True},
        '{"X-Team": "{{ var.team }}", "X-Tries": "3", "X-Dry": "true"}',
        '{{ {"X-Team": var.team, "X-Tries": "3", "X-Dry": "true"} | tojson }}',
    ],
    ids=["a map", "JSON", "JSON that a template makes"],
)
def test_headers_are_rendered_and_sent(web: HttpServer, tmp_path: Path, headers: object) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "headers": headers}}, vars={"team": 'grün "payments"'})

    sent = headers_of(echoed(ran))
    assert (sent["x-team"], sent["x-tries"], sent["x-dry"]) == ('grün "payments"', "3", "true")


def test_braces_that_come_out_of_a_variable_stay_as_they_are(web: HttpServer, tmp_path: Path) -> None:
    """They are rendered once, also where a template makes all of the headers."""
    headers = '{{ {"X-Format": var.format} | tojson }}'
    ran = run_book(
        tmp_path,
        {"vars": {"format": "{% raw %}{{.Names}}{% endraw %}"}},
        {"http": {"url": f"{web.url}/echo", "headers": headers}},
    )

    assert headers_of(echoed(ran))["x-format"] == "{{.Names}}"


def test_header_from_a_script_loses_its_newline(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo\n", "headers": {"X-Token": "from a program\r\n"}}})

    assert headers_of(echoed(ran))["x-token"] == "from a program"


def test_header_may_be_given_several_times(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "headers": {"X-Tag": ["a", "b"]}}})

    assert [pair for pair in echoed(ran)["headers"] if pair[0] == "x-tag"] == [["x-tag", "a"], ["x-tag", "b"]]


def test_body_is_sent_as_it_stands_and_without_a_type(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "method": "POST", "body": "a={{ 1 + 1 }}\n"}})

    sent = echoed(ran)
    assert sent["body"] == "a=2"
    assert "content-type" not in headers_of(sent)


def test_body_is_left_out_of_get_and_the_report_shows_so(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "body": "x"}})

    assert echoed(ran)["body"] == ""
    assert ran.result.notes == ("`body` is not sent with GET",)


def test_json_keeps_types_and_renders_texts(web: HttpServer, tmp_path: Path) -> None:
    data = {"n": 1, "on": True, "none": None, "deep": [{"at": "{{ var.region }}"}], "ü": "ü"}
    ran = run_book(
        tmp_path, {"http": {"url": f"{web.url}/echo", "method": "POST", "json": data}}, vars={"region": 'eu"1'}
    )

    sent = echoed(ran)
    assert sent["body"].encode("latin-1").decode() == (
        '{"n": 1, "on": true, "none": null, "deep": [{"at": "eu\\"1"}], "ü": "ü"}'
    )
    assert headers_of(sent)["content-type"] == "application/json"


def test_own_content_type_wins_over_the_implied_one(web: HttpServer, tmp_path: Path) -> None:
    props = {"url": f"{web.url}/echo", "method": "PATCH", "json": {}, "headers": {"Content-Type": "application/x+json"}}
    ran = run_book(tmp_path, {"http": props})

    assert headers_of(echoed(ran))["content-type"] == "application/x+json"


def test_length_is_reported_as_it_is_whatever_the_author_shows(web: HttpServer, tmp_path: Path) -> None:
    props = {"method": "POST", "body": "x", "headers": {"Content-Length": "7", "Transfer-Encoding": "chunked"}}
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", **props}})

    assert headers_of(echoed(ran))["content-length"] == "1"
    assert ran.result.notes == ("Content-Length, Transfer-Encoding: left out; they follow from the body",)


def test_form_is_encoded(web: HttpServer, tmp_path: Path) -> None:
    form = {"name": "Ada & Bob", "tag": ["a", "b"], "n": 3}
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "method": "POST", "form": form}})

    sent = echoed(ran)
    assert sent["body"] == "name=Ada+%26+Bob&tag=a&tag=b&n=3"
    assert headers_of(sent)["content-type"] == "application/x-www-form-urlencoded"


def test_files_are_uploaded_with_their_names_and_types(web: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("all is well")
    (tmp_path / "data.bin").write_bytes(b"\0\1")
    files = {"report": "report.txt", "data": {"path": "data.bin", "name": "x.dat", "type": "application/x-dat"}}
    props = {"url": f"{web.url}/echo", "method": "POST", "files": files, "form": {"team": "payments"}}
    ran = run_book(tmp_path, {"http": props})

    body = echoed(ran)["body"]
    assert 'name="team"\r\n\r\npayments' in body
    assert 'name="report"; filename="report.txt"\r\nContent-Type: text/plain\r\n\r\nall is well' in body
    assert 'name="data"; filename="x.dat"\r\nContent-Type: application/x-dat\r\n\r\n\0\1' in body


def test_body_file_is_sent_as_it_is(web: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "payload").write_bytes(b"{{ not a template }}" + bytes(200_000))
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "method": "PUT", "body_file": "payload"}})

    sent = echoed(ran)
    assert sent["body"].startswith("{{ not a template }}\0")
    assert headers_of(sent)["content-length"] == "200020"


def test_query_is_added_to_the_url(web: HttpServer, tmp_path: Path) -> None:
    query = {"q": "a b&c", "tag": ["x", "y"], "deep": True}
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo?as=%20written", "query": query}})

    assert echoed(ran)["query"] == "as=%20written&q=a+b%26c&tag=x&tag=y&deep=true"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"user": "ada", "password": "lovelace"}, "Basic YWRhOmxvdmVsYWNl"),
        ({"bearer": "tok-1234"}, "Bearer tok-1234"),
    ],
)
def test_credentials_are_sent_and_never_shown(web: HttpServer, tmp_path: Path, auth: dict[str, str], sent: str) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", "auth": auth}, "assert": "output.status == 201"})

    body = ran.output["body_json"]
    assert isinstance(body, dict)
    assert headers_of(body)["authorization"] == sent
    assert sent.split()[1] not in str(ran.result)


def test_credentials_of_the_url_are_sent_and_never_shown(web: HttpServer, tmp_path: Path) -> None:
    url = web.url.replace("://", "://ada:lovelace@")
    ran = run_book(tmp_path, {"http": f"{url}/echo"})

    assert headers_of(echoed(ran))["authorization"] == "Basic YWRhOmxvdmVsYWNl"
    assert "lovelace" not in str(ran.result)
    assert ran.output["url"] == f"{web.url}/echo"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("token=abc&page=2", "token=***&page=2"),
        ("page=2&X-Amz-Signature=0af3", "page=2&X-Amz-Signature=***"),
        ("api_key=1&client_secret=2&access_token=3", "api_key=***&client_secret=***&access_token=***"),
        ("passwd=1&Password=2&sig=3", "passwd=***&Password=***&sig=***"),
        ("tokens=many&design=new", "tokens=many&design=new"),
    ],
)
def test_parameters_that_are_secret_by_their_name_are_not_shown(
    web: HttpServer, tmp_path: Path, query: str, shown: str
) -> None:
    result = run_book(tmp_path, {"http": f"{web.url}/status/200?{query}"}).result

    assert str(result.did).startswith(f"GET {web.url}/status/200?{shown} -> 200 in")


def test_compressed_answers_are_unpacked(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, *({"http": f"{web.url}/compressed?how={how}"} for how in ("gzip", "deflate")))

    assert [output and output["body"] for output in ran.outputs] == ["unpacked", "unpacked"]


@pytest.mark.parametrize(
    "props",
    [
        {"headers": {"X-Team": "{{ var. }}"}},
        {"json": {"deep": [{"at": "{{ var. }}"}]}},
        {"query": {"{{ var. }}": "q"}},
        {"form": {"tag": ["{{ var. }}"]}},
        {"auth": {"bearer": "{{ var. }}"}},
    ],
    ids=str,
)
def test_template_that_makes_no_sense_is_found_before_anything_runs(
    web: HttpServer, tmp_path: Path, props: dict[str, object]
) -> None:
    with pytest.raises(UnreadableFile, match="block #2 \\(http\\)"):
        run_book(tmp_path, {"http": web.url}, {"http": {"url": web.url, **props}})


# What comes of the answer


def test_output_has_every_key_that_is_documented(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": f"{web.url}/status/200"})

    assert dict(ran.output) == {
        "status": 200,
        "status_text": "OK",
        "status_success": True,
        "reason": "OK",
        "headers": ran.output["headers"],
        "body": "as you like it\n",
        "body_json": None,
        "duration_seconds": ran.output["duration_seconds"],
        "seconds": ran.output["seconds"],
        "url": f"{web.url}/status/200",
        "http_version": "HTTP/1.1",
        "tls_expiry_days": None,
    }
    headers_seconds, seconds = ran.output["duration_seconds"], ran.output["seconds"]
    assert isinstance(headers_seconds, float)
    assert isinstance(seconds, float)
    assert 0 < headers_seconds <= seconds < 10


def test_headers_are_in_lower_case_and_the_last_of_a_name_counts(web: HttpServer, tmp_path: Path) -> None:
    headers = run_book(tmp_path, {"http": f"{web.url}/headers"}).output["headers"]

    assert isinstance(headers, dict)
    assert (headers["x-twice"], headers["x-mixed-case"]) == ("second", "Kept")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("charset=latin-1", "grün"),
        ("charset=utf-16", "grün"),
        ("charset=klingon&really=utf-8", "grün"),
        ("charset=hex&really=utf-8", "grün"),
        ("charset=idna&really=utf-8", "grün"),
        ("charset=utf-8&really=utf-8-sig", "grün"),
        ("charset=utf-8&really=latin-1", "gr�n"),
    ],
)
def test_body_is_decoded_by_its_charset(web: HttpServer, tmp_path: Path, query: str, text: str) -> None:
    assert run_book(tmp_path, {"http": f"{web.url}/text?{query}"}).output["body"] == text


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ('{"lag": 12, "big": 18446744073709551615}', {"lag": 12, "big": 18446744073709551615}),
        ("[1, 2.5, null]", [1, 2.5, None]),
        ("no JSON", None),
        ('{"lag": NaN}', None),
        ("[" * 100_000, None),
    ],
)
def test_body_json_is_none_where_the_body_is_none(web: HttpServer, tmp_path: Path, text: str, parsed: object) -> None:
    with RawServer(lambda connection: answer(connection, text.encode())) as server:
        assert run_book(tmp_path, {"http": server.url}).output["body_json"] == parsed


@pytest.mark.parametrize(
    ("text", "value"), [("42", 42), ('"ok"', "ok"), ("ready\n", "ready"), ("true", True), ("007", "007")]
)
def test_value_is_the_one_thing_that_the_body_shows(tmp_path: Path, text: str, value: object) -> None:
    with RawServer(lambda connection: answer(connection, text.encode())) as server:
        ran = run_book(
            tmp_path, {"http": server.url, "capture": "said"}, {"script": "echo", "assert": "var.said is defined"}
        )

    output = ran.outputs[0]
    assert output is not None
    assert output["value"] == value


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ('{"a": 1}', "the body is a map; use output.body_json"),
        ("a\nb", "the body has 2 lines, not one; use output.body"),
        ("", "the body is empty; use output.body"),
    ],
)
def test_value_of_more_than_one_thing_is_an_error(tmp_path: Path, text: str, reported: str) -> None:
    with RawServer(lambda connection: answer(connection, text.encode())) as server:
        ran = run_book(tmp_path, {"http": server.url, "assert": "output.value == 1"})

    assert ran.result.assertions[-1].message == f"output.value: {reported}"


def answer(connection: socket.socket, body: bytes) -> None:
    """One answer, then the end."""
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)


# When a block succeeds


@pytest.mark.parametrize(
    ("status", "outcome"), [(204, "passed"), (304, "passed"), (400, "failed"), (404, "failed"), (503, "failed")]
)
def test_status_of_400_and_above_fails(web: HttpServer, tmp_path: Path, status: int, outcome: str) -> None:
    assert run_book(tmp_path, {"http": f"{web.url}/status/{status}"}).result.outcome == outcome


def test_failure_reports_the_status_what_was_done_and_the_body(web: HttpServer, tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": f"{web.url}/status/503"}).result

    assert (result.kind, result.message, result.where) == ("block", "503 Service Unavailable", "local")
    assert result.did is not None
    assert result.did.startswith(f"GET {web.url}/status/503 -> 503 in ")
    assert [(section.title, section.text) for section in result.sections] == [("body", "as you like it\n")]


def test_author_s_word_on_the_status_replaces_ours(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": f"{web.url}/status/403", "assert": "output.status == 403"})

    assert ran.result.outcome is Outcome.PASSED


def test_expected_error_is_found_in_the_body(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": f"{web.url}/status/403", "expect_error": "as you like it"})

    assert ran.result.outcome is Outcome.PASSED


# Redirects and cookies


def test_redirects_are_followed_and_reported(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/redirect?to=/echo", "method": "POST", "body": "x"}})

    assert (echoed(ran)["method"], ran.output["url"]) == ("GET", f"{web.url}/echo")
    assert ran.result.did is not None
    assert f"/redirect?to=/echo -> 200 from {web.url}/echo in" in ran.result.did


@pytest.mark.parametrize("body", [{"body": "x" * 9}, {"body_file": "nine"}, {"json": "seven.."}])
def test_redirect_that_keeps_the_method_gets_the_body_again(
    web: HttpServer, tmp_path: Path, body: dict[str, str]
) -> None:
    (tmp_path / "nine").write_text("x" * 9)
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/redirect?to=/echo&status=307", "method": "PUT", **body}})

    assert (echoed(ran)["method"], len(echoed(ran)["body"])) == ("PUT", 9)


def test_redirects_can_be_looked_at(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/redirect?to=/echo", "redirects": False}})

    headers = ran.output["headers"]
    assert isinstance(headers, dict)
    assert (ran.result.outcome, ran.output["status"], headers["location"]) == ("passed", 302, "/echo")


def test_circle_of_redirects_ends(web: HttpServer, tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": f"{web.url}/circle"}).result

    assert result.message == f"more than 10 redirects, the last one to {web.url}/circle"


def test_credentials_do_not_follow_a_redirect_to_another_server(web: HttpServer, tmp_path: Path) -> None:
    elsewhere = web.url.replace("127.0.0.1", "localhost")
    ran = run_book(tmp_path, {"http": {"url": f"{web.url}/redirect?to={elsewhere}/echo", "auth": {"bearer": "secret"}}})

    assert "authorization" not in headers_of(echoed(ran))


def test_cookies_are_kept_within_a_runbook_and_not_beyond(web: HttpServer, tmp_path: Path) -> None:
    login, look = {"http": f"{web.url}/login"}, {"http": f"{web.url}/echo"}
    within, beyond = run_book(tmp_path, login, look), run_book(tmp_path, look)

    assert headers_of(echoed(within))["cookie"] == "session=abc"
    assert "cookie" not in headers_of(echoed(beyond))


# Connections


def test_twenty_blocks_use_one_connection(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, *[{"http": f"{web.url}/echo"}] * 20)

    connections = {output and output["body_json"]["connection"] for output in ran.outputs}  # type: ignore[index]  # a dict
    assert len(connections) == 1


def test_kept_connection_that_the_server_closed_is_replaced(tmp_path: Path) -> None:
    """The server closes it at the moment at which the next request arrives."""

    def serve_one(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        read_head(connection)

    with RawServer(serve_one) as server:
        ran = run_book(tmp_path, {"http": server.url}, {"http": server.url})

        assert [result.outcome for result in ran.results] == ["passed", "passed"]
        assert server.accepted == 2


def test_what_may_not_be_sent_twice_is_not(tmp_path: Path) -> None:
    def serve_one(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        read_head(connection)

    with RawServer(serve_one) as server:
        ran = run_book(tmp_path, {"http": server.url}, {"http": f"POST {server.url}"})

        assert ran.result.message == f"127.0.0.1:{server.port} closed the connection without an answer"
        assert server.accepted == 1


def test_proxy_of_the_environment_is_used(web: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    ran = run_book(tmp_path, {"http": "http://shop.invalid/echo"})

    assert headers_of(echoed(ran))["host"] == "shop.invalid"


def test_no_proxy_of_the_environment_is_honoured(
    web: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    ran = run_book(tmp_path, {"http": f"{web.url}/echo"})

    assert ran.result.outcome is Outcome.PASSED


# Read-only runs


@pytest.mark.parametrize(
    ("block", "outcome"),
    [
        ({"http": "GET {url}"}, "passed"),
        ({"http": "HEAD {url}"}, "passed"),
        ({"http": "OPTIONS {url}"}, "passed"),
        ({"http": "POST {url}"}, "skipped"),
        ({"http": "DELETE {url}"}, "skipped"),
        ({"http": "PURGE {url}"}, "skipped"),
        ({"http": "POST {url}", "effects": "read"}, "passed"),
    ],
    ids=str,
)
def test_read_only_runs_send_what_only_reads(
    web: HttpServer, tmp_path: Path, block: dict[str, str], outcome: str
) -> None:
    block = {**block, "http": block["http"].format(url=f"{web.url}/echo")}
    ran = run_book(tmp_path, block, settings=Settings(root=tmp_path, effects=Effects.READ))

    assert ran.result.outcome == outcome


# As another program writes it


def test_block_of_an_atuin_document_is_sent_as_there(web: HttpServer, tmp_path: Path) -> None:
    props = {
        "name": "Order",
        "url": f"{web.url}/echo\n",
        "verb": "post",
        "body": '{"item": "{{ var.item }}"}',
        "headers": '{"X-Item": "{{ var.item }}"}',
        "dependency": "{}",
    }
    content = [
        {"id": "1", "type": "var", "props": {"name": "item", "value": "tea"}},
        {"id": "2", "type": "http", "props": props},
    ]
    text = json.dumps({"id": "0", "name": "Order", "version": 1, "content": content})

    sent = echoed(Ran.of(harness.ran(tmp_path, text, name="order.atrb")))
    assert (sent["method"], sent["body"], headers_of(sent)["x-item"]) == ("POST", '{"item": "tea"}', "tea")


@pytest.mark.parametrize("arguments", [["script.runbook.yaml"], ["--collect-only", "http.runbook.yaml"]])
def test_client_is_imported_when_a_block_needs_it(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "script.runbook.yaml").write_text("blocks: [script: 'true']")
    (tmp_path / "http.runbook.yaml").write_text("blocks: [http: 'http://127.0.0.1:9/']")
    look = f"import sys, pytest; pytest.main({arguments}); print({{'httpx2', 'h11'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "set()", done.stdout
