"""How times, points and sizes are written, in the reader's language and the course's time zone."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from autograder.bridge.course import Course, CourseError
from autograder.messages import N_
from autograder.messages import translate as _

_DAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2200
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def zone_of(course: Course) -> ZoneInfo:
    """The course's time zone: nbgrader's ``c.Exchange.timezone``, which is UTC by default.

    Raises:
        CourseError: there is no such zone.
    """
    name = str(course.app.config.get("Exchange", {}).get("timezone", "UTC"))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise CourseError(
            f"{course.root / 'nbgrader_config.py'}: c.Exchange.timezone: there is no time zone "
            f"{name!r}; give one such as America/Bogota"
        ) from error


def moment(seconds: float, zone: ZoneInfo) -> Markup:
    """A time with its day and its zone, the time as a ``time`` element."""
    at = datetime.fromtimestamp(seconds, zone)
    told = _(
        "{weekday}, {month} {day}, {year}, {time}",
        weekday=_(_DAYS[at.weekday()]),
        day=at.day,
        month=_(_MONTHS[at.month - 1]),
        year=at.year,
        time=f"{at:%H:%M}",
    )
    return Markup('<time datetime="{}">{}</time> <span class="small quiet">({})</span>').format(
        at.isoformat(timespec="seconds"), told, zone_told(zone, seconds)
    )


def brief(seconds: float, zone: ZoneInfo) -> Markup:
    """A time in figures only, to the second, for tables."""
    at = datetime.fromtimestamp(seconds, zone)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S}"
    )


def zone_told(zone: ZoneInfo, seconds: float) -> str:
    """The name of a time zone with its distance from UTC at a time."""
    at = datetime.fromtimestamp(seconds, zone)
    offset = at.utcoffset()
    assert offset is not None
    minutes = round(offset.total_seconds() / 60)
    if minutes == 0 and zone.key == "UTC":
        return "UTC"
    sign = "+" if minutes >= 0 else "−"
    hours, rest = divmod(abs(minutes), 60)
    return f"{zone.key}, UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def seconds_of(local: str, zone: ZoneInfo) -> float:
    """The time that a ``datetime-local`` field means in a zone.

    Raises:
        ValueError: it is none, or of another age.
    """
    moment = datetime.fromisoformat(local)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year {moment.year} is a slip")
    return moment.replace(tzinfo=zone).timestamp()


def local(seconds: float, zone: ZoneInfo) -> str:
    """The value of a ``datetime-local`` field for a time."""
    return f"{datetime.fromtimestamp(seconds, zone):%Y-%m-%dT%H:%M}"


def as_utc(seconds: float) -> datetime:
    """A time as nbgrader keeps it: UTC, without saying so."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def duration(seconds: float) -> str:
    """How long something takes, in its two largest units: ``1 h 20 min``."""
    rest = max(0, round(seconds))
    if rest < _MINUTE:
        return _("{count} s", count=rest)
    days, rest = divmod(rest, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes = rest // _MINUTE
    parts = [
        *([_("1 day") if days == 1 else _("{count} days", count=days)] if days else []),
        *([_("{count} h", count=hours)] if hours else []),
        *([_("{count} min", count=minutes)] if minutes else []),
    ]
    return " ".join(parts[:2])


def points(value: float | None) -> str:
    """Points with two decimals at most; a dash for none."""
    return "–" if value is None else f"{round(value, 2):g}"


def size(count: int) -> str:
    """A size in bytes, KiB or MiB."""
    if count < 1024:
        return _("{count} bytes", count=count)
    if count < 1024 * 1024:
        return f"{count / 1024:.0f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"
