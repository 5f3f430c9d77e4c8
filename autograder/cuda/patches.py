"""Attributes of torch that the emulation replaces while it is on, and puts back."""

from __future__ import annotations

from typing import Any, Final

_MISSING: Final = object()


class Patches:
    """Replaced attributes, in the order in which they were replaced."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute, or make it."""
        self._before.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute where this version of torch has it."""
        if hasattr(owner, name):
            self.set(owner, name, value)

    def undo(self) -> None:
        """Put everything back as it was."""
        while self._before:
            owner, name, value = self._before.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
