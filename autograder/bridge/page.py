"""What nbgrader's page of feedback lacks to be read on a phone."""

from typing import Any, Final

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import List

_VIEWPORT: Final = '<meta name="viewport" content="width=device-width, initial-scale=1">'
_STYLES: Final = """
@media (max-width: 700px) {
  body { padding: 0; }
  .container, #notebook-container { width: 100% !important; padding: 0 2px !important; }
  .panel-body { padding: 4px; }
  div.cell, div.output_area, div.input { display: block; }
  div.prompt { min-width: 0 !important; padding: 0 !important; text-align: left !important; }
  div.inner_cell, div.output_subarea { max-width: 100%; padding: 2px; }
  div.nbgrader_cell .panel-heading { height: auto !important; overflow: hidden; }
  .rendered_html ul, .rendered_html ol { margin: 0 0 0 1.2em; padding-left: 0; }
}
img, svg { max-width: 100%; height: auto; }
pre, .rendered_html table { overflow-x: auto; max-width: 100%; }
.rendered_html code { overflow-wrap: anywhere; }
"""


class ReadableOnPhones(NbGraderPreprocessor):  # type: ignore[misc]
    """Adds to the page that it may be as narrow as a phone.

    Without it a phone shows the page as wide as a desk's screen, with letters too small to read.
    """

    display_data_priority: Any = List(config=True)
    """Not used. nbgrader makes it no option, so that exporters, which set it, give a warning."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Add to what nbgrader's template puts into the head of the page.

        The template takes style sheets, and nothing else; so ours ends one, and begins another.
        """
        sheets = resources.setdefault("inlining", {}).setdefault("css", [])
        sheets.append(f"{_STYLES}</style>{_VIEWPORT}<style>")
        return nb, resources
