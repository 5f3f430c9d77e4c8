"""The site is built without a warning, speaks both languages and loads nothing from elsewhere."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

import click
import pytest
from playwright.sync_api import Browser, expect

from autograder.bridge.execute import JailedExecute
from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.settings import Jail
from autograder.cli import main
from autograder.grading import __all__ as grader_names
from autograder.lms.settings import Serve
from tests.packaging.installed import ROOT

CONFIG: Final = ROOT / "docs/site/mkdocs.yml"
LOADED: Final = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
"""What a browser fetches by itself, and where it is said."""
_LOADING_LINKS: Final = ("stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload")
IN_SPANISH: Final = ("index", "tutorial", "students")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it: strictly."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--config-file", str(CONFIG), "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


class _Loads(HTMLParser):
    """Collects what a page has a browser load, and what language it says it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        said = dict(attrs)
        if tag == "html":
            self.language = said.get("lang") or ""
        loads = tag != "link" or set((said.get("rel") or "").split()) & set(_LOADING_LINKS)
        url = said.get(LOADED.get(tag, ""))
        if loads and url:
            self.urls.append(url)


def _read(page: Path) -> _Loads:
    parser = _Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def _pages(site: Path) -> Iterator[Path]:
    return site.rglob("*.html")


def test_pages_load_only_what_is_in_the_site(site: Path) -> None:
    loaded = 0
    for page in _pages(site):
        for url in _read(page).urls:
            parts = urlsplit(url)
            assert not parts.scheme and not parts.netloc, f"{page}: {url}"
            inside = (
                site / parts.path.lstrip("/")
                if page.name == "404.html"
                else page.parent / parts.path
            )
            assert inside.is_file(), f"{page}: {url}"
            loaded += 1
    assert loaded > len(IN_SPANISH)


def test_stylesheets_load_nothing_from_elsewhere(site: Path) -> None:
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text, sheet
        assert "url(http" not in text and "url(//" not in text, sheet


def test_no_page_has_a_diagram_for_which_a_script_would_be_fetched(site: Path) -> None:
    assert not [page for page in _pages(site) if 'class="mermaid"' in page.read_text("utf-8")]


@pytest.mark.parametrize("name", IN_SPANISH)
def test_what_students_and_beginners_read_is_there_in_spanish(site: Path, name: str) -> None:
    english, spanish = site / f"{name}.html", site / f"es/{name}.html"
    assert (_read(english).language, _read(spanish).language) == ("en", "es")
    heading = {"index": "Califica cursos", "tutorial": "quince minutos", "students": "alumnado"}
    assert heading[name] in spanish.read_text(encoding="utf-8")
    assert f'href="es/{name}.html"' in english.read_text(encoding="utf-8")


def _commands(command: click.Command, name: str) -> Iterator[str]:
    yield name
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            if not one.hidden:
                yield from _commands(one, f"{name} {below}")


def test_the_reference_has_every_command_and_every_option(site: Path) -> None:
    text = (site / "reference/commands.html").read_text(encoding="utf-8")
    names = list(_commands(main, "autograder"))
    assert "autograder lms add" in names
    for name in names:
        assert f'<h2 id="{name.replace(" ", "-")}">' in text, name
    for command in main.commands.values():
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.opts[-1] in text, param.name
    assert "commands of" not in text


def test_the_reference_has_every_option_of_the_configuration(site: Path) -> None:
    text = (site / "reference/configuration.html").read_text(encoding="utf-8")
    for kind in (Jail, RunGraders, JailedExecute, Serve):
        for option in kind.class_own_traits(config=True):
            assert f"<code>c.{kind.__name__}.{option}</code>" in text, option
    assert "options of" not in text


def test_the_reference_has_every_name_that_graders_import(site: Path) -> None:
    text = (site / "reference/grader-api.html").read_text(encoding="utf-8")
    missing = [
        name
        for name in grader_names
        if f'.{name}"' not in text and name not in ("CheckFailed", "Value")  # a base; a union
    ]
    assert not missing


def test_the_copy_button_takes_commands_without_prompts_and_answers(
    site: Path, chromium: Browser
) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/how-to/authoring.html")
        shown = page.locator(".highlight").filter(has_text="new assignment describing").first
        expect(shown).to_contain_text("$ autograder new assignment")
        expect(shown).to_contain_text("wrote source")
        shown.hover()
        shown.get_by_role("button").click()
        expect(page.locator(".md-dialog")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        context.close()
        server.shutdown()
    assert copied.strip() == 'autograder new assignment describing --title "Describing data"'
