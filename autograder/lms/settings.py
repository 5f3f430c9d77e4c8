"""What a course configures of the LTI tool: ``c.Serve`` in ``nbgrader_config.py``."""

from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Final, Literal, get_args
from urllib.parse import quote, urlsplit

from traitlets import Dict, Enum, Float, Integer, TraitError, Unicode, validate
from traitlets.config import Configurable

from autograder.bridge.course import Course, CourseError
from autograder.bridge.notebooks import MAX_NOTEBOOK_MIB

Counts = Literal["last", "best"]
Feedback = Literal["now", "released"]
Late = Literal["accept", "refuse"]
LateRule = Literal["refused", "no penalty", "no points", "penalty"]
"""What nbgrader does with work that comes late; ``penalty``: a plugin of the course's decides."""

DATABASE_FILE: Final = "lms.db"
_PER_ASSIGNMENT: Final = ("attempts", "cooldown_minutes", "counts", "feedback", "late")
_FILE: Final = "nbgrader_config.py"


@dataclass(frozen=True)
class Policy:
    """The rules for handing in one assignment."""

    attempts: int = 0
    """How many there may be; 0: any number."""
    cooldown_seconds: float = 0.0
    """How long after an attempt the next one may come."""
    counts: Counts = "last"
    """Which graded attempt is in the gradebook, and released."""
    feedback: Feedback = "now"
    """When students see points and feedback: when graded, or when the grade is released."""
    late: Late = "accept"
    """Whether anything is taken after the deadline, an extension included."""


class Serve(Configurable):
    """The LTI tool: where it is, and the rules for handing in."""

    url = Unicode(
        "",
        help="Where browsers and the LMS reach the tool, such as https://grader.example. "
        "Behind a proxy this is the proxy's address.",
    ).tag(config=True)
    database = Unicode(
        "",
        help="SQLAlchemy URL of the tool's own tables; by default the file lms.db in the course's "
        "folder.",
    ).tag(config=True)
    hub = Unicode(
        "",
        help="URL at which students open an assignment in JupyterHub, with {assignment} in it; "
        "empty: there is no JupyterHub.",
    ).tag(config=True)
    formgrader = Unicode("", help="URL of nbgrader's formgrader; empty: there is none.").tag(
        config=True
    )
    upload_mib = Integer(20, min=1, help="Most that a student may upload at once, in MiB.").tag(
        config=True
    )
    attempts = Integer(0, min=0, help="How often a student may hand in; 0: any number.").tag(
        config=True
    )
    cooldown_minutes = Float(
        0.0, min=0.0, help="Minutes after an attempt before the next one may come."
    ).tag(config=True)
    counts = Enum(get_args(Counts), "last", help="Which attempt counts: 'last' or 'best'.").tag(
        config=True
    )
    feedback = Enum(
        get_args(Feedback),
        "now",
        help="When students see points and feedback: 'now', as soon as they are graded, or when "
        "the grade is 'released'.",
    ).tag(config=True)
    late = Enum(
        get_args(Late),
        "accept",
        help="What becomes of work after the deadline: 'accept' it, and nbgrader takes its penalty "
        "(c.LateSubmissionPlugin), or 'refuse' it.",
    ).tag(config=True)
    assignments = Dict(
        help="Rules of single assignments: {'tensores': {'attempts': 3, 'counts': 'best'}}."
    ).tag(config=True)

    @validate("assignments")
    def _known_rules(self, proposal: Any) -> Any:
        """Refuse a misspelt rule, which would otherwise hold nothing."""
        for assignment, rules in proposal["value"].items():
            where = f"Serve.assignments[{assignment!r}]"
            if not isinstance(rules, dict):
                raise TraitError(f"{where}: give rules by name, such as {{'attempts': 3}}")
            for name, value in rules.items():
                if name not in _PER_ASSIGNMENT:
                    raise TraitError(
                        f"{where}: there is no rule {name!r}; choose among "
                        f"{', '.join(_PER_ASSIGNMENT)}"
                    )
                trait: Any = self.traits()[name]
                try:
                    trait._validate(self, value)
                except TraitError as error:
                    raise TraitError(f"{where}: {error}") from error
        return proposal["value"]

    @validate("url", "formgrader")
    def _plain_url(self, proposal: Any) -> str:
        """Refuse what no browser can open."""
        url: str = proposal["value"].rstrip("/")
        if url:
            _require_url(proposal["trait"].name, url)
        return url

    @validate("hub")
    def _pattern(self, proposal: Any) -> str:
        """Refuse a pattern that nothing can be put into."""
        pattern: str = proposal["value"]
        if not pattern:
            return pattern
        try:
            fields = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
        except ValueError as error:
            raise TraitError(f"Serve.hub: {pattern!r} is no pattern: {error}") from error
        if fields != {"assignment"}:
            raise TraitError(
                f"Serve.hub: {pattern!r} must have {{assignment}} in it, and no other name in "
                "braces"
            )
        _require_url("hub", pattern.format(assignment="x"))
        return pattern

    def policy(self, assignment: str) -> Policy:
        """The rules for handing in an assignment."""
        rules = {name: getattr(self, name) for name in _PER_ASSIGNMENT}
        rules |= dict(self.assignments.get(assignment, {}))
        return Policy(
            attempts=rules["attempts"],
            cooldown_seconds=60.0 * rules["cooldown_minutes"],
            counts=rules["counts"],
            feedback=rules["feedback"],
            late=rules["late"],
        )

    def hub_url(self, assignment: str) -> str:
        """Where a student opens an assignment in JupyterHub; empty where there is none."""
        return self.hub.format(assignment=quote(assignment, safe="")) if self.hub else ""

    def database_url(self, root: Path) -> str:
        """The SQLAlchemy URL of the tool's own tables, for a course in the folder ``root``."""
        return self.database or f"sqlite:///{root / DATABASE_FILE}"

    @property
    def notebook_bytes(self) -> int:
        """The largest notebook that is taken; a larger one could not be graded."""
        return min(self.upload_mib, MAX_NOTEBOOK_MIB) * 1024 * 1024


def serve_settings(course: Course) -> Serve:
    """What a course configures of the LTI tool.

    Raises:
        CourseError: a name or a value is wrong; with what it should be.
    """
    configured = course.app.config.get("Serve", {})
    for name in configured:
        if name not in Serve.class_trait_names(config=True):
            known = ", ".join(sorted(Serve.class_trait_names(config=True)))
            raise CourseError(
                f"{course.root / _FILE}: there is no c.Serve.{name}; choose among {known}"
            )
    try:
        return Serve(parent=course.app)
    except TraitError as error:
        raise CourseError(f"{course.root / _FILE}: {error}") from error


def late_rule(course: Course, policy: Policy) -> LateRule:
    """What becomes of work that comes late: as configured here and in nbgrader."""
    if policy.late == "refuse":
        return "refused"
    plugin = course.app.config.get("AssignLatePenalties", {}).get("plugin_class")
    name = plugin if isinstance(plugin, str) else getattr(plugin, "__name__", "")
    if name.rpartition(".")[2] not in ("", "LateSubmissionPlugin"):
        return "penalty"
    method = course.app.config.get("LateSubmissionPlugin", {}).get("penalty_method", "none")
    return "no points" if method == "zero" else "no penalty"


def _require_url(name: str, url: str) -> None:
    """Raise unless it is an address that a browser can open; ours has paths put behind it."""
    parts = urlsplit(url)
    rest = name == "url" and (parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or rest:
        raise TraitError(
            f"Serve.{name}: {url!r} is no address; give one such as https://grader.example"
        )
