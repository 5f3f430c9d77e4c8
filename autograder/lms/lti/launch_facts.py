"""What a launch says, taken from an id_token that was accepted.

A platform leaves out much of it, and sends some of it in ways of its own; nothing here refuses a
launch. IMS: LTI Core 1.3, section 5.4 and appendix B; AGS 2.0, section 3.1; NRPS 2.0, section 3.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from autograder.lms.addresses import is_safe, path_below
from autograder.lms.lti.id_token import (
    AGS_CLAIM,
    CLAIM,
    DEEP_LINKING,
    DEEP_LINKING_CLAIM,
    NRPS_CLAIM,
    Claims,
)
from autograder.lms.lti.registrations import is_id
from autograder.lms.schema import ID_LENGTH

ASSIGNMENT_PARAMETER: Final = "assignment"
"""The custom parameter of a link that says which assignment it opens."""
LOGIN_PARAMETER: Final = "login"
"""The custom parameter in which platforms that know ``$User.username`` send the user name."""
_ASSIGNMENTS: Final = "/assignments/"
_MOST_SCOPES: Final = 50


@dataclass(frozen=True)
class User:
    """Who opened it, as far as the platform says."""

    sub: str
    name: str
    given_name: str
    family_name: str
    email: str
    person: str
    login: str


@dataclass(frozen=True)
class Facts:
    """What a launch says."""

    user: User
    deployment: str
    context: str
    """The platform's id of the course; empty where it says none."""
    context_title: str
    resource_link: str
    """Empty in a deep linking request."""
    link_title: str
    assignment: str
    """What the link's address or its custom parameter says; empty where neither does."""
    target: str
    line_item: str
    line_items_url: str
    scopes: tuple[str, ...]
    memberships_url: str
    product: str
    pages: tuple[str, ...]
    """Addresses of the platform's pages."""
    deep_linking: Mapping[str, Any] | None
    """The settings of a deep linking request."""


def facts_of(claims: Claims, base_url: str) -> Facts:
    """What the claims of an id_token say.

    Args:
        claims: accepted ones.
        base_url: where this tool is.
    """
    context, link = _part(claims, CLAIM + "context"), _part(claims, CLAIM + "resource_link")
    endpoint, platform = _part(claims, AGS_CLAIM), _part(claims, CLAIM + "tool_platform")
    custom = _part(claims, CLAIM + "custom")
    is_request = claims[CLAIM + "message_type"] == DEEP_LINKING
    settings = _part(claims, DEEP_LINKING_CLAIM) if is_request else None
    target: str = claims[CLAIM + "target_link_uri"]
    return Facts(
        user=_user(claims, custom),
        deployment=claims[CLAIM + "deployment_id"],
        context=_id(context, "id"),
        context_title=_text(context, "title") or _text(context, "label"),
        resource_link="" if is_request else _id(link, "id"),
        link_title=_text(link, "title"),
        assignment=_assignment(target, base_url) or _name(_text(custom, ASSIGNMENT_PARAMETER)),
        target=target,
        line_item=_url(endpoint, "lineitem"),
        line_items_url=_url(endpoint, "lineitems"),
        scopes=_scopes(endpoint.get("scope")),
        memberships_url=_url(_part(claims, NRPS_CLAIM), "context_memberships_url"),
        product=_text(platform, "product_family_code"),
        pages=tuple(
            page
            for page in (
                _url(_part(claims, CLAIM + "launch_presentation"), "return_url"),
                _url(platform, "url"),
                _url(settings or {}, "deep_link_return_url"),
            )
            if page
        ),
        deep_linking=settings,
    )


def _user(claims: Claims, custom: Mapping[str, Any]) -> User:
    given, family = _text(claims, "given_name"), _text(claims, "family_name")
    login = (
        _text(custom, LOGIN_PARAMETER)
        or _text(claims, "preferred_username")
        or _text(_part(claims, CLAIM + "ext"), "user_username")  # Moodle
    )
    return User(
        sub=claims["sub"],
        name=_text(claims, "name") or f"{given} {family}".strip()[:ID_LENGTH],
        given_name=given,
        family_name=family,
        email=_text(claims, "email"),
        person=_text(_part(claims, CLAIM + "lis"), "person_sourcedid"),
        login=login,
    )


def _assignment(target: str, base_url: str) -> str:
    """The assignment that an address of ours opens."""
    path = path_below(target, base_url) or ""
    if not path.startswith(_ASSIGNMENTS):
        return ""
    return _name(unquote(path[len(_ASSIGNMENTS) :].rstrip("/")))


def _name(text: str) -> str:
    """A text, if it can be an assignment's name, which is a folder's as well."""
    return text if is_id(text) and "/" not in text and text not in (".", "..") else ""


def _part(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A claim that is an object; PHP writes an empty one as a list."""
    value = claims.get(name)
    return value if isinstance(value, dict) else {}


def _text(part: Mapping[str, Any], name: str) -> str:
    """A text in one line that a database can hold; empty where it is a variable not replaced."""
    value = part.get(name)
    if not isinstance(value, str) or value.startswith("$"):
        return ""
    plain = "".join(c if c.isprintable() else " " for c in value[: 2 * ID_LENGTH])
    return " ".join(plain.split())[:ID_LENGTH].rstrip()


def _id(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) and is_id(value) else ""


def _url(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) and is_safe(value) else ""


def _scopes(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list):
        return ()
    return tuple(one for one in value if isinstance(one, str) and is_id(one))[:_MOST_SCOPES]
