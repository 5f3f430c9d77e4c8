"""A rule: how an error is known, and the sentence that explains it."""

import re
from dataclasses import dataclass
from typing import Final

from autograder.explain.raised import Raised, plain
from autograder.messages import translate

_MOST_VALUE: Final = 60


@dataclass(frozen=True)
class Rule:
    """A kind of error.

    ``told`` is searched for in the error's text. What its named groups find takes the place of
    ``{name}`` in the sentence.
    """

    slug: str
    told: re.Pattern[str]
    sentence: str
    """In English, marked for the catalogs."""
    kinds: tuple[str, ...]
    """The classes of exceptions; none: any."""

    def explains(self, raised: Raised) -> str | None:
        """The sentence for an error, in the current language; None if it is of another kind."""
        if self.kinds and raised.kind not in self.kinds:
            return None
        found = self.told.search(raised.text)
        if found is None:
            return None
        values = {
            name: plain(" ".join((value or "").split()), _MOST_VALUE)
            for name, value in found.groupdict().items()
        }
        return translate(self.sentence, **values)


def rule(slug: str, told: str, sentence: str, *kinds: str) -> Rule:
    """A rule; ``told`` is a regular expression, without nested repetitions."""
    return Rule(slug, re.compile(told, re.DOTALL), sentence, kinds)
