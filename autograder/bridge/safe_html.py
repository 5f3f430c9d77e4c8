"""What students write is shown on pages where a teacher is logged in: no code of theirs runs there.

nbconvert renders the pages of nbgrader's formgrader and of the feedback. These filters take the
place of its own: they keep the look of text, tables and results, and drop scripts, forms, frames,
and whatever the page's own scripts could take for a part of theirs (ids, classes). Headings get ids
of a form that nbgrader's never have, so that feedback can link to sections of the lesson.
"""

import re
from html import escape
from typing import Any, Final

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from autograder.bridge.sections import anchor_of_html, is_anchor

_TAGS: Final = frozenset(
    """
    a abbr b blockquote br caption center code col colgroup dd del details div dl dt em
    figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span
    strong sub summary sup table tbody td tfoot th thead tr tt u ul var
    """.split()
)
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
_CLASSES: Final = re.compile(r"highlight|hl-\w+|dataframe|autograder|[a-z][a-z0-9]?")
"""Classes that only look: those of highlighted code, of pandas and of our results."""
_ATTRIBUTES: Final = {
    "*": {"title", "style"},
    "a": {"href"},
    "img": {"alt", "width", "height"},
    "ol": {"start"},
    "table": {"border"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}
_PICTURE: Final = re.compile(r"data:image/(png|jpeg|gif|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_FILE: Final = re.compile(r"(?i)(?!/)(?!.*\.\.)[\w ./%-]*[\w%-]\.(png|jpe?g|gif|svg)")
"""A picture beside the notebook."""
_STYLE_SHEET: Final = re.compile(r"(?is)<style\b.*?</style\s*>")
_LINK: Final = re.compile(r"(?i)https?://|mailto:|#")
_STYLES: Final = (
    "background-color border border-bottom border-collapse border-left border-right border-spacing "
    "border-top color font-family font-size font-style font-weight line-height list-style "
    "list-style-type margin margin-bottom margin-left margin-right margin-top max-width padding "
    "padding-bottom padding-left padding-right padding-top text-align text-decoration "
    "vertical-align white-space width"
).split()
_CSS: Final = CSSSanitizer(allowed_css_properties=_STYLES)


def _keep(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return all(_CLASSES.fullmatch(one) for one in value.split())
    if (tag, name) == ("img", "src"):
        return bool(_PICTURE.fullmatch(value) or _FILE.fullmatch(value))
    if (tag, name) == ("a", "href"):
        return _LINK.match(value) is not None
    if name == "id":
        return tag in _HEADINGS and is_anchor(value)
    return name in _ATTRIBUTES["*"] or name in _ATTRIBUTES.get(tag, ())


def clean_html(html: str | bytes) -> str:
    """HTML with only what looks; the rest is shown as text."""
    text = html.decode("utf-8", "replace") if isinstance(html, bytes) else str(html)
    return bleach.clean(
        _STYLE_SHEET.sub("", text),  # pandas puts one above each table
        tags=_TAGS,
        attributes=_keep,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=_CSS,
    )


class _Attachments(dict[str, Any]):
    """The pictures of a cell by name; one that is missing is empty, where nbconvert would raise."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> dict[str, str]:
        return {"image/png": ""}


class _Renderer(IPythonRenderer):
    """nbconvert's, with an id at each heading."""

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        return f'<h{level} id="{escape(anchor_of_html(text))}">{text}</h{level}>\n'


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """Markdown as clean HTML, with the attached pictures of its cell."""
    cell = context.get("cell") or {}
    attachments = _Attachments(cell.get("attachments", {}))
    renderer = _Renderer(escape=False, attachments=attachments, exclude_anchor_links=True)
    return clean_html(MarkdownWithMath(renderer=renderer).render(source))
