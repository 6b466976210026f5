"""Numbers, dates and times in words, as people say them and as the model writes them."""

from __future__ import annotations

from random import Random

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
DIGITS = UNITS[:10]
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
OF_DAY = ("in the morning", "in the afternoon", "in the evening", "at night")


def spell(number: int, joined_by_and: bool = False) -> str:
    """Return ``number`` in [0, 10^9) in words without hyphens; with ``joined_by_and``, "two hundred and five".

    Raises ValueError for other numbers.
    """
    if not 0 <= number < 10**9:
        raise ValueError(f"can spell 0 to 999999999, not {number}")
    for size, name in ((10**6, "million"), (1000, "thousand")):
        if number >= size:
            head, rest = divmod(number, size)
            return _join(spell(head, joined_by_and), name, rest, joined_by_and and rest < 100, joined_by_and)
    if number >= 100:
        head, rest = divmod(number, 100)
        return _join(UNITS[head], "hundred", rest, joined_by_and, joined_by_and)
    if number >= 20:
        head, rest = divmod(number, 10)
        return TENS[head - 2] + (f" {UNITS[rest]}" if rest else "")
    return UNITS[number]


def _join(head: str, name: str, rest: int, with_and: bool, joined_by_and: bool) -> str:
    if not rest:
        return f"{head} {name}"
    return f"{head} {name} {'and ' if with_and else ''}{spell(rest, joined_by_and)}"


def digit_string(rng: Random) -> str:
    """Return three to ten random digits, one by one."""
    return " ".join(rng.choice(DIGITS) for _ in range(rng.randint(3, 10)))


def cardinal(rng: Random) -> str:
    """Return a random number, more often a small than a large one."""
    top = rng.choice((10, 20, 100, 100, 1000, 10_000, 1_000_000))
    return spell(rng.randrange(top), rng.random() < 0.4)


def count(rng: Random) -> str:
    """Return a random count: two to ninety nine, mostly up to twelve."""
    return spell(rng.randint(2, 12) if rng.random() < 0.6 else rng.randint(13, 99))


def ordinal_day(rng: Random) -> str:
    """Return a random day of the month: the first to the thirty first."""
    day = rng.randint(1, 31)
    if day <= 20:
        return ORDINALS[day - 1]
    return {30: "thirtieth"}.get(day, f"{TENS[day // 10 - 2]} {ORDINALS[day % 10 - 1]}")


def year(rng: Random) -> str:
    """Return a random year, 1900 to 2039, in the way years are said."""
    value = rng.randint(1900, 2039)
    if value < 2000:
        last = value - 1900
        return "nineteen " + ("hundred" if not last else f"oh {UNITS[last]}" if last < 10 else spell(last))
    return spell(value, joined_by_and=False) if value < 2010 else f"twenty {spell(value - 2000)}"


def date(rng: Random) -> str:
    """Return a random date, with or without the year."""
    day = f"{rng.choice(MONTHS)} {ordinal_day(rng)}"
    if rng.random() < 0.3:
        day = f"the {ordinal_day(rng)} of {rng.choice(MONTHS)}"
    return f"{day} {year(rng)}" if rng.random() < 0.35 else day


def clock(rng: Random) -> str:
    """Return a random time of day."""
    hour = spell(rng.randint(1, 12))
    kind = rng.random()
    if kind < 0.3:
        return f"{hour} o'clock"
    if kind < 0.5:
        return f"{rng.choice(('half past', 'quarter past', 'quarter to', 'ten past', 'twenty to', 'five to'))} {hour}"
    if kind < 0.75:
        return f"{hour} {spell(rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55)))}"
    return f"{hour} {rng.choice(OF_DAY)}"


def price(rng: Random) -> str:
    """Return a random amount of money."""
    whole = rng.randint(2, 99) if rng.random() < 0.7 else rng.randint(100, 2000)
    amount = f"{spell(whole)} {rng.choice(('dollars', 'euros'))}"
    return f"{amount} and {spell(rng.randint(2, 99))} cents" if rng.random() < 0.3 else amount
