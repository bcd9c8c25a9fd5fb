"""When a schedule falls due, as people write it: a cron expression in a time zone, or an interval.

Everything is refused here, with the field that is wrong, before Temporal sees it. Nothing here imports temporalio.
"""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smithers.engine.entry import Json
from smithers.errors import InputError

SHORTEST_S: Final = 1
LONGEST_S: Final = 366 * 86_400
CATCH_UP_S: Final = 86_400
"""How late a start may be by default: what fell due while nothing ran, but no longer ago."""
OVERLAPS: Final = {
    "skip": "leave a time out while the run before it is open",
    "buffer-one": "start once more when it is over, however many times fell due",
    "buffer-all": "start for every time, one after another",
    "cancel-other": "cancel the run before it, then start",
    "allow-all": "let them run side by side",
}
NICKNAMES: Final = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...], int], ...]] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of the month", 1, 31, (), 0),
    ("month", 1, 12, MONTHS, 1),
    ("day of the week", 0, 7, DAYS, 0),
)
"""Name, lowest, highest, words, and the number of the first word."""
ITEM: Final = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def times(cron: str, every_s: float | None, zone: str, overlap: str, catch_up_s: float) -> Json:
    """What `Schedule.when` holds. Raises `InputError` for what would never, or not, be understood."""
    if overlap not in OVERLAPS:
        raise InputError(f"There is no overlap policy {overlap!r}. There are: {', '.join(OVERLAPS)}.")
    if catch_up_s < 10:
        raise InputError(f"A catch-up window of {catch_up_s:g} s is too short: at least 10s.")
    rest: Json = {"overlap": overlap, "catch_up_s": catch_up_s}
    if every_s is not None:
        if not SHORTEST_S <= every_s <= LONGEST_S:
            raise InputError(f"An interval of {every_s:g} s is not from 1s to 366d.")
        return {"every_s": every_s} | rest
    return {"cron": check_cron(cron), "zone": check_zone(zone)} | rest


def told(when: Json) -> str:
    """For people."""
    if "every_s" in when:
        return f"every {when['every_s']:g}s"
    return f"{when['cron']} {when['zone']}"


def check_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"There is no time zone {zone!r}: write its name in the tz database, such as UTC or Europe/Berlin."
        ) from None
    return zone


def check_cron(text: str) -> str:
    """The expression with single spaces."""
    words = text.split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0].lower() in NICKNAMES:
            return words[0].lower()
        raise InputError(f"There is no cron expression {text!r}. There are: {', '.join(NICKNAMES)}, and five fields.")
    if len(words) != len(FIELDS):
        names = ", ".join(field[0] for field in FIELDS)
        raise InputError(
            f"The cron expression {text!r} has {len(words)} field{'' if len(words) == 1 else 's'}, not five: {names}. "
            'For example "0 9 * * 1-5" is nine o\'clock on working days.'
        )
    for word, field in zip(words, FIELDS, strict=True):
        for item in word.split(","):
            check_item(text, item, field)
    return " ".join(words)


def check_item(text: str, item: str, field: tuple[str, int, int, tuple[str, ...], int]) -> None:
    name, lowest, highest, words, first = field
    match = ITEM.fullmatch(item)
    if match is None:
        raise bad(text, item, field)
    _, begin, end, step = match.groups()
    numbers = [number(one, words, first) for one in (begin, end) if one is not None]
    if any(one is None or not lowest <= one <= highest for one in numbers) or step == "0":
        raise bad(text, item, field)
    if len(numbers) == 2 and numbers[0] > numbers[1]:  # type: ignore[operator]
        raise InputError(
            f"In the cron expression {text!r}, the {name} {item!r} runs backwards: write it as two ranges."
        )


def number(word: str, words: tuple[str, ...], first: int) -> int | None:
    if word.isdigit():
        return int(word)
    return words.index(word.lower()) + first if word.lower() in words else None


def bad(text: str, item: str, field: tuple[str, int, int, tuple[str, ...], int]) -> InputError:
    name, lowest, highest, words, _ = field
    also = f", or {words[0]} to {words[-1]}" if words else ""
    return InputError(
        f"In the cron expression {text!r}, {item!r} is no {name}: that is *, {lowest} to {highest}{also}; "
        f"ranges such as {lowest}-{lowest + 2}, steps such as */2, and several with commas."
    )
