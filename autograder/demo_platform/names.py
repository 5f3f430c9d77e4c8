"""The names of LTI Advantage: claims, scopes, media types, roles.

IMS: LTI Core 1.3, Deep Linking 2.0, Assignment and Grade Services 2.0, Names and Role Provisioning
Services 2.0, Dynamic Registration 1.0.
"""

from typing import Final

CLAIM: Final = "https://purl.imsglobal.org/spec/lti/claim/"
DEEP_LINKING: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/"
AGS_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
PLATFORM_CONFIGURATION: Final = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL_CONFIGURATION: Final = "https://purl.imsglobal.org/spec/lti-tool-configuration"

RESOURCE_LINK: Final = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST: Final = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE: Final = "LtiDeepLinkingResponse"
LTI_VERSION: Final = "1.3.0"

_AGS_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM_SCOPE: Final = _AGS_SCOPE + "lineitem"
LINE_ITEM_READING_SCOPE: Final = _AGS_SCOPE + "lineitem.readonly"
RESULT_SCOPE: Final = _AGS_SCOPE + "result.readonly"
SCORE_SCOPE: Final = _AGS_SCOPE + "score"
AGS_SCOPES: Final = (LINE_ITEM_SCOPE, LINE_ITEM_READING_SCOPE, RESULT_SCOPE, SCORE_SCOPE)
MEMBERS_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
SCOPES: Final = (*AGS_SCOPES, MEMBERS_SCOPE)

LINE_ITEM_TYPE: Final = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS_TYPE: Final = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE_TYPE: Final = "application/vnd.ims.lis.v1.score+json"
RESULTS_TYPE: Final = "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS_TYPE: Final = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

_MEMBERSHIP: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
ROLES: Final = {"teacher": _MEMBERSHIP + "Instructor", "student": _MEMBERSHIP + "Learner"}
COURSE: Final = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseOffering"

PRIVATE_KEY_JWT: Final = "private_key_jwt"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523, as the IMS Security Framework 1.0 asks for it."""

VARIABLES: Final = ("User.id", "User.username", "ResourceLink.id", "Context.id")
"""The variables that custom parameters may have as their values (LTI Core 1.3, appendix B)."""
