"""``make pictures``: README and site show what their tutorials lead to, as a browser shows it.

Both tutorials are followed, and pictures are taken of pages of feedback and of the report, in a
real Chromium, and of what ``autograder grade`` prints.
"""

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, FloatRect, sync_playwright
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from tests.bench.commands import environment
from tests.docs import transcript
from tests.docs.test_tutorial import ASSIGNMENT, PAGES, SET_UP
from tests.docs.transcript import Command, Shell

STUDENT: Final = "hugo"
"""Whose page is shown: two mistakes, each with its hint."""
_NAMES: Final = {"en": "{}", "es": "{}.es"}
_WIDTH: Final = 900
_HEIGHT: Final = 1000
_MARGIN: Final = 12
_COLUMNS: Final = 60
_FONT_FACES: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(folder: Path) -> None:
    """Write all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--hide-scrollbars", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        for language in PAGES:
            with tempfile.TemporaryDirectory(prefix="autograder-pictures-") as place:
                _take(browser, language, Path(place), folder)
        browser.close()


def _take(browser: Browser, language: str, place: Path, folder: Path) -> None:
    """Follow one tutorial in an empty folder, and take its pictures."""
    named = _NAMES[language]
    around = {
        **{key: value for key, value in environment().items() if key != "PYTHONPATH"},
        **{"XDG_DATA_HOME": str(place / "data"), "COLUMNS": str(_COLUMNS), "FORCE_COLOR": "1"},
    }  # the course has a folder ``solutions`` of its own
    shell = Shell(
        place,
        around,
        dict.fromkeys(SET_UP[language], lambda _shell: None),
    )
    name = ASSIGNMENT[language]
    shell.follow(
        Command(one.line) if isinstance(one, Command) else one
        for one in transcript.read(PAGES[language])
    )
    graded = shell.run(Command(f"autograder grade {name} --force 2> /dev/null"))
    terminal = folder / f"{named.format('grade')}.svg"
    terminal.write_text(_drawn(f"$ autograder grade {name}\n{graded.output}"), encoding="utf-8")
    course = shell.folder
    _picture(
        browser,
        course / "feedback" / STUDENT / name / f"{name}.html",
        folder / f"{named.format('feedback')}.png",
        between=("h2 >> nth=1", "h2 >> nth=2"),
    )
    _picture(
        browser,
        course / "reports" / name / "report.html",
        folder / f"{named.format('report')}.png",
        between=("h1", "figure >> nth=2"),
    )


def _drawn(printed: str) -> str:
    """What a terminal shows, as a picture that loads no fonts from elsewhere."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(printed.rstrip()))
    svg = console.export_svg(title="autograder", theme=SVG_EXPORT_THEME, unique_id="terminal")
    return _FONT_FACES.sub("", svg).replace("Fira Code", "monospace")


def _picture(browser: Browser, page_file: Path, to: Path, between: tuple[str, str]) -> None:
    """Take a picture of a page, from the top of one element to the top of another."""
    page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
    page.goto(page_file.as_uri())
    top, bottom = (page.locator(one).bounding_box() for one in between)
    assert top is not None and bottom is not None, between
    above = max(top["y"] - _MARGIN, 0)
    clip = FloatRect(x=0, y=above, width=_WIDTH, height=bottom["y"] - above)
    page.screenshot(path=to, clip=clip, full_page=True)
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
