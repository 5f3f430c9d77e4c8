"""Pages from templates, and the answers that tell of errors."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, Response

from autograder import __version__
from autograder.messages import translate as _
from autograder.web import formats
from autograder.web.errors import WebError
from autograder.web.security import PAGE_POLICY
from autograder.web.sessions import visitor_of
from autograder.web.state import state_of

_JSON: Final = ("/state", ".json", "/health")
"""The ends of addresses that programs read."""
_HTML: Final = re.compile(r"(?i)<html[^>]*>")
_BODY: Final = re.compile(r"(?i)<body[^>]*>")
STATIC: Final = Path(__file__).parent / "static"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autograder.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": formats.points,
        "size": formats.size,
        "duration": formats.duration,
        "put": _put,
    }
    environment.globals |= {"_": _, "version": __version__}
    return environment


def _put(text: str, **values: object) -> Markup:
    """A translated text with values in it that may be elements, such as times."""
    return Markup(escape(text)).format(**values)


@cache
def _digest(name: str) -> str:
    """What changes in the address of a static file when the file does, so that it may be kept."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def text(request: Request, template: str, /, **values: Any) -> str:
    """The text of a page for whoever asks."""
    state = state_of(request)
    zone = state.zone
    return (
        _environment()
        .get_template(template)
        .render(
            values
            | {
                "at": state.at,
                "static": lambda name: f"{state.at('static', name)}?v={_digest(name)}",
                "demo": state.demo,
                "language": request.scope.get("autograder.language", "en"),
                "visitor": visitor_of(request),
                "framed": request.headers.get("sec-fetch-dest") in ("iframe", "frame"),
                "moment": lambda seconds: formats.moment(seconds, zone),
                "brief": lambda seconds: formats.brief(seconds, zone),
                "zone_told": lambda seconds: formats.zone_told(zone, seconds),
            }
        )
    )


def page(
    request: Request,
    template: str,
    code: int = 200,
    headers: Mapping[str, str] | None = None,
    /,
    **values: Any,
) -> Response:
    """A page for whoever asks."""
    return HTMLResponse(text(request, template, **values), code, dict(headers or {}))


def error_response(request: Request, error: WebError) -> Response:
    """A page that tells of an error; for programs, the same as JSON."""
    headers = dict(error.headers)
    if wants_json(request):
        told = {"error": error.title, "told": error.told, "todo": error.todo}
        return JSONResponse(told, error.status, headers)
    return page(request, "error.html", error.status, headers, error=error)


_BAR: Final = (
    '<nav style="position:sticky;top:0;z-index:9;margin:0 0 1em;padding:.6em 1em;background:#fff;'
    'border-bottom:2px solid #1b5f94;font:16px/1.5 system-ui,sans-serif;color:#1c2833">'
    '<a style="color:#1b5f94;font-weight:600" href="{}">← {}</a> '
    '<h1 style="display:inline;margin:0 0 0 1em;font:inherit">{}</h1></nav>'
)
_READABLE: Final = (
    "<style>.container a { color: #1b5f94; text-decoration: underline } "
    "div.nbgrader_cell .panel-heading a { color: #fff }</style>"
)
"""Links in nbgrader's feedback with the contrast that WCAG asks for, and no colour alone."""


def with_way_back(request: Request, html: str, back: str, told: str) -> str:
    """A page that is no template of ours, with its language, and a way back above what it says.

    A bar within the page rather than a frame around it: one document is easier to read aloud, to
    print and to scroll on a phone.
    """
    bar = _BAR.format(escape(back), escape(_("Back")), escape(told))
    language = request.scope.get("autograder.language", "en")
    html = _HTML.sub(f'<html lang="{escape(language)}">', html, count=1)
    body = _BODY.search(html)
    begin = body.end() if body else 0
    return html[:begin] + bar + html[begin:]


def readable(feedback: str) -> str:
    """A page of nbgrader's feedback, all of whose content is in its main part.

    The notebook alone is there in nbconvert's template, without the points above it.
    """
    html = feedback.replace("<main>", "<div>").replace("</main>", "</div>")
    body = _BODY.search(html)
    begin = body.end() if body else 0
    end = html.rfind("</body>") if "</body>" in html[begin:] else len(html)
    return f"{html[:begin]}{_READABLE}<main>{html[begin:end]}</main>{html[end:]}"


def wants_json(request: Request) -> bool:
    """Whether it is an address that a program reads."""
    return request.url.path.endswith(_JSON)


def policy(**more: str) -> str:
    """The policy of our pages with more allowed: ``form_action="https://lms.example"``."""
    parts = dict(part.strip().split(" ", 1) for part in PAGE_POLICY.split(";"))
    for name, sources in more.items():
        directive = name.replace("_", "-")
        known = parts.get(directive, "")
        parts[directive] = f"{known} {sources}".strip()
    return "; ".join(f"{name} {sources}" for name, sources in parts.items())
