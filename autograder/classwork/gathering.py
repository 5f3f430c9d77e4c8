"""What each student has handed in, before it is known who that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autograder.classwork.archive import Member, is_junk, name_fault, split
from autograder.classwork.layouts import Place, Sender, Task, place_of, wrapper_of
from autograder.classwork.names import shown

NO_STUDENT = "belongs to no student: give Moodle's or Canvas's export, or STUDENT/NOTEBOOK.ipynb"


@dataclass(frozen=True)
class File:
    """A file that was handed in, and where it lies in what was."""

    parts: tuple[str, ...]
    member: Member
    version: tuple[int, int] = (-1, 0)
    means: str = ""

    @property
    def name(self) -> str:
        """Its name, safe to print."""
        return shown("/".join(self.parts))

    @property
    def stem(self) -> str:
        """The name of a notebook without its suffix."""
        return self.parts[-1][: -len(".ipynb")]

    @property
    def is_notebook(self) -> bool:
        """Whether its name is that of a notebook."""
        return self.parts[-1].lower().endswith(".ipynb")


@dataclass
class Work:
    """All that one student handed in."""

    sender: Sender
    entries: list[str] = field(default_factory=list)
    """Their names in the export, by which a teacher finds them."""
    files: list[File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    late: bool | None = None
    names: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, place: Place, member: Member, fault: str) -> None:
        """Put an entry to the files, or what is wrong with it to the faults."""
        if place.note and place.note not in self.notes:
            self.notes.append(place.note)
        if place.late is not None:
            self.late = place.late or bool(self.late)
        if not fault and (member.folder or not place.parts):
            return
        fault = fault or name_fault(place.parts)
        name = (*place.parts, place.version)
        if not fault and name in self.names:
            fault = "comes twice"
        self.names.add(name)
        if fault:
            self.faults.append(f"{shown(member.name)!r} {fault}")
        elif not is_junk(place.parts):
            self.files.append(File(place.parts, member, place.version, place.means))


@dataclass(frozen=True)
class Stray:
    """An entry that is nobody's."""

    entry: str
    reason: str


def gather(
    members: Sequence[Member], task: Task, is_student: Callable[[str], bool]
) -> tuple[list[Work], list[Stray]]:
    """Each student's files, and the entries that belong to nobody.

    Args:
        members: all entries of an export.
        task: the assignment.
        is_student: whether somebody on the roster is called like a folder.
    """
    found = [(member, *split(member.name)) for member in members]
    found = [one for one in found if one[2] or not is_junk(one[1])]
    wrapper = _wrapper(
        [parts for member, parts, fault in found if not (fault or member.folder)], task, is_student
    )
    works: dict[Sender, Work] = {}
    strays = []
    for member, whole, name_problem in found:
        parts = whole[1:] if whole[:1] == (wrapper,) else whole
        if member.folder and not parts:
            continue
        fault = name_problem or member.fault
        absolute = member.name.startswith(("/", "\\"))
        place = None if absolute else place_of(parts, member.folder, task)
        if place is None:
            if fault or not member.folder:
                strays.append(Stray(shown(member.name), fault or NO_STUDENT))
            continue
        work = works.setdefault(place.sender, Work(place.sender))
        if parts[0] not in work.entries:
            work.entries.append(parts[0])
        work.add(place, member, fault)
    return list(works.values()), strays


def _wrapper(
    names: Sequence[tuple[str, ...]], task: Task, is_student: Callable[[str], bool]
) -> str:
    """The folder around the export; with a roster also one that is called like no student."""
    if found := wrapper_of(names, task):
        return found
    tops = {parts[0] for parts in names}
    if not task.with_roster or len(tops) != 1 or any(len(parts) == 1 for parts in names):
        return ""
    (top,) = tops
    place = place_of((top,), True, task)
    is_lms = place is not None and place.sender.layout == "Moodle"
    return "" if is_lms or is_student(top) else top
