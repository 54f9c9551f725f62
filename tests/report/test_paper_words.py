"""Numbers and captions in words."""

from __future__ import annotations

import math

import pytest

from mlseg.report.comparisons import adjust_family, compare_paired
from mlseg.report.paper_cells import MEASURES, analyse
from mlseg.report.paper_words import (
    describe_block,
    describe_missing,
    describe_table,
    format_difference,
    format_missed,
    format_number,
    format_spread,
    name_measure,
    number_runs,
)


def test_numbers_have_as_many_digits_as_they_need():
    assert [format_number(v, u) for v, u in ((0.8, "1"), (12.345, "mm"), (math.nan, "1"))] == ["0.800", "12.35", "n/a"]
    assert [format_number(v, sign=True) for v in (0.0004, -0.0004, -0.5)] == ["+0.000", "+0.000", "-0.500"]
    assert name_measure(MEASURES[1], "mm") == "HD95 (mm)"


@pytest.mark.parametrize(("subjects", "signs"), [(8, "[]"), (2, "{}")])
def test_an_interval_or_the_points(make_spec, subjects, signs):
    (block,) = analyse(make_spec({"acdc": {"CE": {"subjects": subjects}}})).blocks
    text = format_spread(block.entries["CE", MEASURES[0]])
    assert text[0] + text[-1] == signs
    assert text.count(";") == (1 if subjects == 2 else 0)
    assert format_missed(block.entries["CE", MEASURES[1]]) == "0 / 0"
    assert format_missed(block.entries["CE", MEASURES[2]]) == ""


def test_a_difference_says_all_that_is_known_of_it():
    (found,) = adjust_family([compare_paired([0.01, 0.02, 0.03, 0.01, 0.02, 0.03])])
    assert format_difference(found, "1") == "+0.020 [+0.011, +0.029] (p = 0.031, d_z +2.24, r +1.00, n = 6)"
    weak = compare_paired([0.01, 0.02, 0.03, 0.01, 0.02, 0.03])
    assert "p = 0.062" in format_difference(adjust_family([weak, weak])[0], "1")  # after the correction
    (few,) = adjust_family([compare_paired([0.01, 0.02])])
    assert format_difference(few, "1") == "+0.015 (no test, d_z +2.12, r +1.00, n = 2)"


def test_the_caption_says_what_the_numbers_rest_on(make_spec):
    kinds = {
        "acdc": {"CE": {}, "MbLS": {"shift": 0.1}},
        "mrbrains18": {"CE": {"subjects": 2}, "MbLS": None},
        "brats": {"CE": None, "MbLS": None},
    }
    result = analyse(make_spec(kinds, seeds=(1, 2)))
    text = " ".join(describe_table(result))
    for part in (
        "Profile quick",
        "evaluation=default",
        "evaluation=paper",
        "15 bins",
        "foreground = voxels",
        "Holm",
        "Too few test subjects for any test: mrbrains18 (2)",
        "mrbrains18 MbLS (no data at raw/mrbrains18); brats (no data at raw/brats)",
    ):
        assert part in text
    assert describe_block(result.blocks[0]) == "8 test subjects (16 cases), 2 seeds."
    assert number_runs(result) == {("acdc", "CE"): 1, ("acdc", "MbLS"): 2, ("mrbrains18", "CE"): 3}


def test_nothing_is_said_to_be_missing_where_nothing_is(make_spec):
    assert describe_missing(analyse(make_spec({"acdc": {"CE": {}}}))) == ""
