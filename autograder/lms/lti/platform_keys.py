"""Platforms' public keys: read when they are needed, kept for minutes, and RS256's only.

IMS: Security Framework 1.0, section 6.3, and RFC 7517. A key that a platform publishes no longer is
refused once what was read before is too old.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from autograder.lms.addresses import AddressError
from autograder.lms.fetch import FetchError, fetch_json

ALGORITHM: Final = "RS256"
FRESH_SECONDS: Final = 600.0
"""How long a key set is taken as it was read."""
STALE_SECONDS: Final = 3600.0
"""How long it is where the platform does not answer."""
PAUSE_SECONDS: Final = 10.0
"""The least time between two readings of one key set, so that nobody makes us ask all the time."""
_FEWEST_BITS: Final = 2048
"""RFC 7518, section 3.3."""


class UnknownKeyError(Exception):
    """A platform has no such key, or none that may be used."""


@dataclass
class _KeySet:
    """What is known of one key set."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[str, str] = field(default_factory=dict)
    read: float = float("-inf")
    tried: float = float("-inf")
    problem: str = ""
    """Why it could not be read last."""


class PlatformKeys:
    """The key sets of all platforms, by address; for any number of threads."""

    def __init__(
        self,
        fetch: Callable[[str], Mapping[str, Any]] = fetch_json,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none.

        Args:
            fetch: reads a key set.
            clock: a time that never goes back.
        """
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._sets: dict[str, _KeySet] = {}

    def find(self, url: str, kid: str) -> str:
        """A public key as PEM.

        Raises:
            UnknownKeyError: the key set has no such key.
            FetchError: the key set cannot be read.
        """
        with self._lock:
            known = self._sets.setdefault(url, _KeySet())
        kept = self._kept(known, kid)
        if not known.lock.acquire(blocking=kept is None):
            assert kept is not None
            return kept  # another thread reads the key set, which may take long
        try:
            now = self._clock()
            old = now - known.read > FRESH_SECONDS
            if (old or kid not in known.keys) and now - known.tried >= PAUSE_SECONDS:
                self._read(known, url)
            if self._clock() - known.read > (STALE_SECONDS if known.problem else FRESH_SECONDS):
                known.keys = {}
            if kid in known.keys:
                return known.keys[kid]
            if known.problem:
                raise FetchError(known.problem)
            raise UnknownKeyError(f"{url} has no RSA key {kid!r} for {ALGORITHM}")
        finally:
            known.lock.release()

    def _kept(self, known: _KeySet, kid: str) -> str | None:
        """A key that was read not too long ago for a platform that does not answer."""
        return known.keys.get(kid) if self._clock() - known.read <= STALE_SECONDS else None

    def _read(self, known: _KeySet, url: str) -> None:
        asked = self._clock()
        try:
            known.keys = _usable(self._fetch(url), url)
        except (AddressError, FetchError) as error:
            known.problem = str(error)
        else:
            known.read, known.problem = asked, ""
        finally:
            known.tried = self._clock()  # the pause begins now: asking may take longer than it


def _usable(key_set: Mapping[str, Any], url: str) -> dict[str, str]:
    """The keys of a set that sign with RS256, by their ``kid``."""
    listed = key_set.get("keys")
    if not isinstance(listed, list):
        raise FetchError(f"{url} answers with JSON that is no key set")
    found = {}
    for one in listed:
        if isinstance(one, dict) and (pem := _pem(one)) is not None:
            found[one["kid"]] = pem
    return found


def _pem(one: Mapping[str, Any]) -> str | None:
    """A key as PEM; None if it is not of RSA, not for signatures or too short."""
    if (
        one.get("kty") != "RSA"
        or one.get("alg", ALGORITHM) != ALGORITHM
        or one.get("use", "sig") != "sig"
        or not isinstance(one.get("kid"), str)
    ):
        return None
    try:
        key = jwt.algorithms.RSAAlgorithm.from_jwk(
            {"kty": "RSA", "n": one.get("n"), "e": one.get("e")}
        )
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _FEWEST_BITS:
        return None
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
