"""The platform's key, and the keys with which tools sign what they send."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import anyio.to_thread
import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from autograder.demo_platform.dialect import RefusalError

_ALGORITHM: Final = "RS256"
"""The only one that the IMS Security Framework 1.0 asks of everybody."""
_FETCH_SECONDS: Final = 5.0
_SKEW_SECONDS: Final = 10.0


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class PlatformKey:
    """The key of this run."""

    kid: str = field(default_factory=lambda: secrets.token_hex(8))
    private: rsa.RSAPrivateKey = field(default_factory=_new_key)

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT of these claims."""
        return jwt.encode(claims, self.private, _ALGORITHM, headers={"kid": self.kid})

    def public(self) -> dict[str, Any]:
        """The key set that tools read."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self.kid, "alg": _ALGORITHM, "use": "sig"}]}


@dataclass
class ToolKeys:
    """The public keys of tools, by their key sets' URLs; read again when one is not among them."""

    known: dict[tuple[str, str], jwt.PyJWK] = field(default_factory=dict)

    @staticmethod
    def issuer(token: str) -> str:
        """Who a JWT says that it is of; nothing of it is checked.

        Raises:
            RefusalError: it is no JWT.
        """
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise RefusalError(400, f"this is no JWT: {error}") from error
        return str(claims.get("iss", ""))

    async def claims(
        self, token: str, key_set_url: str, *, issuer: str, audience: list[str]
    ) -> dict[str, Any]:
        """What a JWT of a tool's says, once everything about it is checked.

        Raises:
            RefusalError: it is none, not the tool's, not for this platform or not of now.
        """
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = await self._key(key_set_url, kid)
            claims: dict[str, Any] = jwt.decode(
                token, key, [_ALGORITHM], audience=audience, issuer=issuer, leeway=_SKEW_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise RefusalError(400, f"the tool's JWT is refused: {error}") from error
        return claims

    async def _key(self, key_set_url: str, kid: str) -> jwt.PyJWK:
        if (key_set_url, kid) not in self.known:
            keys = await anyio.to_thread.run_sync(_fetch, key_set_url)
            self.known |= {(key_set_url, key.key_id or ""): key for key in keys.keys}
        if (key_set_url, kid) not in self.known:
            raise RefusalError(400, f"the tool's key set {key_set_url} has no key {kid!r}")
        return self.known[key_set_url, kid]


def _fetch(url: str) -> jwt.PyJWKSet:
    """Read a key set; no proxy is asked, as it is on this machine."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, timeout=_FETCH_SECONDS)
            answer.raise_for_status()
            return jwt.PyJWKSet.from_dict(answer.json())
    except (requests.RequestException, jwt.PyJWTError, ValueError, AttributeError) as error:
        raise RefusalError(400, f"the tool's key set {url} cannot be read: {error}") from error
