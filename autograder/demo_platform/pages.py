"""The platform's pages. Each says that it is a demonstration."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autograder.demo_platform.people import Person
from autograder.demo_platform.state import COURSE_TITLE, Platform

FOLDER: Final = Path(__file__).parent / "templates"


class Pages:
    """Makes pages, with the headers that let them do what they need and nothing else."""

    def __init__(self, platform: Platform) -> None:
        """Read the templates."""
        self._platform = platform
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["points"] = _points
        self._environment.filters["time"] = _time

    def page(
        self, name: str, person: Person | None = None, status: int = 200, **what: Any
    ) -> Response:
        """A page.

        Args:
            name: the template.
            person: who looks at it.
            status: the HTTP status.
            what: what the template needs besides.
        """
        text = self._environment.get_template(f"{name}.html").render(
            url=self._platform.url, course=COURSE_TITLE, person=person, **what
        )
        return HTMLResponse(text, status, {**_HEADERS, "Content-Security-Policy": self._policy()})

    def posting(self, to: str, fields: dict[str, str]) -> Response:
        """A page that sends the browser on with a form: by itself, or with a button."""
        return self.page("posting", to=to, fields=fields)

    def told(self, person: Person | None, text: str, status: int = 200) -> Response:
        """A page with one sentence."""
        return self.page("told", person, status, text=text)

    def _policy(self) -> str:
        """Frames of tools, forms to this machine, and nothing from elsewhere (CSP Level 3).

        Forms go to tools that are not registered yet as well: by way of a redirect.
        """
        urls = [uri for tool in self._platform.tools.values() for uri in tool.redirect_uris]
        origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls})
        return (
            "default-src 'none'; style-src 'self'; script-src 'self'; "
            f"frame-src 'self' {' '.join(origins)}; "
            "form-action 'self' http://127.0.0.1:* http://localhost:*; "
            "frame-ancestors 'self'; base-uri 'none'"
        )


_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def routes(platform: Platform, pages: Pages) -> list[Route]:
    """What a browser shows."""

    def front(_request: Request) -> Response:
        return pages.page("front", people=platform.people.values())

    def course(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        return pages.page(
            "course", person, links=platform.links.values(), tools=platform.tools.values()
        )

    def frame(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        return pages.page("frame", person, link=platform.link(request.path_params["link"]))

    def gradebook(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        shown = [one for one in platform.people.values() if one.role == "student"]
        if person.role == "student":
            shown = [person]
        return pages.page("gradebook", person, rows=_rows(platform, shown))

    def tools(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        return pages.page("tools", person, tools=platform.tools.values())

    return [
        Route("/", front, methods=["GET"]),
        Route("/people/{person}", course, methods=["GET"]),
        Route("/people/{person}/links/{link}", frame, methods=["GET"]),
        Route("/people/{person}/gradebook", gradebook, methods=["GET"]),
        Route("/people/{person}/tools", tools, methods=["GET"]),
    ]


def _rows(platform: Platform, people: list[Person]) -> list[dict[str, Any]]:
    """The lines of the gradebook: each person's score in each column."""
    book = platform.gradebook
    rows = []
    for item in book.items.values():
        for person in people:
            score = book.scores.get((item.id, person.id))
            points = None if score is None else platform.dialect.points(item, score)
            rows.append({"item": item, "person": person, "score": score, "points": points})
    return rows


def _points(value: float | None) -> str:
    """A number of points as people write it."""
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def _time(when: float) -> str:
    """A time of the clock on this machine's wall."""
    return datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M:%S")
