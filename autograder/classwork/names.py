"""Names of persons as files, lists and an LMS write them, made alike so that they compare."""

import re
import unicodedata
from typing import Final

ID: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,59}")
"""An id that is made of a name."""
_FOLDED: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_SHOWN: Final = 120
_APOSTROPHES: Final = re.compile("['`´’‘ʼ]")


def fold(text: str) -> str:
    """Text without accents and upper case, of any alphabet: ``José`` as ``jose``."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_FOLDED))
    return "".join(char for char in plain if not unicodedata.combining(char))


def words(text: str) -> tuple[str, ...]:
    """The words of a text, folded; an apostrophe parts no word, every other sign does."""
    # a sign between words may be anything: `Gil, Ana`, `gil_ana`, `Gil-Ana`
    plain = fold(_APOSTROPHES.sub("", text))
    if not plain.isascii():  # in some alphabets the vowels are marks
        plain = "".join(char if _is_of_word(char) else " " for char in plain)
        return tuple(plain.split())
    return tuple(re.findall(r"[^\W_]+", plain))


def _is_of_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char) in ("Mn", "Mc")


def letters(text: str) -> str:
    """A text's letters and digits in one, as Canvas squeezes ``Gil Ruiz, José``."""
    return "".join(words(text))


def slug(name: str) -> str:
    """A name in lower-case ASCII, with hyphens for what has no place in a folder's name."""
    ascii_only = fold(name).encode("ascii", "ignore").decode("ascii")
    return re.sub("[^a-z0-9._-]+", "-", ascii_only).strip("._-")


def id_of(name: str, number: str) -> str:
    """A student id from a name and an LMS's own number, which is kept whole."""
    if not number:
        return slug(name)[:60]
    return f"{slug(name)[: 59 - len(number)] or 'student'}_{number}"


def shown(name: str) -> str:
    """A name that is safe to print: no control characters, not endless."""
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in name[:_SHOWN]
    )
    return text if len(name) <= _SHOWN else f"{text}…"
