"""The platform's own addresses, where Open edX has them, and those of tests."""

# mypy: disable-error-code="import-untyped"

from django.urls import include, path

from tests.lms.openedx import control

urlpatterns = [
    path("api/", include("lti_consumer.plugin.urls")),
    path("control/blocks", control.place),
    path("control/people", control.people),
    path("control/names", control.names),
    path("control/grades", control.grades),
    path("control/launch", control.launch),
    path("control/session", control.session),
]
