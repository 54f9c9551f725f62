"""Every score has words, and the words can be filled in."""

from __future__ import annotations

import pytest

from mlseg.report.definitions import DEFINITIONS, PROTOCOLS, REGIONS, describe_region, describe_score

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


def test_merged_labels_have_the_usual_scores_and_their_own_calibration():
    assert set(PROTOCOLS) == set(DEFINITIONS)
    assert list(DEFINITIONS["merged"]) == list(DEFINITIONS["default"])
    other = {name for name, text in DEFINITIONS["merged"].items() if text != DEFINITIONS["default"][name]}
    assert other == {"ece", "cece", "cece_t"}
    assert "20 bins" in describe_score("merged", "ece", {"bins": 20})
