"""Addresses of platforms: which may be used, and to which origin they belong."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from autograder.lms.schema import URL_LENGTH
from autograder.plain import bracketed

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]")
_UNPRINTED: Final = re.compile(r"[\x00-\x20\x7f-\x9f]")


class AddressError(ValueError):
    """An address that cannot be used; the message says which, and why."""


def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address is this machine and nothing else."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(url: str) -> bool:
    """Whether an address can be used at all: https, or http on this machine."""
    parts = _split(url)
    return parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname))


def require_safe(what: str, url: str) -> str:
    """An address, if it is https or of this machine.

    Everything that LTI sends must go over TLS (IMS: Security Framework 1.0, section 3).

    Args:
        what: how the message calls it.
        url: the address.

    Raises:
        AddressError: it is neither.
    """
    if not is_safe(url):
        raise AddressError(f"{what} must be an address that begins with https://, not {url!r}")
    return url


def origin_of(url: str) -> str | None:
    """The origin of an address as browsers write it (RFC 6454); None if it has none."""
    parts = _split(url)
    if parts is None:
        return None
    host = bracketed(parts.hostname or "")
    if parts.port in (None, _DEFAULT_PORTS[parts.scheme]):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{parts.port}"


def path_below(url: str, base_url: str) -> str | None:
    """The path of an address below another one, with a slash before it; None if it is not."""
    parts, base = _split(url), _split(base_url)
    if parts is None or base is None or origin_of(url) != origin_of(base_url):
        return None
    prefix = base.path.rstrip("/")
    if parts.path != prefix and not parts.path.startswith(f"{prefix}/"):
        return None
    return parts.path[len(prefix) :] or "/"


def _split(url: str) -> SplitResult | None:
    """The parts of an http address with a host; None for anything else."""
    if len(url) > URL_LENGTH or _UNPRINTED.search(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    host = bracketed(parts.hostname or "")
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
        return None
    return parts
