"""A platform registers itself: LTI Dynamic Registration 1.0, begun with an invitation.

The browser of the platform's administrator brings the address of the platform's configuration and
a token that is good for a short while; the rest goes from server to server.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pylti1p3.dynamic_registration import DynamicRegistration
from sqlalchemy import Engine

from autograder.lms.addresses import AddressError, origin_of, require_safe
from autograder.lms.fetch import FetchError, fetch_json
from autograder.lms.lti.logins import LAUNCH_PATH
from autograder.lms.lti.platform_keys import ALGORITHM
from autograder.lms.lti.registrations import (
    RegistrationError,
    RegistrationFacts,
    add,
    is_id,
    return_invitation,
    take_invitation,
)
from autograder.lms.lti.tool import (
    CANVAS_PLACEMENTS,
    CLAIMS,
    CUSTOM,
    DESCRIPTION,
    KEYS_PATH,
    LOGIN_PATH,
    NAME,
    SCOPES,
    domain_of,
)

CLOSE_MESSAGE: Final = {"subject": "org.imsglobal.lti.close"}
"""What the last page posts to the window that opened it or holds it, which then closes it."""
_PLATFORM: Final = "https://purl.imsglobal.org/spec/lti-platform-configuration"
_TOOL: Final = "https://purl.imsglobal.org/spec/lti-tool-configuration"
_CANVAS: Final = "https://canvas.instructure.com/lti/"
_LONGEST_TOKEN: Final = 16 * 1024
_ENDPOINTS: Final = (
    "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint",
)  # fmt: skip


@dataclass(frozen=True)
class RegisteredPlatform:
    """A platform that has registered itself, for the page that says so."""

    registration_id: int
    name: str
    issuer: str
    product: str
    deployment: str
    """Empty where the platform does not tell it."""


def register_dynamically(
    engine: Engine,
    token: str,
    openid_configuration_url: str,
    registration_token: str,
    base_url: str,
    *,
    clock: Callable[[], float] = time.time,
) -> RegisteredPlatform:
    """Register with the platform whose administrator opened the address of an invitation.

    The last page must then post ``CLOSE_MESSAGE``.

    Args:
        engine: our database.
        token: the invitation's.
        openid_configuration_url: where the platform describes itself.
        registration_token: what it lets us register with; empty where it sent none.
        base_url: where this tool is, without a slash at the end.
        clock: the time.

    Raises:
        RegistrationError: the invitation is not valid, or the platform does not do as the
            specification says; the invitation can then be used again.
    """
    if not registration_token.isprintable() or len(registration_token) > _LONGEST_TOKEN:
        raise RegistrationError("the registration token is none")
    name = take_invitation(engine, token, clock())
    try:
        platform = _configuration(openid_configuration_url, registration_token)
        tool = _Tool(base_url, platform)
        answer = fetch_json(
            platform["registration_endpoint"],
            bearer=registration_token,
            body=tool.lti_registration_data(),
        )
        return _stored(engine, platform, answer, name, clock)
    except BaseException as error:
        return_invitation(engine, token)
        if isinstance(error, AddressError | FetchError):
            raise RegistrationError(f"the platform cannot be registered: {error}") from error
        raise


def _configuration(url: str, registration_token: str) -> dict[str, Any]:
    """What a platform says of itself, checked.

    Canvas gives it only to who brings the registration token.
    """
    require_safe("the address of the platform's configuration", url)
    told = fetch_json(url, bearer=registration_token)
    issuer = told.get("issuer")
    if not isinstance(issuer, str) or not is_id(issuer):
        raise RegistrationError(f"{url} does not say the issuer")
    require_safe("the issuer", issuer)
    if urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise RegistrationError(f"the issuer {issuer!r} has a query or a fragment")
    # section 3.5.1; otherwise anybody who is invited could register as another platform
    if origin_of(issuer) != origin_of(url):
        raise RegistrationError(f"the issuer {issuer!r} is not on the host of {url!r}")
    for name in _ENDPOINTS:
        require_safe(f"the platform's {name}", str(told.get(name, "")))
    signed = told.get("id_token_signing_alg_values_supported", [ALGORITHM])
    if not isinstance(signed, list) or ALGORITHM not in signed:
        raise RegistrationError(f"the platform does not sign with {ALGORITHM}")
    if not isinstance(told.get(_PLATFORM), dict):
        raise RegistrationError(f"{url} is no LTI platform's: it has no {_PLATFORM}")
    return told


def _stored(
    engine: Engine,
    platform: Mapping[str, Any],
    answer: Mapping[str, Any],
    name: str,
    clock: Callable[[], float],
) -> RegisteredPlatform:
    client_id, about = answer.get("client_id"), answer.get(_TOOL)
    if isinstance(client_id, int):
        client_id = str(client_id)
    if not isinstance(client_id, str) or not is_id(client_id):
        raise RegistrationError("the platform's answer has no client_id")
    deployment = about.get("deployment_id") if isinstance(about, dict) else None
    if isinstance(deployment, int):
        deployment = str(deployment)
    if not isinstance(deployment, str) or not is_id(deployment):
        deployment = ""
    audience, product = platform.get("authorization_server"), _product(platform)
    facts = RegistrationFacts(
        issuer=platform["issuer"],
        client_id=client_id,
        auth_login_url=platform["authorization_endpoint"],
        auth_token_url=platform["token_endpoint"],
        key_set_url=platform["jwks_uri"],
        # Canvas names a bare host here, and wants the token's address
        auth_audience=audience if isinstance(audience, str) and product != "canvas" else "",
        name=name,
        product=product,
        deployments=[deployment] if deployment else [],
        origins=[platform["registration_endpoint"]],
    )
    number = add(engine, facts, update_known=False, clock=clock)
    return RegisteredPlatform(number, name, facts.issuer, product, deployment)


def _product(platform: Mapping[str, Any]) -> str:
    product = platform[_PLATFORM].get("product_family_code", "")
    return product if isinstance(product, str) and is_id(product) else ""


class _Tool(DynamicRegistration):
    """This tool, as it describes itself to a platform (section 3.5.2)."""

    client_name = NAME
    description = DESCRIPTION

    def __init__(self, base_url: str, platform: Mapping[str, Any]) -> None:
        self._base_url = base_url
        self._platform = platform

    def get_initiate_login_uri(self) -> str:
        return f"{self._base_url}{LOGIN_PATH}"

    def get_jwks_uri(self) -> str:
        return f"{self._base_url}{KEYS_PATH}"

    def get_redirect_uris(self) -> list[str]:
        return [self.get_target_link_uri()]

    def get_scopes(self) -> list[str]:
        """Those of ours that the platform has; all where it does not say."""
        known = self._platform.get("scopes_supported")
        return [one for one in SCOPES if not isinstance(known, list) or one in known]

    def get_domain(self) -> str:
        return domain_of(self._base_url)

    def get_target_link_uri(self) -> str:
        return f"{self._base_url}{LAUNCH_PATH}"

    def get_claims(self) -> list[str]:
        return list(CLAIMS)

    def get_messages(self) -> list[dict[str, Any]]:
        """The library's type knows texts only, the specification lists and objects as well."""
        target = self.get_target_link_uri()
        request = {"type": "LtiDeepLinkingRequest", "target_link_uri": target, "label": NAME}
        placements = (
            {"placements": list(CANVAS_PLACEMENTS)} if _product(self._platform) == "canvas" else {}
        )
        return [
            {"type": "LtiResourceLinkRequest", "target_link_uri": target, "label": NAME},
            {**request, **placements},
        ]

    def get_logo_uri(self) -> str:
        return ""

    def lti_registration_data(self) -> dict[str, Any]:
        """All of it; what is empty is left out."""
        data = {name: value for name, value in super().lti_registration_data().items() if value}
        data[_TOOL]["custom_parameters"] = dict(CUSTOM)
        if _product(self._platform) == "canvas":
            data[_TOOL][f"{_CANVAS}privacy_level"] = "public"
            data[_TOOL][f"{_CANVAS}tool_id"] = "pytorch-autograder"
        return data
