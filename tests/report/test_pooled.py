"""Several runs in one report."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins_file import write_bins
from mlseg.functional.views_file import write_views
from mlseg.records import write_scores
from mlseg.report.pooled import report_pooled


def test_a_subject_tested_twice_is_refused_before_anything_is_written(tmp_path: Path, make_score) -> None:
    runs = [tmp_path / "fold0", tmp_path / "fold1"]
    for run in runs:
        run.mkdir()
        write_scores(run / "scores.csv", [make_score("patient001")])
        write_bins(run / "bins.npz", {})
        write_views(run / "views.npz", [])
    with pytest.raises(RunError, match="a subject must be tested by one run only, got patient001 in"):
        report_pooled(runs, tmp_path / "pooled")
    assert not (tmp_path / "pooled").exists()
