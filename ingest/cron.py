"""Cron expressions as cron means them, computed by APScheduler's CronTrigger."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from indexes.errors import ConfigurationError

# In the order of cron: 0 and 7 are Sunday. APScheduler counts from Monday, so only names are passed on to it.
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY_PART = re.compile(r"(?P<first>[a-z]{3}|[0-7])(?:-(?P<last>[a-z]{3}|[0-7]))?(?:/(?P<step>[1-7]))?")
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class CronTimes:
    """The moments that a cron expression names in a time zone.

    Five fields (minute, hour, day of month, month, day of week) or a shorthand such as `@daily`. Where both days are
    restricted either may match, as in cron(8). A time that the clocks skip in spring comes with the same distance from
    midnight, once; a time that they repeat in autumn comes once, unless the hour is `*`.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        """Raise ConfigurationError for an expression or a time zone that means nothing."""
        fields = _SHORTHANDS.get(expression.strip().lower(), expression).split()
        if len(fields) != 5:
            raise ConfigurationError(
                f"cron {expression!r} has {len(fields)} fields; it takes 5: minute, hour, day, month, weekday"
            )
        minute, hour, day, month, weekday = fields
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"unknown time zone {timezone!r}; an IANA name is needed, such as Asia/Shanghai"
            ) from error
        days = [(day, _weekdays(weekday, expression))]
        if not day.startswith("*") and not weekday.startswith("*"):
            days = [(day, "*"), ("*", _weekdays(weekday, expression))]
        try:
            self._triggers = [
                CronTrigger(minute=minute, hour=hour, day=one, month=month.lower(), day_of_week=two, timezone=zone)
                for one, two in days
            ]
        except ValueError as error:
            raise ConfigurationError(f"cron {expression!r}: {error}") from error
        self._repeats = hour.startswith("*")

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment strictly after `moment` (aware), in UTC; None where there is none any more."""
        found = [self._next(trigger, moment) for trigger in self._triggers]
        return min((one for one in found if one is not None), default=None)

    def _next(self, trigger: CronTrigger, moment: datetime) -> datetime | None:
        # Always asked from a moment in UTC: arithmetic on local times loses track of the repeated hour.
        begin = moment.astimezone(UTC)
        while True:
            begin += timedelta(microseconds=1)
            found: datetime | None = trigger.get_next_fire_time(None, begin)
            if found is None:
                return None
            if found.fold == 0 or self._repeats:
                return found.astimezone(UTC)
            begin = found.astimezone(UTC)


def _weekdays(field: str, expression: str) -> str:
    """Return a day-of-week field as names that mean the same to APScheduler."""
    if field == "*":
        return field
    if match := re.fullmatch(r"\*/([1-7])", field):
        return ",".join(_DAYS[:: int(match[1])])
    chosen: list[str] = []
    for part in field.lower().split(","):
        match = _DAY_PART.fullmatch(part)
        if match is None:
            raise ConfigurationError(f"cron {expression!r}: {part!r} is not a day of the week")
        first = _day(match["first"], expression)
        last = _day(match["last"], expression) if match["last"] else (6 if match["step"] else first)
        last += 7 if last < first else 0
        chosen += [_DAYS[number % 7] for number in range(first, last + 1, int(match["step"] or 1))]
    return ",".join(sorted(set(chosen), key=_DAYS.index))


def _day(name: str, expression: str) -> int:
    if name.isdigit():
        return int(name) % 7
    if name not in _DAYS:
        raise ConfigurationError(f"cron {expression!r}: {name!r} is not a day of the week")
    return _DAYS.index(name)
