"""What a course configures of how submissions are run: ``c.Jail`` in ``nbgrader_config.py``."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Integer, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from autograder.bridge.packages import packages_of
from autograder.bridge.render import HINTS, Hints
from autograder.messages import LANGUAGES
from autograder.runner.limits import Limits
from autograder.runner.warm import Packages


class Jail(Configurable):
    """Limits of submissions, and what runs them."""

    language = Enum(LANGUAGES, "es", help="Language of what students read.").tag(config=True)
    languages = Dict(help="Language of single students, where it is another: {'ana': 'en'}.").tag(
        config=True
    )
    hints = Enum(
        HINTS,
        "full",
        help="What students read of a check that failed: 'none', only that it failed; 'category', "
        "also what kind of mistake it looks like; 'pointer', also the section to read again; "
        "'full', also what is wrong and what to look at.",
    ).tag(config=True)
    hints_of = Dict(
        help="Hints of single assignments, where they are others: {'tensores': 'pointer'}."
    ).tag(config=True)
    explain_errors = Bool(
        True, help="Say below an error in a student's cell where it is and what it means."
    ).tag(config=True)
    cell_seconds = Float(10.0, min=0.1, help="Seconds that one cell may take.").tag(config=True)
    submission_seconds = Float(60.0, min=1.0, help="Seconds that all cells may take.").tag(
        config=True
    )
    call_seconds = Float(5.0, min=0.1, help="Seconds that one call of a function may take.").tag(
        config=True
    )
    grading_seconds = Float(
        120.0, min=1.0, help="Seconds that a submission may keep its graders waiting."
    ).tag(config=True)
    memory_mib = Integer(1024, min=64, help="Memory that a submission may add, in MiB.").tag(
        config=True
    )
    disk_mib = Integer(256, min=1, help="Size of all files that it writes, in MiB.").tag(
        config=True
    )
    files = Integer(4096, min=16, help="Files and folders that it makes.").tag(config=True)
    open_files = Integer(256, min=64, help="Files that one of its processes has open.").tag(
        config=True
    )
    processes = Integer(64, min=16, help="Processes and threads that it has at once.").tag(
        config=True
    )
    output_kib = Integer(64, min=1, help="Output of a cell that is kept, in KiB.").tag(config=True)
    assignments = Dict(
        help="Limits of single assignments: {'tensores': {'memory_mib': 2048}}."
    ).tag(config=True)
    allow_unsafe = Bool(
        False, help="Run submissions where the walls against strangers cannot be had."
    ).tag(config=True)
    preload = List(
        Unicode(),
        allow_none=True,
        default_value=None,
        help="Packages that are imported once for all submissions; by default those that the "
        "course's source notebooks import.",
    ).tag(config=True)

    @validate("assignments")
    def _known_limits(self, proposal: Any) -> Any:
        """Refuse a misspelt limit, which would otherwise hold nothing."""
        known = {field.name for field in fields(Limits)}
        for assignment, limits in proposal["value"].items():
            for name, value in dict(limits).items():
                if name not in known:
                    raise TraitError(
                        f"{type(self).__name__}.assignments[{assignment!r}]: there is no limit "
                        f"{name!r}; choose among {', '.join(sorted(known))}"
                    )
                trait: Any = self.traits()[name]
                trait.validate(self, value)
        return proposal["value"]

    @validate("languages", "hints_of")
    def _known_values(self, proposal: Any) -> Any:
        """Refuse a language or a level of hints that does not exist."""
        name = proposal["trait"].name
        known = {"languages": LANGUAGES, "hints_of": HINTS}[name]
        for key, value in proposal["value"].items():
            if value not in known:
                raise TraitError(
                    f"{type(self).__name__}.{name}[{key!r}]: there is no {value!r}; "
                    f"choose among {', '.join(known)}"
                )
        return proposal["value"]

    def language_of(self, student: str) -> str:
        """The language in which a student reads."""
        return str(self.languages.get(student, self.language))

    def hints_for(self, assignment: str) -> Hints:
        """How much students are told of a check that failed in an assignment."""
        level: Hints = self.hints_of.get(assignment, self.hints)
        return level

    def limits(self, assignment: str) -> Limits:
        """The limits that are configured for an assignment."""
        course = {field.name: getattr(self, field.name) for field in fields(Limits)}
        return Limits(**course | dict(self.assignments.get(assignment, {})))

    def packages(self, for_graders: bool = False) -> Packages:
        """What the warm process imports: as configured, or what the course's notebooks import."""
        directory = getattr(getattr(self.parent, "parent", None), "coursedir", None)
        source = Path("source").resolve()
        if directory is not None:
            source = Path(directory.format_path(directory.source_directory, ".", "*")).parent
        return packages_of(
            None if self.preload is None else tuple(self.preload), source, for_graders
        )
