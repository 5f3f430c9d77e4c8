"""Options in ``nbgrader_config.py`` that hold nothing, since their names are misspelt."""

import difflib
from collections.abc import Mapping
from typing import Any, Final

from autograder.bridge.execute import JailedExecute
from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.settings import Jail

_OPTIONS: Final = {
    kind.__name__: {*kind.class_trait_names(config=True)} for kind in (RunGraders, JailedExecute)
} | {
    Jail.__name__: {  # what is set for it holds for what inherits from it
        *RunGraders.class_trait_names(config=True),
        *JailedExecute.class_trait_names(config=True),
    }
}
"""The options of our classes."""
_OTHERS: Final = ("Serve",)
"""Those of another room, which knows their options by itself."""
_NEAR: Final = 0.8


def misspelt(config: Mapping[str, Any]) -> str:
    """What is wrong with the first option that is none of ours, or nothing.

    Classes that are neither ours nor named nearly so are nbgrader's and Jupyter's matter.
    """
    classes = (*_OPTIONS, *_OTHERS)
    for name, options in config.items():
        if isinstance(options, Mapping) and not options:
            continue  # looked at, and nothing set
        if name in _OPTIONS and isinstance(options, Mapping):
            for option in options:
                if option not in _OPTIONS[name]:
                    return f"there is no c.{name}.{option}; {_meant(name, option)}"
        elif name not in classes and (near := _nearest(name, classes)):
            first = f".{next(iter(options))}" if isinstance(options, Mapping) else ""
            return f"there is no c.{name}{first}; did you mean c.{near}{first}?"
    return ""


def _meant(name: str, option: str) -> str:
    """The option that was meant, or all that there are."""
    near = difflib.get_close_matches(option, _OPTIONS[name], 1)
    if near:
        return f"did you mean c.{name}.{near[0]}?"
    return f"choose among {', '.join(sorted(_OPTIONS[name]))}"


def _nearest(name: str, classes: tuple[str, ...]) -> str:
    by_lower = {one.lower(): one for one in classes}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, _NEAR)
    return by_lower[near[0]] if near else ""
