"""What the figures of a table share."""

from __future__ import annotations

from mlseg.report.paper_cells import analyse
from mlseg.report.paper_hook import title_figure


def test_a_title_says_what_was_judged_and_how(make_spec):
    result = analyse(make_spec({"acdc": {"CE": {}}, "brats": {"CE": {}}}))
    assert title_figure(result, result.blocks[:1]) == "Losses; acdc, profile quick, evaluation=default"
    assert (
        title_figure(result, result.blocks, evaluation="paper")
        == "Losses; acdc, brats, profile quick, evaluation=paper"
    )
