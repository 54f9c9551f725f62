"""The page, rows and figure of a comparison."""

from __future__ import annotations

import csv
import io

import pytest

from mlseg.report.compared_runs import compare_sets
from mlseg.report.comparison_page import _build_figure, format_page, format_rows, write_comparison
from mlseg.report.paper_cells import MEASURES
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def found(tmp_path, write_run):
    kinds = ({}, {"loss": "mbls", "shift": 0.1, "first": 1})
    runs = [read_run(write_run(tmp_path / f"{k}-{s}", seed=s, **o)) for k, o in enumerate(kinds) for s in (1, 2)]
    return compare_sets(group_runs(runs), MEASURES[:3], common=True)


def test_the_page(found, tmp_path):
    text = format_page(found, command="mlseg-compare a b")
    for part in (
        "# mbls against ce",
        "7 test subjects of acdc, split random-0; ce: seeds 1, 2; mbls: seeds 1, 2.",
        "Left out, tested by some only: p00, p08.",
        "missed / invented 0 / 0",
        "| Score          | mbls - ce",
        "+0.100 [",
        "- **ECE foreground**: Expected calibration error",
        f"- ce: `{tmp_path / '0-1'}`, `{tmp_path / '0-2'}`",
    ):
        assert part in text


def test_the_rows(found, tmp_path):
    rows = list(csv.DictReader(io.StringIO(format_rows(found))))
    assert [(row["set"], row["metric"]) for row in rows] == [
        (name, m) for name in ("ce", "mbls") for m in ("dice", "hd95", "ece")
    ]
    assert rows[0]["difference"] == rows[0]["p"] == ""
    assert float(rows[3]["difference"]) == pytest.approx(0.1, abs=0.01)
    assert (rows[3]["n_pairs"], rows[3]["family"], rows[3]["test"]) == ("7", "1", "exact")
    assert rows[0]["runs"] == f"{tmp_path / '0-1'};{tmp_path / '0-2'}"


def test_the_dots_are_the_set_minus_the_first(found):
    axes = _build_figure(found).axes[0]
    (dots,) = [line.get_xdata() for line in axes.lines if line.get_marker() == "."]
    assert dots == pytest.approx(found.differences["mbls", MEASURES[0]])
    assert dots.mean() == pytest.approx(0.1, abs=0.01)


def test_four_files(found, tmp_path):
    paths = write_comparison(tmp_path / "out", found, command="mlseg-compare a b")
    assert [path.name for path in paths] == [f"comparison.{kind}" for kind in ("md", "csv", "png", "pdf")]
    assert all(path.stat().st_size > 100 for path in paths)
