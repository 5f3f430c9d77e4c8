"""What tests look at and change in the platform, as its people would in its pages."""

# mypy: disable-error-code="import-untyped, untyped-decorator"

import json
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from lti_consumer import api
from lti_consumer.data import Lti1p3LaunchData
from lti_consumer.models import (
    CourseAllowPIISharingInLTIFlag,
    Lti1p3Passport,
    LtiConfiguration,
)
from lti_consumer.utils import (
    get_lti_ags_lineitems_url,
    get_lti_api_base,
    get_lti_nrps_context_membership_url,
)
from opaque_keys.edx.keys import CourseKey

from tests.lms.openedx import COURSE, blocks
from tests.lms.openedx.models import Grade, Profile


@csrf_exempt
def place(request: HttpRequest) -> JsonResponse:
    """Put a component into the course, and tell what its author copies into the tool."""
    told = json.loads(request.body)
    passport = _passport(told.pop("passport", "main"))
    key = blocks.key_of(told.pop("name"))
    blocks.settings_of[str(key)] = {
        "display_name": key.block_id,
        "lti_version": "lti_1p3",
        "config_type": "new",
        "lti_1p3_passport_id": str(passport.passport_id),
        "lti_1p3_enable_nrps": True,
        "has_score": True,
        "weight": 10,
        **told,
    }
    block = blocks.load(key)
    configuration = LtiConfiguration.objects.get(config_id=api.config_id_for_block(block))
    consumer = configuration.get_lti_consumer()
    author = Lti1p3LaunchData(
        user_id="author",
        user_role="staff",
        config_id=configuration.config_id,
        resource_link_id=str(key),
    )
    info = api.get_lti_1p3_launch_info(author)
    return JsonResponse(
        {
            "block": str(key),
            "issuer": get_lti_api_base(),
            "client_id": info["client_id"],
            "deployment": info["deployment_id"],
            "key_set_url": info["keyset_url"],
            "auth_login_url": info["oidc_callback"],
            "auth_token_url": info["token_url"],
            "line_items": get_lti_ags_lineitems_url(configuration.id),
            "line_item": (consumer.ags and consumer.ags.lineitem_url) or "",
            "memberships": get_lti_nrps_context_membership_url(configuration.id),
        }
    )


@csrf_exempt
def people(request: HttpRequest) -> JsonResponse:
    """Tell who is in the course, or put somebody into it or out of it."""
    if request.method == "GET":
        return JsonResponse(
            {
                profile.user.username: {
                    "sub": str(profile.external_user_id),
                    "name": profile.name,
                    "email": profile.user.email,
                    "roles": profile.roles,
                }
                for profile in Profile.objects.exclude(roles=[]).select_related("user")
            }
        )
    told = json.loads(request.body)
    user, _ = get_user_model().objects.update_or_create(
        username=told["username"], defaults={"email": told["email"]}
    )
    profile, _ = Profile.objects.update_or_create(
        user=user, defaults={"name": told["name"], "roles": told["roles"]}
    )
    return JsonResponse({"sub": str(profile.external_user_id)})


@csrf_exempt
def names(request: HttpRequest) -> JsonResponse:
    """Say whether tools learn names and e-mail addresses."""
    CourseAllowPIISharingInLTIFlag.objects.create(
        course_id=CourseKey.from_string(COURSE), enabled=json.loads(request.body)["shared"]
    )
    return JsonResponse({})


def grades(_request: HttpRequest) -> JsonResponse:
    """Tell what the gradebook has."""
    rows: list[dict[str, Any]] = [
        {
            "block": grade.block,
            "username": grade.user.username,
            "earned": grade.earned,
            "possible": grade.possible,
        }
        for grade in Grade.objects.select_related("user")
    ]
    return JsonResponse(rows, safe=False)


@csrf_exempt
def launch(request: HttpRequest) -> JsonResponse:
    """Tell where a browser goes that opens a component, as its page would."""
    told = json.loads(request.body)
    user = get_user_model().objects.get(username=told["username"])
    data = blocks.load(told["block"], user).get_lti_1p3_launch_data()
    start = (
        api.get_lti_1p3_launch_start_url(data, deep_link_launch=True)
        if told["deep"]
        else api.get_lti_1p3_content_url(data)
    )
    return JsonResponse({"url": start})


@csrf_exempt
def session(request: HttpRequest) -> JsonResponse:
    """Log a user in."""
    told = json.loads(request.body)
    user = get_user_model().objects.get(username=told["username"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return JsonResponse({})


def _passport(name: str) -> Any:
    """A client of the platform; its key is made here, as the platform's own way takes seconds."""
    found = Lti1p3Passport.objects.filter(name=name).first()
    if found is not None:
        return found
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Lti1p3Passport.objects.create(
        name=name,
        lti_1p3_internal_private_key=pem.decode(),
        lti_1p3_internal_private_key_id=str(uuid.uuid4()),
    )
