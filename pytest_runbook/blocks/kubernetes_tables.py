"""Turns the JSON of kubectl into tables: columns for each kind of object, as the runbook format defines them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

KubernetesRow = dict[str, object]
KubernetesObject = Mapping[str, object]

NONE = "<none>"
ROLE_LABEL = "node-role.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class KubernetesTable:
    """The objects of a list.

    kind: in lower case; None for an empty list. columns: the keys of each row.
    """

    kind: str | None
    columns: tuple[str, ...]
    rows: tuple[KubernetesRow, ...]

    @property
    def headings(self) -> list[dict[str, object]]:
        """The columns for a grid: id, title, and width in characters."""
        return [{"id": name, "title": _title(name), "width": self._width(name)} for name in self.columns]

    def _width(self, column: str) -> int:
        return max(len(text) for text in (_title(column), *(str(row[column]) for row in self.rows)))


def table_of(items: Sequence[object], now: datetime) -> KubernetesTable:
    """Return the table of a list's items. A list of several kinds has only the columns that all kinds have."""
    objects = [item for item in items if isinstance(item, Mapping)]
    if not objects:
        return KubernetesTable(None, (), ())
    kinds = {str(item.get("kind", "")) for item in objects}
    kind = str(objects[0].get("kind", "")).lower()
    cells = _CELLS.get(kind, _ANY) if len(kinds) == 1 else _ANY
    rows = tuple({name: cell(_Fields(item, now)) for name, cell in cells.items()} for item in objects)
    return KubernetesTable(kind, tuple(cells), rows)


def secret_values(items: Sequence[object]) -> list[str]:
    """Return the values of the Secret objects among the items, base64-encoded as they are."""
    secrets = [item for item in items if isinstance(item, Mapping) and item.get("kind") == "Secret"]
    return [str(value) for secret in secrets for value in _mapping(secret.get("data")).values()]


@dataclass(frozen=True, slots=True)
class _Fields:
    """Reads fields of one object, of which any may be missing or of another type."""

    item: KubernetesObject
    now: datetime

    def at(self, *path: str) -> object:
        found: object = self.item
        for key in path:
            found = _mapping(found).get(key)
        return found

    def text(self, *path: str, default: str = NONE) -> str:
        found = self.at(*path)
        return default if found in (None, "") else str(found)

    def number(self, *path: str) -> int:
        found = self.at(*path)
        return found if isinstance(found, int) else 0

    def listed(self, *path: str) -> list[KubernetesObject]:
        found = self.at(*path)
        return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []

    @property
    def age(self) -> str:
        """The time since the object was created, in the largest unit that is not zero."""
        try:
            created = datetime.fromisoformat(self.text("metadata", "creationTimestamp"))
            return _age(self.now - created)
        except (ValueError, TypeError):
            return "Unknown"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        if minutes >= size:
            return f"{minutes // size}{unit}"
    return "<1m"


def _ready_containers(fields: _Fields) -> str:
    statuses = fields.listed("status", "containerStatuses")
    return f"{sum(status.get('ready') is True for status in statuses)}/{len(statuses)}"


def _restarts(fields: _Fields) -> int:
    counts = [status.get("restartCount") for status in fields.listed("status", "containerStatuses")]
    return sum(count for count in counts if isinstance(count, int))


def _external_ip(fields: _Fields) -> str:
    balanced = [item.get("ip") or item.get("hostname") for item in fields.listed("status", "loadBalancer", "ingress")]
    declared = fields.at("spec", "externalIPs")
    addresses = [*balanced, *(declared if isinstance(declared, list) else ())]
    return ",".join(str(address) for address in addresses if address) or NONE


def _ports(fields: _Fields) -> str:
    ports = fields.listed("spec", "ports")
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or NONE


def _node_status(fields: _Fields) -> str:
    conditions = fields.listed("status", "conditions")
    is_ready = any((item.get("type"), item.get("status")) == ("Ready", "True") for item in conditions)
    return "Ready" if is_ready else "NotReady"


def _roles(fields: _Fields) -> str:
    labels = _mapping(fields.at("metadata", "labels"))
    roles = (label.removeprefix(ROLE_LABEL) for label in map(str, labels) if label.startswith(ROLE_LABEL))
    return ",".join(roles) or NONE


def _data_count(fields: _Fields) -> int:
    return len(_mapping(fields.at("data"))) + len(_mapping(fields.at("binaryData")))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _title(column: str) -> str:
    """``upToDate`` -> ``Up To Date``, ``clusterIP`` -> ``Cluster IP``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    return "IP" if column == "ip" else words[0].upper() + words[1:]


CellReader = Callable[[_Fields], object]
_NAME: dict[str, CellReader] = {"name": lambda fields: fields.text("metadata", "name")}
_NAMED: dict[str, CellReader] = {
    **_NAME,
    "namespace": lambda fields: fields.text("metadata", "namespace", default="cluster"),
}
_AGE: dict[str, CellReader] = {"age": lambda fields: fields.age}
_ANY: dict[str, CellReader] = {**_NAMED, "kind": lambda fields: fields.text("kind"), **_AGE}
_CELLS: dict[str, dict[str, CellReader]] = {
    "pod": {
        **_NAMED,
        "ready": _ready_containers,
        "status": lambda fields: fields.text("status", "phase", default="Unknown"),
        "restarts": _restarts,
        **_AGE,
        "ip": lambda fields: fields.text("status", "podIP"),
        "node": lambda fields: fields.text("spec", "nodeName"),
    },
    "service": {
        **_NAMED,
        "type": lambda fields: fields.text("spec", "type", default="ClusterIP"),
        "clusterIP": lambda fields: fields.text("spec", "clusterIP"),
        "externalIP": _external_ip,
        "ports": _ports,
        **_AGE,
    },
    "deployment": {
        **_NAMED,
        "ready": lambda fields: f"{fields.number('status', 'readyReplicas')}/{fields.number('spec', 'replicas')}",
        "upToDate": lambda fields: fields.number("status", "updatedReplicas"),
        "available": lambda fields: fields.number("status", "availableReplicas"),
        **_AGE,
    },
    "configmap": {**_NAMED, "data": _data_count, **_AGE},
    "secret": {**_NAMED, "type": lambda fields: fields.text("type", default="Opaque"), "data": _data_count, **_AGE},
    "node": {
        **_NAME,
        "status": _node_status,
        "roles": _roles,
        **_AGE,
        "version": lambda fields: fields.text("status", "nodeInfo", "kubeletVersion"),
    },
    "namespace": {**_NAME, "status": lambda fields: fields.text("status", "phase", default="Unknown"), **_AGE},
}
