"""The interpreter, and the packages that this one needs: are they there, and new enough?"""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final

from autograder.doctor.findings import Check, State

if TYPE_CHECKING:  # it may be missing
    from packaging.requirements import Requirement

_DISTRIBUTION: Final = "pytorch-autograder"
_NEEDED_FOR: Final = {
    "lms": "`autograder serve` and `autograder lms`",
    "postgres": "a database in PostgreSQL",
    "workers": "`autograder worker`, `grade --db` and `serve --workers`",
}
"""The extras that users may want, and what for."""
_TORCH: Final = """
import json, torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
torch.ones(2, requires_grad=True).sum().backward()
print()
print(json.dumps([torch.__version__, torch.version.cuda or getattr(torch.version, "hip", None),
                  gpus if torch.cuda.is_available() else []]))
"""
_TORCH_SECONDS: Final = 120.0
_AGAIN: Final = "pip install --force-reinstall"


def interpreter() -> Iterator[Check]:
    """Its version, and where it is."""
    from packaging.specifiers import SpecifierSet

    needed = SpecifierSet(metadata.metadata(_DISTRIBUTION)["Requires-Python"])
    found = f"{platform.python_version()}, {sys.executable}"
    if needed.contains(platform.python_version(), prereleases=True):
        yield Check("interpreter", "ok", found)
    else:
        mend = f"make a virtual environment with Python {needed}"
        yield Check("interpreter", "failed", f"{found}; {needed} is needed", mend)


def packages() -> Iterator[Check]:
    """What this package needs: one line if all is there, else one for each that is not."""
    needed = _requirements("")
    wrong = [check for one in needed if (check := _wrong(one, "failed")) is not None]
    if wrong:
        yield from wrong
    else:
        versions = ", ".join(f"{one.name} {metadata.version(one.name)}" for one in needed)
        yield Check("packages", "ok", versions)


def extras() -> Iterator[Check]:
    """What is only needed for a part of the commands."""
    always = {one.name for one in _requirements("")}
    for extra, purpose in _NEEDED_FOR.items():
        needed = [one for one in _requirements(extra) if one.name not in always]
        absent = [one.name for one in needed if _version_of(one) is None]
        wrong = [check for one in needed if (check := _wrong(one, "warning")) is not None]
        if absent:
            told = f"not installed, needed for {purpose} only: pip install"
            yield Check(f"extra {extra}", "ok", f"{told} '{_DISTRIBUTION}[{extra}]'")
        elif wrong:
            yield from wrong
        else:
            yield Check(f"extra {extra}", "ok", f"installed: for {purpose}")


def torch() -> Iterator[Check]:
    """Whether it runs, in a process of its own: a wheel for another machine ends its process."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TORCH],
            capture_output=True,
            text=True,
            timeout=_TORCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        told = f"does not start within {_TORCH_SECONDS:.0f} seconds"
        yield Check("torch", "failed", told, "look what this machine is busy with")
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ends with {done.returncode}"])[-1]
        yield Check("torch", "failed", f"does not run: {last}", f"{_AGAIN} torch")
        return
    version, built_for, gpus = json.loads(done.stdout.strip().splitlines()[-1])
    yield Check("torch", "ok", _told_of_torch(version, built_for, gpus))


def _told_of_torch(version: str, built_for: str | None, gpus: Sequence[str]) -> str:
    if built_for is None:
        return f"{version}, built for the CPU, which is all that grading needs"
    found = f"here are {', '.join(gpus)}" if gpus else "here is no GPU that it can use"
    return (
        f"{version}, built for GPUs ({built_for}); {found}. Submissions are graded on the CPU, "
        "with an emulated CUDA device"
    )


def _requirements(extra: str) -> "list[Requirement]":
    """What the package asks for on this machine, or one of its extras besides."""
    from packaging.requirements import Requirement

    every = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
    return [
        one
        for one in every
        if (one.marker.evaluate({"extra": extra}) if one.marker is not None else not extra)
    ]


def _version_of(one: "Requirement") -> str | None:
    try:
        return metadata.version(one.name)
    except metadata.PackageNotFoundError:
        return None


def _wrong(one: "Requirement", state: State) -> Check | None:
    """What is wrong with a package, if anything."""
    version = _version_of(one)
    if version is not None and one.specifier.contains(version, prereleases=True):
        return None
    found = f"{version} is installed" if version else "is not installed"
    mend = f"pip install '{one.name}{one.specifier}'"
    return Check(one.name, state, f"{found}; {one.specifier or 'it'} is needed", mend)
