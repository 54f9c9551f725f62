"""Argument rules: what they accept, and how they say what they do not."""

from __future__ import annotations

import pytest

from mlseg.checks import (
    RANGES,
    ConfigError,
    DataError,
    DivisorOf,
    Each,
    MlsegError,
    OneOf,
    Range,
    RunError,
    check_arguments,
    check_range,
    describe_problem,
    find_problems,
)

MBLS = "mlseg.losses.mbls.MbLSLoss"


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
        (DivisorOf(300), "a divisor of 300"),
    ],
)
def test_rules_in_words(rule, text):
    assert str(rule) == text
    assert describe_problem("Owner", "x", object, rule).startswith(f"Owner: x must be {text}, got <class 'object'>.")


def test_a_kept_rule_has_no_problem():
    assert describe_problem("Owner", "x", 1, Range(low=0)) is None
    check_range("Owner", "x", 1, Range(low=0))


def test_a_broken_rule_is_raised():
    with pytest.raises(ConfigError, match=r"^Owner: x must be a number of at least 0, got -1\. Give x such a value\.$"):
        check_range("Owner", "x", -1, Range(low=0))


def test_all_problems_at_once():
    assert find_problems(MBLS, {"margin": -1, "alpha": "much", "unknown": None}) == [
        "MbLSLoss: margin must be a number of at least 0, got -1. Give margin such a value.",
        "MbLSLoss: alpha must be a number of at least 0, got 'much'. Give alpha such a value.",
    ]
    with pytest.raises(ConfigError, match=r"margin .* alpha "):
        check_arguments(MBLS, margin=-1, alpha="much")


def test_what_has_no_rule_is_not_looked_at():
    assert find_problems("somewhere.else.Thing", {"margin": -1}) == []
    assert find_problems(MBLS, {"margin": 5}) == []
    check_arguments(MBLS, margin=5)


def test_errors_are_values_errors_of_one_family():
    for kind in (ConfigError, DataError, RunError):
        assert issubclass(kind, MlsegError)
        assert issubclass(kind, ValueError)


def test_rules_are_keyed_by_dotted_paths():
    assert RANGES
    assert all("." in target and rules for target, rules in RANGES.items())
