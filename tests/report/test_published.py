"""The published numbers, each with its source; what is not known is not there."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.report.published import COLUMNS, find_published, read_published

LOSSES = ("CE", "FL", "ECP", "LS", "SVLS", "MbLS")


@pytest.mark.parametrize(
    ("data", "metric", "values"),
    [
        ("acdc", "dice", (0.8413, 0.7649, 0.7820, 0.8358, 0.7007, 0.8753)),
        ("mrbrains18", "ece", (0.089, 0.020, 0.048, 0.036, 0.060, 0.050)),
        ("brats", "dice", (0.6973, 0.7045, 0.7051, 0.6906, 0.6995, 0.7088)),
        ("promise", "ece", (0.3435, 0.1691, 0.2446, 0.2022, 0.2948, 0.1853)),
    ],
)
def test_numbers_of_the_notebook(data, metric, values):
    assert tuple(find_published("main", data, loss, metric).value for loss in LOSSES) == values


def test_the_ranks_by_dice_are_within_what_the_values_allow():
    # Sums over five data sets among seven methods, one of which has no known values.
    for metric, higher in (("dice", True), ("ece", False)):
        for loss in LOSSES:
            known = 0
            for data in ("acdc", "mrbrains18", "flare", "brats", "promise"):
                own = [find_published("main", data, one, metric).value * (1 if higher else -1) for one in LOSSES]
                known += 1 + sum(value > own[LOSSES.index(loss)] for value in own)
            total = find_published("main", "all", loss, f"rank_sum_{metric}").value
            assert known <= total <= known + 5


def test_what_is_not_known_is_none():
    assert find_published("main", "acdc", "CE+DSC", "dice") is None
    assert find_published("main", "acdc", "CE", "cece") is None
    assert find_published("margin", "acdc", "m = 5", "ece") is None


def test_every_number_says_how_far_it_can_be_trusted():
    own = [one for one in read_published() if one.table == "main"]
    assert len(own) == 60 + 28
    assert {one.status for one in own} == {"pre-submission figure notebook, not checked against printed tables"}
    assert all("15 July 2022" in one.source for one in own)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("main,acdc,CE,dice,0.8,a,b\nmain,acdc,CE,dice,0.9,a,b\n", "once"),
        ("main,acdc,CE,dice,0.8,,b\n", "source and status"),
        (None, "columns must be"),
    ],
)
def test_a_number_twice_or_of_nobody_is_refused(tmp_path, rows, said):
    path = tmp_path / "published.csv"
    path.write_text("a,b\n" if rows is None else f"{','.join(COLUMNS)}\n{rows}")
    with pytest.raises(RunError, match=said):
        read_published(path)
