"""Whether a class of thousands takes as long for each submission as one of a hundred."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench import job
from tests.bench.courses import Template, class_of
from tests.bench.rounds import Sizes

HUNDRED: Final = 100
_ASSIGNMENT: Final = "gradientes"


@dataclass(frozen=True)
class Linearity:
    """Submissions a second, without start-up, and megabytes at the peak."""

    submissions: int
    hundred: int
    """The small classes' size."""
    small: list[float]
    """The rate of each small class, before and after the large one."""
    large: float
    first: float
    """The rate over the large class's first part, of the small ones' size."""
    last: float
    """The rate over its last part."""
    regrade: float
    """Seconds that one more unchanged submission takes, from a small class to the large one."""
    small_mb: float
    large_mb: float

    @property
    def ratio(self) -> float:
        """The large class's rate by that of the small ones around it."""
        return self.large / (sum(self.small) / len(self.small))


@dataclass(frozen=True)
class _Graded:
    """A class that was graded, and then once more with nothing changed."""

    first: job.Job
    again: job.Job


def measure(
    template: Template, submissions: int, sizes: Sizes, say: Callable[[str], None]
) -> Linearity:
    """Grade two small classes, the large one, and two small classes again."""
    hundred, jobs = min(HUNDRED, submissions // 2), sizes.jobs
    say(f"a class of {submissions}, between classes of {hundred}")
    small = [_grade(template, hundred, sizes, say) for _ in range(2)]
    large = _grade(template, submissions, sizes, say)
    small += [_grade(template, hundred, sizes, say) for _ in range(2)]
    end = submissions - 1
    seconds = [one.again.seconds for one in small]
    again = large.again.seconds - sum(seconds) / len(seconds)
    return Linearity(
        submissions=submissions,
        hundred=hundred,
        small=[_rate(one.first, jobs) for one in small],
        large=_rate(large.first, jobs),
        first=large.first.rate(jobs, hundred),
        last=large.first.rate(end - hundred, end),
        regrade=again / (submissions - hundred),
        small_mb=max(one.first.peak_mb for one in small),
        large_mb=large.first.peak_mb,
    )


def _grade(template: Template, size: int, sizes: Sizes, say: Callable[[str], None]) -> _Graded:
    course = template.copy(class_of(_ASSIGNMENT, size))
    try:
        first = job.run(course, _ASSIGNMENT, sizes.options)
        again = job.run(course, _ASSIGNMENT, sizes.options)
    finally:
        shutil.rmtree(course)
    say(
        f"  {size:5} submissions  {_rate(first, sizes.jobs):7.2f} a second, "
        f"{first.peak_mb:5.0f} MB; once more: {again.seconds:6.2f} s"
    )
    return _Graded(first, again)


def _rate(done: job.Job, jobs: int) -> float:
    """Submissions a second, from when every job has begun to when one has nothing left."""
    return done.rate(jobs, len(done.moments) - jobs)
