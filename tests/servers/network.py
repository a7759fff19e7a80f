"""A network of its own that only one address leads into."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_NEW_NETWORK = 0x40000000


@dataclass(frozen=True)
class Network:
    """A network namespace. address: the one in it that can be reached from outside; its loopback can't."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Runs a command in it."""
        return ("ip", "netns", "exec", self.name)

    def fall_silent(self) -> None:
        """From now on nothing in it answers, and nothing says so: all packets are dropped."""
        subprocess.run(["ip", "-n", self.name, "addr", "flush", "dev", f"{self.name}b"], check=True)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread opens and starts meanwhile is in it."""
        libc = ctypes.CDLL(None, use_errno=True)
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(Path("/run/netns", self.name), os.O_RDONLY)
        try:
            assert libc.setns(there, _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert libc.setns(outside, _NEW_NETWORK) == 0
            os.close(outside)
            os.close(there)


@contextmanager
def network() -> Iterator[Network]:
    """Make one; only root can. It goes with all that is in it."""
    name, number = f"rb{os.getpid()}", os.getpid() % 250
    near, far = f"10.213.{number}.1", f"10.213.{number}.2"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            f"ip link add {name}a type veth peer name {name}b netns {name}",
            f"ip addr add {near}/30 dev {name}a",
            f"ip link set {name}a up",
            f"ip -n {name} addr add {far}/30 dev {name}b",
            f"ip -n {name} link set {name}b up",
            f"ip -n {name} link set lo up",
        ):
            subprocess.run(command.split(), check=True)
        yield Network(name, far)
        subprocess.run(["ip", "link", "del", f"{name}a"], check=True)  # the next one gets the same name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
