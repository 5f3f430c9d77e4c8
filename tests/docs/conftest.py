"""The project as it is installed from its wheel."""

from tests.packaging.installed import installed

__all__ = ["installed"]
