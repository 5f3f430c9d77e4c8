"""Links that a teacher chooses here and the platform puts into its course.

IMS: LTI Deep Linking 2.0; the message is pylti1p3's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from pylti1p3.deep_link import DeepLink
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.lineitem import LineItem
from pylti1p3.registration import Registration as LibraryRegistration

from autograder.lms.addresses import is_safe
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.launch_facts import ASSIGNMENT_PARAMETER, Facts
from autograder.lms.lti.logins import LaunchError, broken
from autograder.lms.schema import Registration

LONGEST_LABEL: Final = 100
LONGEST_TAG: Final = 50
"""Open edX takes no longer ones."""
_DATA: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/data"


class DeepLinkError(Exception):
    """The platform does not take this choice; the message says why."""


@dataclass(frozen=True)
class DeepLinkItem:
    """An assignment to be linked."""

    assignment: str
    title: str
    points: float | None = None
    """For a column in the platform's gradebook; None or 0 for none."""


def settings_of(row: Registration, facts: Facts) -> dict[str, Any] | None:
    """What a deep linking request must be answered with, as a session keeps it; None if it is none.

    Raises:
        LaunchError: the request cannot be answered.
    """
    if facts.deep_linking is None:
        return None
    settings = facts.deep_linking
    url = settings.get("deep_link_return_url")
    if not isinstance(url, str) or not is_safe(url):
        raise LaunchError(
            broken(), HTTPStatus.BAD_REQUEST, "deep_link_return_url is missing, or not https"
        )
    return {
        "issuer": row.issuer,
        "client_id": row.client_id,
        "deployment": facts.deployment,
        "return_url": url,
        "data": settings.get("data"),
        "multiple": _is_true(settings.get("accept_multiple", False)),
        "line_items": _is_true(settings.get("accept_lineitem", True)),
    }


def _is_true(value: object) -> bool:
    """Platforms write it as a text, too."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def deep_link_response(
    keys: Keys, settings: Mapping[str, Any], items: Sequence[DeepLinkItem], base_url: str
) -> tuple[str, str]:
    """The answer to a deep linking request: where the browser posts it, and the ``JWT`` to post.

    Args:
        keys: the tool's keys.
        settings: what the teacher's session keeps of the request.
        items: the assignments to be linked; none where the teacher chose none.
        base_url: where this tool is, without a slash at the end.

    Raises:
        DeepLinkError: the platform takes one link at a time.
    """
    if len(items) > 1 and not settings["multiple"]:
        raise DeepLinkError("the learning platform takes one assignment at a time")
    key = keys.current
    tool = LibraryRegistration().set_issuer(settings["issuer"])
    tool.set_client_id(settings["client_id"])
    tool.set_tool_private_key(key.private_pem).set_tool_public_key(key.public_pem)
    answer = DeepLink(tool, settings["deployment"], {"data": settings["data"]})
    message = answer.get_message_jwt(
        [_resource(item, base_url, settings["line_items"]) for item in items]
    )
    if settings["data"] is None:  # which is to be returned as it came, and so not at all
        del message[_DATA]
    return settings["return_url"], answer.encode_jwt(message)


def _resource(item: DeepLinkItem, base_url: str, line_items: bool) -> DeepLinkResource:
    resource = DeepLinkResource().set_title(item.title)
    resource.set_url(f"{base_url}/assignments/{quote(item.assignment, safe='')}")
    resource.set_custom_params({ASSIGNMENT_PARAMETER: item.assignment})
    if line_items and item.points:
        column = LineItem().set_label(item.title[:LONGEST_LABEL])
        column.set_score_maximum(math.ceil(item.points))  # Open edX takes integers only
        column.set_tag(item.assignment[:LONGEST_TAG]).set_resource_id(item.assignment)
        resource.set_lineitem(column)
    return resource
