"""The bridge to nbgrader: the only room that knows nbgrader's classes.

A course's ``nbgrader_config.py`` needs two lines, and a third where students do not read Spanish::

    from autograder.bridge import configure
    configure(c := get_config())
    c.RunGraders.language = "en"
"""

from typing import Any, Final

FILTERS: Final = {
    name: f"autograder.bridge.safe_html.{name}" for name in ("clean_html", "markdown2html")
}
"""What renders the text of students on a teacher's pages, named as in nbconvert's templates."""


def configure_execute(config: Any) -> None:
    """Put the runner into nbgrader in the place of its Execute; tests stay in the cells.

    For courses whose tests are in the notebooks' cells::

        from autograder.bridge import configure_execute
        configure_execute(get_config())

    Args:
        config: the traitlets ``Config`` of ``nbgrader_config.py``, as ``get_config()`` gives it.
    """
    _replace_execute(config, "autograder.bridge.execute.JailedExecute")


def _replace_execute(config: Any, runner: str) -> None:
    """Have a preprocessor run notebooks, and none break the reading or the storing."""
    config.Autograde.exporter_class = "autograder.bridge.exporter.SubmissionExporter"
    config.Autograde.sanitize_preprocessors = [
        "nbgrader.preprocessors.ClearOutput",
        "autograder.bridge.restore.RestoreCells",
        "nbgrader.preprocessors.DeduplicateIds",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    config.Autograde.autograde_preprocessors = [
        runner,
        "nbgrader.preprocessors.IgnorePattern",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "autograder.bridge.preprocessors.MarkFaults",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
        "autograder.bridge.preprocessors.StoreGrades",
    ]
    config.Exporter.optimistic_validation = True  # once a notebook, not after every preprocessor


def configure(config: Any) -> None:
    """Put the engine into nbgrader: hidden graders instead of in-kernel tests.

    Args:
        config: the traitlets ``Config`` of ``nbgrader_config.py``, as ``get_config()`` gives it.

    nbgrader's own converters and preprocessors stay; ``Execute`` alone is replaced. Settings
    made before this call are kept.
    """
    _replace_execute(config, "autograder.bridge.preprocessors.RunGraders")
    if "preprocessors" not in config.GenerateFeedback:
        config.GenerateFeedback.preprocessors = [
            "nbgrader.preprocessors.GetGrades",
            "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
            "autograder.bridge.page.ReadableOnPhones",
        ]
    if "exporter_class" not in config.GenerateFeedback:
        config.GenerateFeedback.exporter_class = "autograder.bridge.page.FeedbackExporter"
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = dict(config.HTMLExporter.get("filters", {})) | FILTERS
    if "preprocessors" not in config.GenerateAssignment:
        config.GenerateAssignment.preprocessors = [
            "nbgrader.preprocessors.IncludeHeaderFooter",
            "nbgrader.preprocessors.InstantiateTests",
            "nbgrader.preprocessors.LockCells",
            "autograder.bridge.stubs.StubsInLanguage",
            "nbgrader.preprocessors.ClearOutput",
            "nbgrader.preprocessors.CheckCellMetadata",
            "nbgrader.preprocessors.ComputeChecksums",
            "nbgrader.preprocessors.SaveCells",
            "nbgrader.preprocessors.ClearHiddenTests",
            "nbgrader.preprocessors.ClearMarkScheme",
            "nbgrader.preprocessors.ComputeChecksums",
            "nbgrader.preprocessors.CheckCellMetadata",
        ]
