"""Which walls stand around a submission on this machine, and what to do about missing ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.doctor.findings import Check
from autograder.runner import landlock, walls
from autograder.runner.limits import Limits
from autograder.runner.warm import JailError, WarmProcess


@dataclass(frozen=True)
class Standing:
    """One wall: whether it stands, and a line for the teacher."""

    name: str
    stands: bool
    told: str


def examine() -> list[Standing]:
    """Put the walls around an empty submission and look which ones stand.

    Raises:
        WarmProcessError: not even an empty submission can be run.
    """
    raised = _probe()
    return [_standing(name, name in raised) for name in walls.WALLS]


def checks() -> Iterator[Check]:
    """Each wall, and whether those that stand are enough for submissions of strangers.

    Raises:
        WarmProcessError: not even an empty submission can be run.
    """
    raised = _probe()
    lacking = walls.missing_for_untrusted(raised)
    for name in walls.WALLS:
        wall = _standing(name, name in raised)
        yield Check(name, "ok" if wall.stands else "warning", wall.told)
    if lacking:
        yield Check(
            "submissions of strangers",
            "failed",
            f"`autograder grade` refuses them here; missing: {', '.join(lacking)}",
            "raise one of these walls; or, for people whom you trust, grade with --allow-unsafe",
        )
    else:
        yield Check("submissions of strangers", "ok", "can be graded on this machine")


def require_walls(allow_unsafe: bool, standing: Sequence[Standing] | None = None) -> list[str]:
    """What is missing of the minimum for untrusted submissions.

    Args:
        allow_unsafe: whether to go on all the same.
        standing: what ``examine`` has just found, where that is known.

    Raises:
        JailError: something is missing, and ``allow_unsafe`` is False.
        WarmProcessError: not even an empty submission can be run.
    """
    raised = _probe() if standing is None else [one.name for one in standing if one.stands]
    lacking = walls.missing_for_untrusted(raised)
    if lacking and not allow_unsafe:
        raise JailError.of(lacking)
    return lacking


def _probe() -> Sequence[str]:
    process = WarmProcess(serves="")
    try:
        return process.probe(Limits())
    finally:
        process.stop()


def _standing(name: str, stands: bool) -> Standing:
    wall = walls.WALLS[name]
    if stands:
        version = f" (ABI {landlock.version()})" if name == walls.LANDLOCK else ""
        return Standing(name, True, f"protects {wall.holds}{version}")
    instead = f"; in its place: {wall.instead}" if wall.instead else ""
    return Standing(name, False, f"missing{instead}. To mend: {wall.mend}")
