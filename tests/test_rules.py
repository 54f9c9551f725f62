"""Rules: what they accept, and how they say what they do not."""

from __future__ import annotations

import pytest

from mlseg.checks import describe_problem
from mlseg.rules import DivisorOf, Each, EachValue, OneOf, Range, Subset


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        (Range(), [0, -1.5, 1e30], [None, "1", True, float("nan"), float("inf")]),
        (Range(low=0), [0, 0.0, 3], [-1e-9]),
        (Range(low=0, open_low=True), [1e-9], [0, -1]),
        (Range(high=1), [1, -5], [1.0001]),
        (Range(low=0, high=1, open_high=True), [0, 0.999], [1, 1.0]),
        (Range(low=1, integer=True), [1, 2.0, 10**12], [0, 1.5]),
        (Range(low=0, optional=True), [None, 1], [-1]),
        (OneOf(("none", "batch")), ["none", "batch"], ["bach", None, 1, ["none"]]),
        (OneOf(("imagenet",), optional=True), ["imagenet", None], ["image", 0]),
        (Each(Range(low=1, integer=True)), [[1], (2, 3)], [[], [0], [1, "2"], 1, None, "12"]),
        (EachValue(Range(low=0)), [{"a": 0, "b": 2.5}], [{}, {"a": -1}, {"a": None}, [1], 1, None]),
        (Subset(("d", "h", "w")), [[], ["w"], ["d", "h"]], [["x"], ["w", "w"], "w", None, 1]),
        (DivisorOf(300), [1, 15, 300], [0, 7, 600, 1.5, "15"]),
    ],
    ids=str,
)
def test_rules(rule, accepted, refused):
    assert [value for value in accepted if not rule.accepts(value)] == []
    assert [value for value in refused if rule.accepts(value)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Range(), "a number"),
        (Range(low=0), "a number of at least 0"),
        (Range(low=0, open_low=True), "a number above 0"),
        (Range(high=2), "a number of at most 2"),
        (Range(high=2, open_high=True), "a number below 2"),
        (Range(low=0, high=1, open_high=True), "a number in [0, 1)"),
        (Range(low=1, integer=True, optional=True), "a whole number of at least 1 or null"),
        (OneOf(("none", "batch")), "one of none, batch"),
        (OneOf((2,)), "2"),
        (OneOf(("imagenet",), optional=True), "imagenet or null"),
        (Each(Range(low=1, integer=True)), "a list with each entry a whole number of at least 1"),
        (EachValue(Range(low=0)), "names with each value a number of at least 0"),
        (DivisorOf(300), "a divisor of 300"),
    ],
)
def test_rules_in_words(rule, text):
    assert str(rule) == text
    assert describe_problem("Owner", "x", object, rule).startswith(f"Owner: x must be {text}, got <class 'object'>.")
