"""Argument rules by component, and the errors that speak of them."""

from __future__ import annotations

import pytest

from mlseg.checks import (
    RANGES,
    ConfigError,
    DataError,
    MlsegError,
    Range,
    RunError,
    check_arguments,
    check_range,
    describe_problem,
    find_merged_problems,
    find_problems,
)

MBLS = "mlseg.losses.mbls.MbLSLoss"


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


def test_merged_labels_are_made_of_foreground_classes():
    labels = ["background", "NCR", "ED", "ET"]
    assert find_merged_problems({"WT": ["NCR", "ED", "ET"], "ET": ["ET"]}, labels) == []
    for merged in (
        None,
        {},
        [],
        {"WT": []},
        {"WT": "ED"},
        {"WT": ["ED", "ED"]},
        {"WT": ["background"]},
        {"WT": ["oedema"]},
    ):
        (problem,) = find_merged_problems(merged, labels)
        assert "NCR, ED, ET" in problem
    assert len(find_merged_problems({"A": ["x"], "B": ["y"]}, labels)) == 2
