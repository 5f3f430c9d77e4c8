"""Imported first by programs of this package, so that they start in half the time.

`jsonschema`, which nbformat and nbgrader import, compiles a grammar of internationalised web
addresses if it finds the package for it, which takes one and a half seconds. Nothing here checks
such addresses. Without the package it leaves that out by itself.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # "not there", to import
