"""kubernetes-get: with the real kubectl against an API server, and with recorded answers."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import psutil
import pytest

from pytest_runbook import BlockOutput, Settings
from pytest_runbook.blocks.kubernetes_tables import table_of
from pytest_runbook.model.runbook import Effects
from tests.harness import Opened, inside, ran
from tests.servers.kubernetes_api import SLOW, KubernetesApi, kubernetes_api

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="no kubectl: apt-get install kubernetes-client"
)


def made(name: str, namespace: str | None = None, **age: float) -> dict[str, Any]:
    """The metadata of an object of that age."""
    created = (NOW - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": name, "creationTimestamp": created, **({"namespace": namespace} if namespace else {})}}


POD = {
    **made("web-1", "shop", days=3, hours=5),
    "spec": {"nodeName": "n1"},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "containerStatuses": [{"ready": True, "restartCount": 2}, {"ready": False, "restartCount": 1}],
    },
}
KINDS: dict[str, tuple[Mapping[str, Any], dict[str, object]]] = {
    "Pod": (
        POD,
        {
            "name": "web-1", "namespace": "shop", "ready": "1/2", "status": "Running", "restarts": 3, "age": "3d",
            "ip": "10.0.0.7", "node": "n1",
        },
    ),
    "Pod, pending": (
        made("web-2", "shop", seconds=30),
        {
            "name": "web-2", "namespace": "shop", "ready": "0/0", "status": "Unknown", "restarts": 0, "age": "<1m",
            "ip": "<none>", "node": "<none>",
        },
    ),
    "Service": (
        {
            **made("web", "shop", hours=7),
            "spec": {
                "type": "LoadBalancer", "clusterIP": "10.1.0.1",
                "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "lb.example"}]}},
        },
        {
            "name": "web", "namespace": "shop", "type": "LoadBalancer", "clusterIP": "10.1.0.1",
            "externalIP": "1.2.3.4,lb.example", "ports": "80/TCP,53/UDP", "age": "7h",
        },
    ),
    "Deployment": (
        {
            **made("web", "shop", minutes=42),
            "spec": {"replicas": 3},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        },
        {"name": "web", "namespace": "shop", "ready": "2/3", "upToDate": 3, "available": 2, "age": "42m"},
    ),
    "ConfigMap": (
        {**made("c", "shop", days=1), "data": {"a": "1", "b": "2"}},
        {"name": "c", "namespace": "shop", "data": 2, "age": "1d"},
    ),
    "Secret": (
        {**made("s", "shop", days=1), "type": "kubernetes.io/tls", "data": {"a": "MQ=="}},
        {"name": "s", "namespace": "shop", "type": "kubernetes.io/tls", "data": 1, "age": "1d"},
    ),
    "Node": (
        {
            "metadata": {**made("n1", days=9)["metadata"], "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "status": {
                "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.32.0"},
            },
        },
        {"name": "n1", "status": "Ready", "roles": "control-plane", "age": "9d", "version": "v1.32.0"},
    ),
    "Node, new": (
        made("n2", days=9),
        {"name": "n2", "status": "NotReady", "roles": "<none>", "age": "9d", "version": "<none>"},
    ),
    "Namespace": (
        {**made("shop", days=1), "status": {"phase": "Active"}},
        {"name": "shop", "status": "Active", "age": "1d"},
    ),
    "Widget": (made("w"), {"name": "w", "namespace": "cluster", "kind": "Widget", "age": "<1m"}),
    "Widget, without a date": (
        {"metadata": {"name": "w", "namespace": "x"}},
        {"name": "w", "namespace": "x", "kind": "Widget", "age": "Unknown"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "item", "row"), [(kind, *case) for kind, case in KINDS.items()], ids=KINDS)
def test_each_kind_has_its_columns(kind: str, item: Mapping[str, Any], row: dict[str, object]) -> None:
    name = kind.partition(",")[0]
    table = table_of([{"kind": name, **item}], NOW)

    assert table.rows == (row,)
    assert (table.kind, table.columns) == (name.lower(), tuple(row))


def test_objects_of_several_kinds_share_what_all_have() -> None:
    table = table_of([{"kind": "Pod", **POD}, {"kind": "Service", **made("s")}], NOW)

    assert table.columns == ("name", "namespace", "kind", "age")


def test_headings_show_how_wide_a_column_is() -> None:
    (name, *_) = table_of([{"kind": "Deployment", **made("a-long-name")}], NOW).headings
    titles = [heading["title"] for heading in table_of([{"kind": "Service", **made("s")}], NOW).headings]

    assert name == {"id": "name", "title": "Name", "width": 11}
    assert titles == ["Name", "Namespace", "Type", "Cluster IP", "External IP", "Ports", "Age"]


@pytest.mark.parametrize("item", [{}, {"metadata": None, "status": "x", "spec": []}, {"status": {"conditions": {}}}])
@pytest.mark.parametrize("kind", ["Pod", "Service", "Deployment", "ConfigMap", "Secret", "Node", "Namespace", "X"])
def test_an_object_of_any_shape_has_a_row(kind: str, item: dict[str, Any]) -> None:
    assert len(table_of([{"kind": kind, **item}], NOW).rows) == 1


# The real kubectl


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    with kubernetes_api() as api:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path, "test", "production")))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        api.objects = {"pods": [POD, made("db-1", "data")], "nodes": [made("n1"), made("n2")]}
        yield api


def kubernetes(*assertions: str, above: tuple[object, ...] = (), **props: str) -> str:
    """A runbook that asks the cluster once."""
    rules = {"assert": list(assertions)} if assertions else {}
    return json.dumps({"blocks": [*above, {"name": "Get", "kubernetes": props, **rules}]})


@needs_kubectl
def test_a_preset_lists_pods(tmp_path: Path, api: KubernetesApi) -> None:
    holds = ("output.item_count == 1", "output.first_row.restarts == 3", "output.resource_kind == 'pod'")
    book = ran(tmp_path, kubernetes(*holds, command="kubectl get pods -o json", namespace="shop"))

    assert book.outcomes == {"Get": "passed"}
    assert api.paths == ["test/v1/namespaces/shop/pods"]


@needs_kubectl
def test_context_and_namespace_go_right_behind_kubectl(tmp_path: Path, api: KubernetesApi) -> None:
    text = kubernetes(
        "output.data[0].name == 'db-1'",
        above=({"vars": {"where": "production"}},),
        command="kubectl get pods -o json | cat",
        context="{{ var.where }}",
        namespace=" data ",
    )
    book = ran(tmp_path, text)

    assert book.outcomes == {"Get": "passed"}
    assert api.paths == ["production/v1/namespaces/data/pods"]


@needs_kubectl
def test_a_list_of_another_group_is_a_table_as_well(tmp_path: Path, api: KubernetesApi) -> None:
    api.objects["widgets"] = [made("w", "shop")]
    holds = ("output.first_row.kind == 'Widget'", "output.first_row.namespace == 'shop'")
    book = ran(tmp_path, kubernetes(*holds, command="kubectl get widgets -A -o json"))

    assert book.outcomes == {"Get": "passed"}


@needs_kubectl
def test_an_empty_list_is_an_empty_table(tmp_path: Path, api: KubernetesApi) -> None:
    holds = ("output.item_count == 0", "output.has_table", "output.data == []", "output.resource_kind is undefined")
    book = ran(tmp_path, kubernetes(*holds, command="kubectl get configmaps -o json"))

    assert book.outcomes == {"Get": "passed"}


@needs_kubectl
def test_one_object_is_given_as_it_is(tmp_path: Path, api: KubernetesApi) -> None:
    holds = ("output.resource_kind == 'Node'", "output.item_count == 1", "output.json.metadata.name == 'n1'")
    book = ran(tmp_path, kubernetes(*holds, command="kubectl get node n1 -o json"))

    assert book.outcomes == {"Get": "passed"}


@needs_kubectl
def test_text_is_given_as_it_is(tmp_path: Path, api: KubernetesApi) -> None:
    holds = ("output.item_count == 2", "output.raw_output | lines == ['node/n1', 'node/n2']")
    book = ran(tmp_path, kubernetes(*holds, command="kubectl get nodes -o name"))

    assert book.outcomes == {"Get": "passed"}


@needs_kubectl
def test_what_is_not_there_fails_with_what_kubectl_shows(tmp_path: Path, api: KubernetesApi) -> None:
    book = ran(tmp_path, kubernetes(command="kubectl get node n9 -o json"))
    result = book.results["Get"]

    assert result.outcome == "failed"
    assert (result.message or "").startswith("exit code 1: Error from server (NotFound)")
    assert [section.title for section in result.sections] == ["stderr"]


@needs_kubectl
def test_a_failure_may_be_what_is_wanted(tmp_path: Path, api: KubernetesApi) -> None:
    holds = ("output.exit_code == 1", "'NotFound' in output.stderr")

    assert ran(tmp_path, kubernetes(*holds, command="kubectl get node n9 -o json")).outcomes == {"Get": "passed"}


@needs_kubectl
def test_cancelled_it_leaves_no_kubectl(tmp_path: Path, api: KubernetesApi) -> None:
    before = programs()

    async def work(book: Opened) -> tuple[set[str], str | None, set[str]]:
        handle = book.document.start_execution(book.block("Get"))
        await anyio.to_thread.run_sync(api.asked.acquire)
        watchdog = book.runtime.resources.processes.watchdog.pid
        before.update(child for child in psutil.Process().children() if child.pid == watchdog)
        running = names(programs() - before)
        handle.cancel("enough")
        return running, (await handle.wait()).kind, names(programs() - before)

    text = kubernetes(command="kubectl get pods -o json; sleep 1000", namespace=SLOW)
    running, kind, left = inside(tmp_path, text, work)

    assert ("kubectl" in running, kind, left) == (True, "cancelled", set())


def programs() -> set[psutil.Process]:
    """What this process and its children have started and that still runs, but for what servers start themselves."""
    direct = psutil.Process().children()
    shells = (child for child in direct if child.name() in ("bash", "sh", "kubectl"))
    return {*direct, *(program for shell in shells for program in shell.children(recursive=True))}


def names(processes: set[psutil.Process]) -> set[str]:
    return {process.name() for process in processes}


@needs_kubectl
def test_the_values_of_secrets_are_in_no_report(tmp_path: Path, api: KubernetesApi) -> None:
    api.objects["secrets"] = [{**made("s", "default"), "data": {"password": "Z2VoZWltLXBhc3M="}}]
    wrong = "output.json.items[0].data.password == 'x'"
    book = ran(tmp_path, kubernetes(wrong, command="kubectl get secrets -o json"))
    reported = json.dumps(book.results["Get"].to_json()) + repr(book.channel.messages)

    assert book.outcomes == {"Get": "failed"}
    assert "password" in reported
    assert "Z2VoZWltLXBhc3M=" not in reported
    assert "geheim-pass" not in reported


# Recorded answers


STUB = """#!/bin/sh
printf '%s\\n' "$@" > argv
printf '%s %s\\n' "$PWD" "$REGION" > where
cat "$ANSWER"
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that gives a recorded answer; gives the folder in which it is to run."""
    program, folder = tmp_path / "bin" / "kubectl", tmp_path / "here"
    program.parent.mkdir()
    folder.mkdir()
    program.write_text(STUB, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return folder


def answered(stub: Path, answer: object, *assertions: str, **props: str) -> Opened:
    """A run in which kubectl gives this."""
    path = stub.parent / "answer"
    path.write_text(answer if isinstance(answer, str) else json.dumps(answer), encoding="utf-8")
    above = ({"directory": "here"}, {"env": {"REGION": "eu", "ANSWER": str(path)}})
    return ran(stub.parent, kubernetes(*assertions, above=above, **props))


RECORDED = Path(__file__).with_name("recorded") / "pods.json"
"""What kubectl 1.32 printed for three pods: one well, one in a crash loop, one that no node took yet."""
PODS = [
    ("api-7c9f6d5b8-2xk4p", "2/2", "Running", 0, "10.42.2.17", "worker-2"),
    ("api-7c9f6d5b8-9dqzr", "1/2", "Running", 15, "10.42.1.30", "worker-1"),
    ("api-7c9f6d5b8-waits", "0/0", "Pending", 0, "<none>", "<none>"),
]


@needs_kubectl
def test_the_recording_is_what_kubectl_prints(tmp_path: Path, api: KubernetesApi) -> None:
    recorded = RECORDED.read_text()
    api.objects["pods"] = json.loads(recorded)["items"]
    command = ["kubectl", "--namespace", "shop", "get", "pods", "-o", "json"]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == recorded


def test_recorded_pods_are_a_table(stub: Path) -> None:
    book = answered(stub, RECORDED.read_text(), command="kubectl get pods -o json", namespace="shop")
    output = book.document.output(book.block("Get"))
    assert output is not None
    rows: Any = output["data"]

    columns = ("name", "ready", "status", "restarts", "ip", "node")
    assert [tuple(row[column] for column in columns) for row in rows] == PODS
    assert {row["age"][-1] for row in rows} == {"d"}
    assert (output["resource_kind"], output["item_count"], output["first_row"]) == ("pod", 3, rows[0])
    assert (stub / "argv").read_text().splitlines() == ["--namespace", "shop", "get", "pods", "-o", "json"]
    assert (stub / "where").read_text() == f"{stub} eu\n"


def test_it_runs_in_the_directory_and_environment_above(stub: Path) -> None:
    book = answered(stub, {"items": []}, command="kubectl get pods -o json")

    assert book.outcomes == {"Get": "passed"}
    assert (stub / "where").read_text() == f"{stub} eu\n"


ARGV = [
    ("kubectl get pods -o json", {}, ["get", "pods", "-o", "json"]),
    ("kubectl get pods", {"namespace": "a"}, ["--namespace", "a", "get", "pods"]),
    ("kubectl get pods", {"context": "c", "namespace": "a"}, ["--context", "c", "--namespace", "a", "get", "pods"]),
    ("kubectl get pods | cat", {"namespace": "a"}, ["--namespace", "a", "get", "pods"]),
    ("true && kubectl get pods", {"namespace": "a b"}, ["--namespace", "a b", "get", "pods"]),
    ("kubectl get pods", {"namespace": "$(touch x); rm -rf /"}, ["--namespace", "$(touch x); rm -rf /", "get", "pods"]),
    ("kubectl get pods", {"namespace": "  "}, ["get", "pods"]),
    ("echo my-kubectl.txt > name; kubectl get pods", {"namespace": "a"}, ["--namespace", "a", "get", "pods"]),
]


@pytest.mark.parametrize(("command", "props", "argv"), ARGV)
def test_flags_are_quoted_and_go_where_kubectl_takes_them(
    stub: Path, command: str, props: dict[str, str], argv: list[str]
) -> None:
    answered(stub, {"items": []}, command=command, **props)

    assert (stub / "argv").read_text().splitlines() == argv


def test_flags_that_no_kubectl_can_take_are_an_error(stub: Path) -> None:
    result = answered(stub, "", command="echo", namespace="a").results["Get"]

    assert result.message == "no kubectl in the command to give --namespace a to"


@pytest.mark.parametrize(
    ("answer", "command", "outcome"),
    [
        ("not json", "kubectl get pods -o json", "failed"),
        ("", "kubectl get pods -o json", "passed"),
        ("not json", "kubectl get pods -o json | cat", "passed"),
        ("not json", "kubectl get pods", "passed"),
        ("[1, 2]", "kubectl get pods -ojson", "passed"),
    ],
)
def test_what_asks_for_json_must_return_json(stub: Path, answer: str, command: str, outcome: str) -> None:
    assert answered(stub, answer, command=command).outcomes == {"Get": outcome}


def test_output_value_is_the_one_line_of_a_text(stub: Path) -> None:
    book = answered(stub, "one\n", "output.value == 'one'", command="kubectl x")

    assert book.outcomes == {"Get": "passed"}


def test_nothing_at_all_is_no_output(stub: Path) -> None:
    async def work(book: Opened) -> object:
        await book.run.run_all()
        return book.document.output(book.block("Get"))

    text = kubernetes(command="true")

    assert inside(stub.parent, text, work) is None


def test_clients_get_the_table_and_no_raw_text(stub: Path) -> None:
    book = answered(stub, {"items": [{"kind": "Pod", **POD}]}, command="kubectl get pods -o json")
    (message,) = [message for message in book.channel.of(BlockOutput) if message.data is not None]

    assert message.data is not None
    assert (message.data["itemCount"], message.data["resourceKind"]) == (1, "pod")
    assert book.said == ""


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("kubectl get pods -o json", "passed"),
        ("kubectl auth can-i get pods", "passed"),
        ("kubectl delete pod web-1", "skipped"),
        ("kubectl get pods; kubectl delete pod web-1", "skipped"),
        ("kubectl get pods $(kubectl delete pod x)", "skipped"),
    ],
)
def test_a_read_only_run_lets_kubectl_read(stub: Path, command: str, outcome: str) -> None:
    settings = Settings(root=stub.parent, invocation=stub.parent, effects=Effects.READ)
    text = f"blocks: [{{env: {{ANSWER: /dev/null}}}}, {{name: Get, kubernetes: {json.dumps(command)}}}]\n"

    assert ran(stub.parent, text, settings=settings).outcomes == {"Get": outcome}
