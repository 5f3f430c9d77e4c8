"""The application that stands for the rest of Open edX."""

# mypy: disable-error-code="import-untyped", disallow-subclassing-any=False

from django.apps import AppConfig


class CampusConfig(AppConfig):
    name = "tests.lms.openedx"
    label = "campus"

    def ready(self) -> None:
        """Put our part where the platform's code looks for Open edX."""
        from tests.lms.openedx import compat

        compat.install()
