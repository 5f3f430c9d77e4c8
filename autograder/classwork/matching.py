"""Which student of the class a hand-in is of, where that can be told; nothing is guessed.

An LMS's own names are compared whole. What people call files is looked through for a whole name
or id, in any order and among other words; where it fits two students it is nobody's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from autograder.classwork.layouts import Sender, Task, Words, contains, uncopied
from autograder.classwork.names import letters, words
from autograder.classwork.roster import Person, Roster

How = Literal["id", "user name", "id number", "e-mail", "number", "name", "map", "no roster"]
_CANDIDATES: Final = 5
_SHORTEST_ID: Final = 3
"""A shorter one among other words may be anything."""
_SHORTEST_SQUEEZED: Final = 5
_SHORTEST_BARE: Final = 6
"""Of an id of somebody whose name is not known: a group's number is shorter."""


_Index = dict[str, list[Person]]


@dataclass(frozen=True)
class Match:
    """Whose a hand-in is; nobody's without a student."""

    person: Person | None = None
    how: How = "no roster"
    reason: str = ""
    candidates: tuple[Person, ...] = ()


@dataclass
class _Evidence:
    """Students that something speaks for, the surest kind first."""

    found: dict[str, tuple[Person, How]] = field(default_factory=dict)

    def add(self, people: Iterable[Person], how: How) -> None:
        for person in people:
            self.found.setdefault(person.student, (person, how))

    @property
    def people(self) -> list[Person]:
        return [person for person, _how in self.found.values()]


class Matcher:
    """Finds students of one roster."""

    def __init__(self, roster: Roster, task: Task) -> None:
        self._source = roster.source
        self._has_groups = False
        self._has_numbers = False
        self._task_words = {word for name in task.names for word in name}
        self._ids: dict[How, _Index] = {
            "id": _index((key, one) for one in roster.people for key in (one.student, one.also)),
            "user name": _index((one.username, one) for one in roster.people),
            "id number": _index((one.idnumber, one) for one in roster.people),
            "e-mail": _index((one.email, one) for one in roster.people),
        }
        self._addresses = _index((one.email.partition("@")[0], one) for one in roster.people)
        self._numbers = {
            "Moodle": _index((one.participant, one) for one in roster.people),
            "Canvas": _index((one.number, one) for one in roster.people),
        }
        self._names = {one.student: [Counter(n) for n in _names(one)] for one in roster.people}
        self._named = _index((_key(name), one) for one in roster.people for name in _names(one))
        self._squeezed = _index((name, one) for one in roster.people for name in _squeezed(one))
        self._of_word = _index(
            (word, one) for one in roster.people for name in _names(one) for word in name
        )
        self._ids_of_words: dict[str, list[tuple[How, Words, list[Person]]]] = defaultdict(list)
        for how, index in self._ids.items():
            for key, people in index.items():
                parts = words(key)
                # an id that is a name as well, such as `ana`, says nothing among other words
                if len("".join(parts)) >= _SHORTEST_ID and not set(parts) <= self._of_word.keys():
                    self._ids_of_words[parts[0]].append((how, parts, people))

    def look(self, senders: Sequence[Sender]) -> None:
        """Take note of what the names of an export say of it as a whole.

        Args:
            senders: all of them.
        """
        moodle = [one for one in senders if one.layout == "Moodle"]
        # a group stands in front of all names or of none: a lone hyphen may be part of a name
        self._has_groups = len(moodle) > 1 and all("-" in one.name for one in moodle)
        self._has_numbers = any(self._of_number(one) for one in moodle)

    def match(self, sender: Sender) -> Match:
        """Whose it is, or why that cannot be told and who comes into question."""
        found = _Evidence()
        if sender.layout in self._numbers:
            found.add(self._of_number(sender), "number")
            if not found.found and not sender.hidden:
                is_moodle = sender.layout == "Moodle"
                found = self._of_moodle(sender) if is_moodle else self._of_canvas(sender)
        else:
            if sender.layout == "Classroom":  # who wrote it was Google
                self._add_named(found, sender.name)
            found = found if found.found else self._of_people(sender.name)
        return self._decided(sender, found)

    def by_id(self, text: str) -> list[Person]:
        """Those who have an id, a user name, an id number or an address of this text."""
        return self._whole(text).people

    def is_student(self, text: str) -> bool:
        """Whether a folder's name fits anybody."""
        return bool(self._of_people(text).found)

    def _decided(self, sender: Sender, found: _Evidence) -> Match:
        people = found.people
        if len(people) == 1:
            return Match(*found.found[people[0].student])
        if people:
            return Match(
                reason="fits more than one student", candidates=tuple(people[:_CANDIDATES])
            )
        if sender.hidden:
            return Match(
                reason=f"{sender.layout} hides whose it is: show the names there and download it "
                "again"
            )
        where = "roster" if self._source == "file" else "gradebook"
        return Match(reason=f"fits nobody in the {where}", candidates=self._near(sender))

    def _near(self, sender: Sender) -> tuple[Person, ...]:
        """Students who share words of their names with it, for a person to choose from."""
        said = list(words(uncopied(sender.name)))
        if sender.layout == "Canvas":
            squeezed = letters(sender.name)
            said = [w for w in self._of_word if len(w) >= _SHORTEST_ID and w in squeezed]
        shared: dict[str, tuple[int, Person]] = {}
        for word in said:
            for one in self._of_word.get(word, ()):
                shared[one.student] = (shared.get(one.student, (0, one))[0] + 1, one)
        nearest = sorted(shared.values(), key=lambda pair: (-pair[0], pair[1].student))
        return tuple(one for _count, one in nearest[:_CANDIDATES])

    # What an LMS writes

    def _of_number(self, sender: Sender) -> list[Person]:
        """By the LMS's number, which in Moodle may also be that of a group."""
        people = self._numbers[sender.layout].get(sender.number, []) if sender.number else []
        if sender.layout == "Canvas" or sender.hidden:
            return people
        said = set(words(sender.name))
        return [
            one
            for one in people
            if not self._names[one.student]
            or any(said & name.keys() for name in self._names[one.student])
        ]

    def _of_moodle(self, sender: Sender) -> _Evidence:
        """By the whole name, which older versions put behind that of a group and a hyphen."""
        found = _Evidence()
        self._add_named(found, sender.name)
        rest = sender.name
        while self._has_groups and not found.found and "-" in rest:
            _group, _hyphen, rest = rest.partition("-")
            self._add_named(found, rest)
        if not found.found:  # some universities have their id in the names
            self._add_id_in_name(found, words(sender.name))
        # a namesake, where the list has this assignment's numbers
        others = {one.student for one in found.people if one.participant and self._has_numbers}
        return _Evidence({key: one for key, one in found.found.items() if key not in others})

    def _add_id_in_name(self, found: _Evidence, said: Words) -> None:
        """Those whose id stands in a name that has a word of theirs: a group has numbers too."""
        for word in said:
            if any(map(str.isdigit, word)):
                ids = _Evidence()
                self._add_whole(ids, word)
                for person, how in ids.found.values():
                    names = self._names[person.student]
                    is_long = not names and len(word) >= _SHORTEST_BARE
                    if is_long or any(name.keys() & set(said) for name in names):
                        found.add([person], how)

    def _of_canvas(self, sender: Sender) -> _Evidence:
        """By the sortable name, squeezed; but not somebody whose number is another."""
        found = _Evidence()
        namesakes = self._squeezed.get(letters(sender.name), ())
        found.add((one for one in namesakes if not one.number.isdecimal()), "name")
        return found

    def _add_named(self, found: _Evidence, name: str) -> None:
        """Those whose whole name it is, in any order."""
        said = words(name)
        found.add(_surest(self._named.get(_key(said), ()), said), "name")

    # What people call files and folders

    def _of_people(self, text: str) -> _Evidence:
        found = self._whole(text)
        plain = uncopied(text)
        if not found.found:
            found = self._whole(plain)
        if not found.found:
            said = words(plain)
            self._add_ids_among(found, said)
            found.add(self._named_among(said), "name")
        if not found.found:
            found.add(self._addresses.get(plain.casefold().strip(), ()), "e-mail")
        return found

    def _whole(self, text: str) -> _Evidence:
        found = _Evidence()
        self._add_whole(found, text)
        return found

    def _add_whole(self, found: _Evidence, text: str) -> None:
        for how, index in self._ids.items():
            found.add(index.get(text.casefold().strip(), ()), how)

    def _add_ids_among(self, found: _Evidence, said: Words) -> None:
        """Those whose id stands among other words, unless it is a word of the assignment."""
        for word in said:
            for how, parts, people in self._ids_of_words.get(word, ()):
                if contains(said, parts) and not set(parts) <= self._task_words:
                    found.add(people, how)

    def _named_among(self, said: Words) -> list[Person]:
        """Those whose whole name stands among other words, and whose name has all those words.

        `gil_ana` may be of Ana Gil, and of Ana Gil Ruiz as well; `gil_ruiz_ana` is the latter's.
        """
        spoken = Counter(said)  # García García is not García
        near = {one.student: one for word in said for one in self._of_word.get(word, ())}
        own = set(said) - self._task_words
        fits = [
            name
            for student in near
            for name in self._names[student]
            if _within(name, spoken) and (name.total() > 1 or own == set(name))
        ]
        longest = [name for name in fits if not any(name < other for other in fits)]
        people = [
            one
            for one in near.values()
            if any(_within(fit, name) for fit in longest for name in self._names[one.student])
        ]
        if all(name in longest[:1] for one in people for name in self._names[one.student]):
            people = _surest(people, said)
        squeezed = (word for word in said if len(word) >= _SHORTEST_SQUEEZED)
        return people + [one for word in squeezed for one in self._squeezed.get(word, ())]


def _within(part: Counter[str], whole: Counter[str]) -> bool:
    """Whether all words of one are in another, as often; the keys alone are compared quicker."""
    return part.keys() <= whole.keys() and part <= whole


def _surest(people: Sequence[Person], said: Words) -> list[Person]:
    """Of those whose names have the same words, the one who has them in that order, if one has.

    Ana Gil Sol and Ana Sol Gil may be in one class.
    """
    in_order = [one for one in people if any(contains(said, order) for order in _orders(one))]
    return in_order if len(in_order) == 1 else list(people)


def _orders(person: Person) -> list[Words]:
    """A student's names as they are written, the given one or the family's first."""
    last, _comma, first = person.name.partition(",")
    pairs = ((person.given, person.family), (first, last))
    return [
        found
        for one, other in pairs
        for text in (f"{one} {other}", f"{other} {one}")
        if (found := words(text))
    ]


def _index(pairs: Iterable[tuple[str, Person]]) -> _Index:
    found: _Index = defaultdict(list)
    for text, one in pairs:
        key = text.casefold().strip()
        if key and one not in found[key]:
            found[key].append(one)
    return {key: people for key, people in found.items() if people}


def _key(name: Words) -> str:
    """What a name's words are in any order."""
    return " ".join(sorted(name))


def _names(person: Person) -> set[Words]:
    """The words of a student's names."""
    texts = {person.full_name, person.name}
    return {found for text in texts if (found := words(text))}


def _squeezed(person: Person) -> set[str]:
    """A student's names in one word, wherever the given one ends and the family's begins."""
    names = [name for name in _names(person) if len(name) > 1]
    return {"".join((*name[start:], *name[:start])) for name in names for start in range(len(name))}
