"""Which submissions look alike: the same rare pieces of code in their solution cells.

Short runs of tokens (k-grams) are compared, as in S. Schleimer, D. S. Wilkerson, A. Aiken,
"Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003. All of them are kept: a
notebook's solutions are short, so none has to be thinned out. Names that a student made up count
as one, so that renaming them hides nothing. What the release gives, what the teacher's solution
says, and what many of the class write says nothing of two students and is left out.

Likeness is no proof of anything.
"""

import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

LENGTH: Final = 8
"""Tokens of a piece: shorter ones are shared by chance, longer ones are lost by small edits."""
COMMON_SHARE: Final = 0.1
"""A piece that more than this share of the class has is common …"""
COMMON_LEAST: Final = 4
"""… if more than so many have it."""
LEAST_SHARED: Final = 24
"""Rare pieces that two must share before they are listed: about three lines."""
LEAST_LIKENESS: Final = 0.5
"""The share of the rare pieces, of the one who has fewer, before they are listed."""
MOST_TOKENS: Final = 20_000
"""Tokens of a submission that are looked at."""
MOST_PAIRS: Final = 100
"""Pairs that are listed, the most alike first."""
_BLOCK: Final = 4096
_NAME: Final = "name"
_TEXT: Final = "text"

Piece: TypeAlias = tuple[str, ...]

# Every alternative takes what it begins, ended or not, so that no text takes quadratic time.
_TOKENS: Final = re.compile(
    r"""
    (?P<comment> \#[^\n]* )
  | (?P<string> (?i:[rbfut]{1,2})? (?:
        \"{3} (?: [^"\\] | \\. | "(?!"") )* (?:\"{3})?
      | '{3} (?: [^'\\] | \\. | '(?!'') )* (?:'{3})?
      | " (?: [^"\\\n] | \\. )* "?
      | ' (?: [^'\\\n] | \\. )* '? ) )
  | (?P<number> (?:\d|\.\d) [\w.]* )
  | (?P<word> \w+ )
  | (?P<sign> [^\s\w] )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Alike:
    """Two submissions that share rare pieces."""

    first: str
    second: str
    shared: int
    """Rare pieces that both have."""
    likeness: float
    """Their share of the rare pieces of the one who has fewer, from 0 to 1."""
    exercises: tuple[str, ...]
    """The exercises in which they share some, the most first."""


@dataclass(frozen=True)
class Likeness:
    """What a comparison found."""

    pairs: Sequence[Alike]
    """The most alike first, ``MOST_PAIRS`` at most."""
    compared: int
    """Students whose solutions were compared."""
    found: int = 0
    """All pairs beyond the thresholds."""


@dataclass
class _Pieces:
    """The pieces of one student's solutions, with the exercises in which they are."""

    student: str
    found: dict[Piece, str] = field(default_factory=dict)


def compare(answers: Mapping[str, Mapping[str, str]], given: str) -> Likeness:
    """Compare all students with each other.

    Args:
        answers: by student and exercise, the source of the solution cell.
        given: code that everybody has: of the release, and of the teacher's solutions.
    """
    kept = set(_words(given))
    everybodys = set(pieces(given, kept))
    students = [
        _Pieces(student, _rare_pieces(sources, kept, everybodys))
        for student, sources in sorted(answers.items())
    ]
    students = [one for one in students if one.found]
    owners = Counter(piece for one in students for piece in one.found)
    limit = max(COMMON_LEAST, COMMON_SHARE * len(students))
    for one in students:
        one.found = {piece: where for piece, where in one.found.items() if owners[piece] <= limit}
    shared = _shared(students, [piece for piece, count in owners.items() if 2 <= count <= limit])
    pairs = sorted(
        _beyond_thresholds(students, shared),
        key=lambda pair: (-pair.likeness, -pair.shared, pair.first, pair.second),
    )
    return Likeness(pairs[:MOST_PAIRS], len(answers), len(pairs))


def pieces(source: str, kept: Collection[str]) -> Iterator[Piece]:
    """The runs of ``LENGTH`` tokens of some code."""
    tokens = list(_normal(source, kept))[:MOST_TOKENS]
    yield from zip(*(tokens[start:] for start in range(LENGTH)), strict=False)


def _rare_pieces(
    sources: Mapping[str, str], kept: Collection[str], everybodys: Collection[Piece]
) -> dict[Piece, str]:
    found: dict[Piece, str] = {}
    for exercise, source in sources.items():
        for piece in pieces(source, kept):
            if piece not in everybodys:
                found.setdefault(piece, exercise)
    return found


def _words(source: str) -> Iterator[str]:
    """The names in some code, without what stands in texts and comments."""
    return (match["word"] for match in _TOKENS.finditer(source) if match["word"])


def _normal(source: str, kept: Collection[str]) -> Iterator[str]:
    """The tokens of some code, with texts and made-up names replaced.

    Kept are keywords, names that the given code has, and attributes: ``torch.zeros`` is not
    ``torch.ones``.
    """
    before = ""
    for match in _TOKENS.finditer(source):
        kind, token = match.lastgroup, match[0]
        if kind == "comment":
            continue
        if kind == "string":
            token = _TEXT
        elif kind == "word" and before != "." and not keyword.iskeyword(token):
            token = token if token in kept else _NAME
        yield token
        before = token


def _shared(students: Sequence[_Pieces], rare: Sequence[Piece]) -> npt.NDArray[np.int32]:
    """How many rare pieces each two students share, by a product of matrices."""
    count = len(students)
    numbers = {piece: number for number, piece in enumerate(rare)}
    rows = [
        np.asarray(sorted(numbers[p] for p in one.found if p in numbers), dtype=np.int64)
        for one in students
    ]
    total = np.zeros((count, count), dtype=np.int32)
    for start in range(0, len(rare), _BLOCK):
        block = np.zeros((count, min(_BLOCK, len(rare) - start)), dtype=np.float32)
        for row, mine in enumerate(rows):
            first, last = np.searchsorted(mine, (start, start + _BLOCK))
            block[row, mine[first:last] - start] = 1
        total += (block @ block.T).astype(np.int32)
    return total


def _beyond_thresholds(
    students: Sequence[_Pieces], shared: npt.NDArray[np.int32]
) -> Iterator[Alike]:
    """The pairs that share enough."""
    sizes = np.asarray([len(one.found) for one in students])
    for row, column in np.argwhere(np.triu(shared, 1) >= LEAST_SHARED).tolist():
        first, second = students[row], students[column]
        common = int(shared[row, column])
        likeness = common / int(min(sizes[row], sizes[column]))
        if likeness >= LEAST_LIKENESS:
            where = Counter(place for piece, place in first.found.items() if piece in second.found)
            exercises = tuple(name for name, _count in where.most_common())
            yield Alike(first.student, second.student, common, likeness, exercises)
