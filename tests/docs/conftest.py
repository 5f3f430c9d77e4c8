"""The project as it is installed from its wheel, and a browser to look at its pages."""

from tests.browser.conftest import chromium
from tests.packaging.installed import installed

__all__ = ["chromium", "installed"]
