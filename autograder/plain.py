"""Words for a terminal: nothing in what others wrote that it would obey; lists, counts, hosts."""

from collections.abc import Sequence


def printable(text: str) -> str:
    """The text with a space for each character that is not seen, or turns what is seen around.

    That are control characters, escape sequences among them, marks of the direction of writing
    and halves of characters, as names of files can hold them. Line ends stay.
    """
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def one_line(text: str) -> str:
    """The same in one line, for names: a line end in one must not begin a line of its own."""
    return printable(text).replace("\n", " ")


def first_of(texts: Sequence[str], most: int) -> str:
    """The first of several texts, and how many more there are: ``ana, bea and 3 more``."""
    more = len(texts) - most
    told = ", ".join(texts[:most])
    return f"{told} and {more} more" if more > 0 else told


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 pair``, ``2 pairs``; ``many`` is a plural of its own."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def bracketed(host: str) -> str:
    """A host as it stands before a port: an address of IPv6 in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host
