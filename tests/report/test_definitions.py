"""Every score has words, and the words can be filled in."""

from __future__ import annotations

import pytest

from mlseg.report.definitions import DEFINITIONS, REGIONS, describe_region, describe_score

SCORES = [(evaluation, metric) for evaluation, scores in DEFINITIONS.items() for metric in scores]


@pytest.mark.parametrize(("evaluation", "metric"), SCORES)
def test_descriptions_are_filled_in(evaluation, metric):
    text = describe_score(evaluation, metric)
    assert text.endswith("is better.")
    assert "{" not in text
    assert ("Higher" in text) == (metric in ("dice", "nsd"))


def test_settings_reach_the_text():
    assert "within 5 mm" in describe_region("boundary", {"boundary_mm": 5.0})
    assert all("{" not in describe_region(region) for region in REGIONS)


def test_unknown_scores_have_no_description():
    assert describe_score("default", "new") == ""
    assert describe_region("new") == ""
