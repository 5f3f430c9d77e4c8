"""What this tool says of itself to platforms: its addresses, scopes and messages.

Canvas's JSON configuration and its placements are those of Canvas's own documentation ("Configuring
LTI Advantage Tools").
"""

from typing import Any, Final
from urllib.parse import urlsplit

from autograder.lms.lti.launch_facts import LOGIN_PARAMETER
from autograder.lms.lti.logins import LAUNCH_PATH

NAME: Final = "Autograder"
DESCRIPTION: Final = "Hand in programming assignments and get them graded."
LOGIN_PATH: Final = "/lti/login"
KEYS_PATH: Final = "/lti/jwks.json"
CANVAS_PATH: Final = "/lti/canvas.json"
REGISTER_PATH: Final = "/lti/register"
"""Before a slash and an invitation's token."""
SCOPES: Final = (
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
    "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
)
CLAIMS: Final = ("iss", "sub", "name", "given_name", "family_name", "email")
CANVAS_PLACEMENTS: Final = ("assignment_selection", "link_selection")
CUSTOM: Final = {LOGIN_PARAMETER: "$User.username"}
"""Custom parameters: the user name, by the variable of LTI Core 1.3, appendix B.4.2."""
_CANVAS: Final = "canvas.instructure.com"


def domain_of(base_url: str) -> str:
    """The tool's host, with the port where it has one of its own."""
    return urlsplit(base_url).netloc


def canvas_configuration(base_url: str) -> dict[str, Any]:
    """The configuration that an administrator of Canvas's gives as an address or pastes.

    Args:
        base_url: where this tool is, without a slash at the end.
    """
    launch = f"{base_url}{LAUNCH_PATH}"
    return {
        "title": NAME,
        "description": DESCRIPTION,
        "oidc_initiation_url": f"{base_url}{LOGIN_PATH}",
        "target_link_uri": launch,
        "public_jwk_url": f"{base_url}{KEYS_PATH}",
        "scopes": list(SCOPES),
        "custom_fields": dict(CUSTOM),
        "extensions": [
            {
                "domain": domain_of(base_url),
                "tool_id": "pytorch-autograder",
                "platform": _CANVAS,
                "privacy_level": "public",
                "settings": {
                    "text": NAME,
                    "placements": [
                        {
                            "text": NAME,
                            "placement": placement,
                            "message_type": "LtiDeepLinkingRequest",
                            "target_link_uri": launch,
                            "selection_width": 800,
                            "selection_height": 600,
                        }
                        for placement in CANVAS_PLACEMENTS
                    ],
                },
            }
        ],
    }
