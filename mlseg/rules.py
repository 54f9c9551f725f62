"""The kinds of rules that an argument may have to keep: ranges, words, lists. Nothing heavy is imported here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that one argument may take.

    Args:
        low, high: bounds; None leaves a side open.
        open_low, open_high: True excludes the bound itself.
        integer: True asks for a whole number.
        optional: True accepts None.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    integer: bool = False
    optional: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        low, high = self.low, self.high
        if low is not None and high is not None:
            left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
            text = f"{kind} in {left}{low:g}, {high:g}{right}"
        elif low is not None:
            text = f"{kind} {'above' if self.open_low else 'of at least'} {low:g}"
        elif high is not None:
            text = f"{kind} {'below' if self.open_high else 'of at most'} {high:g}"
        else:
            text = kind
        return f"{text} or null" if self.optional else text

    def accepts(self, value: Any) -> bool:
        """True if `value` is a finite number inside the range (or None where that is allowed)."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if self.integer and value != int(value):
            return False
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return not (self.high is not None and (value > self.high or (self.open_high and value == self.high)))


@dataclass(frozen=True)
class OneOf:
    """The words that one argument may be; `optional` accepts None too."""

    words: tuple[str | int | bool, ...]
    optional: bool = False

    def __str__(self) -> str:
        words = f"{'one of ' if len(self.words) > 1 else ''}{', '.join(map(str, self.words))}"
        return f"{words} or null" if self.optional else words

    def accepts(self, value: Any) -> bool:
        """True if `value` is one of the words (or None where that is allowed)."""
        return value in self.words or (value is None and self.optional)


@dataclass(frozen=True)
class Subset:
    """A list, possibly empty, of different words out of some."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"a list out of {', '.join(self.words)}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is such a list."""
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return is_list and len(set(value)) == len(value) and set(value) <= set(self.words)


@dataclass(frozen=True)
class Each:
    """A list, not empty, whose every entry keeps to one range."""

    entry: Range

    def __str__(self) -> str:
        return f"a list with each entry {self.entry}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is such a list."""
        return isinstance(value, Sequence) and len(value) > 0 and all(self.entry.accepts(item) for item in value)


@dataclass(frozen=True)
class EachValue:
    """A mapping, not empty, whose every value keeps to one range."""

    value: Range

    def __str__(self) -> str:
        return f"names with each value {self.value}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is such a mapping."""
        return isinstance(value, Mapping) and len(value) > 0 and all(map(self.value.accepts, value.values()))


@dataclass(frozen=True)
class DivisorOf:
    """The whole numbers that divide another."""

    whole: int

    def __str__(self) -> str:
        return f"a divisor of {self.whole}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is a whole number that divides it."""
        return Range(low=1, integer=True).accepts(value) and self.whole % value == 0


Rule = Range | OneOf | Subset | Each | EachValue | DivisorOf

NON_NEGATIVE = Range(low=0)
POSITIVE = Range(low=0, open_low=True)
COUNT = Range(low=1, integer=True)
FRACTION = Range(low=0, high=1)
WHOLE = Range(integer=True)
