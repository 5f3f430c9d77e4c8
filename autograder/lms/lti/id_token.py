"""What an id_token must say, checked by us: its form first, then who, for whom, when and what.

IMS: Security Framework 1.0, section 5.1.3; LTI Core 1.3, section 5.3; LTI Deep Linking 2.0, section
4.4; OpenID Connect Core 1.0, section 3.1.3.7. Nothing here trusts what it reads: the signature is
checked beside it, and a message is accepted only if all of both holds.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from autograder.lms.addresses import path_below
from autograder.lms.lti.platform_keys import ALGORITHM
from autograder.lms.lti.registrations import is_id

CLAIM: Final = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
DEEP_LINKING_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
RESOURCE_LINK: Final = "LtiResourceLinkRequest"
DEEP_LINKING: Final = "LtiDeepLinkingRequest"
VERSION: Final = "1.3.0"
SKEW_SECONDS: Final = 60.0
"""How far a platform's clock may be from ours."""
LONGEST: Final = 128 * 1024
"""Characters of an id_token; Canvas's are the longest, of a few thousand."""
_LAST: Final = 10**11
"""Seconds since 1970 that no clock shows."""

Claims = Mapping[str, Any]


class InvalidTokenError(Exception):
    """An id_token is not what it must be; the message says how, without personal data."""


def unverified(id_token: str) -> Claims:
    """The claims of an id_token, of which nothing is checked but their form and its algorithm.

    Raises:
        InvalidTokenError: it is no signed JWT of the one algorithm, or a claim has a wrong form.
    """
    if len(id_token) > LONGEST:
        raise InvalidTokenError(f"the id_token has more than {LONGEST} characters")
    try:
        complete = jwt.decode_complete(id_token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidTokenError(f"the id_token is no JWT: {error}") from error
    header: dict[str, Any] = complete["header"]
    claims: dict[str, Any] = complete["payload"]
    if header.get("alg") != ALGORITHM:
        raise InvalidTokenError(f"the id_token is not signed with {ALGORITHM}")
    if not is_id(header.get("kid")):
        raise InvalidTokenError("the id_token does not say with which key it is signed (kid)")
    for name, is_right in _FORMS.items():
        if not is_right(claims.get(name)):
            raise InvalidTokenError(f"the claim {name} is missing, or not of the right form")
    return claims


def check(claims: Claims, issuer: str, client_id: str, now: float, base_url: str) -> None:
    """Check what an id_token says of itself.

    Args:
        claims: of the right form.
        issuer: who must have made it.
        client_id: for whom it must be.
        now: UTC seconds since 1970.
        base_url: where this tool is.

    Raises:
        InvalidTokenError: something is not as it must be.
    """
    if claims["iss"] != issuer:
        raise InvalidTokenError("the id_token is of another issuer than the login")
    _check_audience(claims, client_id)
    _check_times(claims, now)
    if claims[CLAIM + "version"] != VERSION:
        raise InvalidTokenError(f"the message is not of LTI {VERSION}")
    kind = claims[CLAIM + "message_type"]
    if kind not in (RESOURCE_LINK, DEEP_LINKING):
        raise InvalidTokenError(f"messages of the type {kind[:40]!r} are not taken")
    needed = CLAIM + "resource_link" if kind == RESOURCE_LINK else DEEP_LINKING_CLAIM
    if claims.get(needed) is None:
        raise InvalidTokenError(f"the claim {needed} is missing")
    if path_below(claims[CLAIM + "target_link_uri"], base_url) is None:
        raise InvalidTokenError(
            f"its target_link_uri is not below {base_url}: the link in the platform leads "
            "to another tool, or this one has moved"
        )


def _check_audience(claims: Claims, client_id: str) -> None:
    """It must be for us, and for nobody of whom we do not know that they may have it as well."""
    audience = claims["aud"]
    if set([audience] if isinstance(audience, str) else audience) != {client_id}:
        raise InvalidTokenError("the id_token is for another client, or for others as well")
    if claims.get("azp", client_id) != client_id:
        raise InvalidTokenError("the id_token was issued to another client (azp)")


def _check_times(claims: Claims, now: float) -> None:
    issued, expires = claims["iat"], claims["exp"]
    if expires <= now - SKEW_SECONDS:
        raise InvalidTokenError(
            f"the id_token expired {now - expires:.0f} s ago; are clocks right?"
        )
    if issued > now + SKEW_SECONDS:
        raise InvalidTokenError(f"the id_token is made {issued - now:.0f} s from now; mend a clock")
    if expires < issued:
        raise InvalidTokenError("the id_token expired before it was made")
    if (claims.get("nbf") or issued) > now + SKEW_SECONDS:
        raise InvalidTokenError("the id_token is not valid yet; are the clocks right?")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LAST


def _is_audience(value: object) -> bool:
    if isinstance(value, list):
        return len(value) > 0 and all(map(is_id, value))
    return is_id(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _has_id(value: object) -> bool:
    return isinstance(value, dict) and is_id(value.get("id"))


def _optional(is_right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_right(value)


_FORMS: Final[Mapping[str, Callable[[object], bool]]] = {
    "iss": is_id,
    "aud": _is_audience,
    "azp": _optional(is_id),
    "sub": _optional(is_id),
    "nonce": is_id,
    "iat": _is_time,
    "exp": _is_time,
    "nbf": _optional(_is_time),
    CLAIM + "message_type": _is_text,
    CLAIM + "version": _is_text,
    CLAIM + "deployment_id": is_id,
    CLAIM + "target_link_uri": _is_text,
    CLAIM + "roles": _are_texts,
    CLAIM + "resource_link": _optional(_has_id),
    DEEP_LINKING_CLAIM: _optional(_is_object),
}
"""What must be so of each claim that is checked; others are taken where they can be used."""
