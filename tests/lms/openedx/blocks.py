"""The components of the course, which are ``lti-consumer-xblock``'s, and what they run in."""

# mypy: disable-error-code="import-untyped", disallow-subclassing-any=False

from datetime import timedelta
from typing import Any

from lti_consumer.lti_xblock import LtiConsumerXBlock
from opaque_keys.edx.keys import CourseKey, UsageKey
from xblock.core import XBlockMixin
from xblock.field_data import DictFieldData
from xblock.fields import Boolean, DateTime, Field, Scope, ScopeIds
from xblock.reference.user_service import XBlockUser
from xblock.runtime import MemoryIdManager, Runtime

from tests.lms.openedx import COURSE

KIND = "lti_consumer"
settings_of: dict[str, dict[str, Any]] = {}
"""The fields of each component, by its usage key."""


class CourseFields(XBlockMixin):
    """Fields that every component of a course has."""

    graded = Boolean(default=True, scope=Scope.settings)
    start = DateTime(default=None, scope=Scope.settings)
    due = DateTime(default=None, scope=Scope.settings)
    graceperiod: timedelta | None = Field(default=None, scope=Scope.settings)


class Campus(Runtime):
    """What components run in, for a user or for nobody."""

    def __init__(self, user: Any = None) -> None:
        manager = MemoryIdManager()
        services = {"user": Users(user), "rebind_user": Rebinding()}
        super().__init__(manager, manager, mixins=(CourseFields,), services=services)

    def handler_url(self, block: Any, handler_name: str, *_args: Any, **_options: Any) -> str:
        return f"/handler/{handler_name}"

    def resource_url(self, resource: str) -> str:
        return f"/resource/{resource}"

    def local_resource_url(self, block: Any, uri: str) -> str:
        return f"/resource/{uri}"

    def publish(self, block: Any, event_type: str, event_data: dict[str, Any]) -> None:
        """Put a grade into the gradebook."""
        from tests.lms.openedx.models import Grade

        assert event_type == "grade", event_type
        Grade.objects.update_or_create(
            block=str(block.scope_ids.usage_id),
            user_id=event_data["user_id"],
            defaults={"earned": event_data["value"], "possible": event_data["max_value"]},
        )


class Users:
    """Open edX's user service."""

    def __init__(self, user: Any) -> None:
        self._user = user

    def get_current_user(self) -> XBlockUser:
        user = self._user
        if user is None:
            return XBlockUser(is_current_user=True)
        known = XBlockUser(is_current_user=True, emails=[user.email], full_name=user.profile.name)
        roles = user.profile.roles
        known.opt_attrs.update(
            {
                "edx-platform.is_authenticated": True,
                "edx-platform.user_id": user.id,
                "edx-platform.username": user.username,
                "edx-platform.user_is_staff": False,
                "edx-platform.user_role": roles[0] if roles else "student",
            }
        )
        return known

    def get_external_user_id(self, kind: str) -> str:
        assert kind == "lti", kind
        return str(self._user.profile.external_user_id)


class Rebinding:
    """Open edX's service that gives a component to another user."""

    def rebind_noauth_module_to_user(self, block: Any, user: Any) -> None:
        block.runtime._services["user"] = Users(user)


def key_of(name: str) -> Any:
    """The usage key of a component of the course."""
    return CourseKey.from_string(COURSE).make_usage_key(KIND, name)


def load(usage_key: Any, user: Any = None) -> Any:
    """A component, for a user.

    Raises:
        KeyError: there is none.
    """
    usage = UsageKey.from_string(str(usage_key))
    return Campus(user).construct_xblock_from_class(
        LtiConsumerXBlock,
        ScopeIds(None if user is None else user.id, KIND, usage, usage),
        DictFieldData(dict(settings_of[str(usage)])),
    )
