"""A small Kubernetes API server: enough for the real kubectl to find its way and list objects."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VERBS = ["get", "list"]
CORE = {
    "pods": ("Pod", True),
    "services": ("Service", True),
    "configmaps": ("ConfigMap", True),
    "secrets": ("Secret", True),
    "nodes": ("Node", False),
    "namespaces": ("Namespace", False),
}
APPS = {"deployments": ("Deployment", True)}
OTHER = {"widgets": ("Widget", True)}
GROUPS = {"v1": CORE, "apps/v1": APPS, "example.com/v1": OTHER}
SLOW = "slow"


class KubernetesApi:
    """What the server holds, and what it was asked.

    objects: by resource. paths: of the lists that were asked for.
    asked: released for each request that is left waiting, which are those for the namespace `SLOW`.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.objects: dict[str, list[Mapping[str, Any]]] = {}
        self.paths: list[str] = []
        self.asked = threading.Semaphore(0)
        self.is_over = threading.Event()

    def kubeconfig(self, folder: Path, *contexts: str) -> Path:
        """A configuration with these contexts, each with a cluster of its own; the first is the current one."""
        path = folder / "kubeconfig"
        named = {
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in contexts],
            "clusters": [{"name": name, "cluster": {"server": f"{self.url}/{name}"}} for name in contexts],
        }
        user = {"name": "me", "user": {"token": "t"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": contexts[0], "users": [user], **named}
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def answer(self, path: str) -> tuple[int, object]:
        """The answer to a request; the first part of the path is the cluster's name."""
        cluster, _, rest = path.strip("/").partition("/")
        match rest.split("/"):
            case ["version"]:
                return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
            case ["api"]:
                return 200, {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return 200, {
                    "kind": "APIGroupList",
                    "apiVersion": "v1",
                    "groups": [*map(_group, ("apps", "example.com"))],
                }
            case ["api", "v1"]:
                return 200, _resources("v1")
            case ["apis", group, "v1"] if f"{group}/v1" in GROUPS:
                return 200, _resources(f"{group}/v1")
            case ["api", *parts] | ["apis", _, *parts]:
                self.paths.append(f"{cluster}/{'/'.join(parts)}")
                return self._listed(parts[1:])
        return 404, _not_found(rest)

    def _listed(self, parts: Sequence[str]) -> tuple[int, object]:
        """``namespaces/shop/pods``, ``pods``, ``nodes/one``."""
        namespace = None
        if len(parts) >= 3 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        if namespace == SLOW:
            self.asked.release()
            self.is_over.wait(60)
        resource, *name = parts
        kind, version = next((table[resource][0], version) for version, table in GROUPS.items() if resource in table)
        items = [
            {"apiVersion": version, "kind": kind, **item}
            for item in self.objects.get(resource, ())
            if namespace in (None, item["metadata"].get("namespace"))
        ]
        if name:
            found = [item for item in items if item["metadata"]["name"] == name[0]]
            return (200, found[0]) if found else (404, _not_found(f'{resource} "{name[0]}"'))
        return 200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": items}


def _group(name: str) -> dict[str, object]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(version: str) -> dict[str, object]:
    resources = [
        {"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": VERBS}
        for name, (kind, namespaced) in GROUPS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _not_found(what: str) -> dict[str, object]:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound"}
    return {**status, "message": f"{what} not found", "code": 404}


@contextmanager
def kubernetes_api() -> Iterator[KubernetesApi]:
    """The server, running."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = api.answer(urlsplit(self.path).path)
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                return  # who asked is gone

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = KubernetesApi(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        api.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
