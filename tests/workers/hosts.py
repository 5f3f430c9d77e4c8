"""Hosts on one machine: network namespaces on a bridge, whose cables can be pulled."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

_NETWORK: Final = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
"""Private, and another one for each process, since several may run at once."""
ADDRESS: Final = f"{_NETWORK}.1"
"""Of this side of the bridge."""
NETWORK: Final = f"{_NETWORK}.0/24"


def can_be_made() -> bool:
    """Whether this machine lets us make hosts."""
    if os.geteuid():
        return False
    try:
        with _bridge():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def hosts(count: int) -> Iterator[list["Host"]]:
    """Make so many hosts, which reach this side and each other."""
    with _bridge() as bridge:
        made = [Host(bridge, number) for number in range(count)]
        try:
            yield made
        finally:
            for host in made:
                host.remove()


class Host:
    """A network namespace with one cable."""

    def __init__(self, bridge: str, number: int) -> None:
        self.name = f"{bridge}-h{number}"
        self._cable = f"{bridge}c{number}"
        inner = f"{bridge}i{number}"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", self.name)
        _ip("link", "set", self._cable, "master", bridge, "up")
        inside = ("-n", self.name)
        _ip(*inside, "addr", "add", f"{_NETWORK}.{number + 10}/24", "dev", inner)
        _ip(*inside, "link", "set", inner, "up")
        _ip(*inside, "link", "set", "lo", "up")

    def command(self, command: Sequence[str]) -> list[str]:
        """A command, to be run on this host."""
        return ["ip", "netns", "exec", self.name, *command]

    def plug(self, plugged: bool) -> None:
        """Pull the cable, or plug it in: while it is out, packets are lost without a word."""
        _ip("link", "set", self._cable, "up" if plugged else "down")

    def remove(self) -> None:
        """Remove the host; what runs there ends elsewhere."""
        _ip("link", "del", self._cable)
        _ip("netns", "del", self.name)


@contextmanager
def _bridge() -> Iterator[str]:
    name = f"ag{os.getpid() % 100_000}"
    _ip("link", "add", name, "type", "bridge")
    try:
        _ip("addr", "add", f"{ADDRESS}/24", "dev", name)
        _ip("link", "set", name, "up")
        yield name
    finally:
        _ip("link", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
