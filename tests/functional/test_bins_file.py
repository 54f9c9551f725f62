"""bins.npz: what goes in comes out, in the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import BinsKey, read_bins, write_bins


def make_bins() -> dict[tuple[str, str, str, str], BinCounts]:
    generator = np.random.default_rng(0)
    bins = {}
    for case_id, classes, edges in (("a", 4, "exact"), ("b", 2, "paper")):
        parts = generator.integers(0, 2**40, (3, classes + 1, 301))
        total = parts[0].sum(1) // 2**20
        key = ("default", "image", "all", case_id)
        bins[key] = BinCounts(counts=parts[0], hits=parts[1], sums=parts[2], total=total, edges=edges)
    return bins


def test_counts_come_back_as_they_were(tmp_path):
    bins = make_bins()
    write_bins(tmp_path / "bins.npz", bins)
    read = read_bins(tmp_path / "bins.npz")
    assert list(read) == [BinsKey(*key) for key in bins]
    for key, counts in bins.items():
        one = read[BinsKey(*key)]
        assert one.edges == counts.edges
        for name in ("counts", "hits", "sums", "total"):
            np.testing.assert_array_equal(getattr(one, name), getattr(counts, name))
            assert getattr(one, name).dtype == np.int64


def test_same_counts_give_same_bytes_in_any_order(tmp_path):
    bins = make_bins()
    write_bins(tmp_path / "one.npz", bins)
    write_bins(tmp_path / "two.npz", dict(reversed(bins.items())))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]


def test_no_counts_make_an_empty_file(tmp_path):
    write_bins(tmp_path / "bins.npz", {})
    assert read_bins(tmp_path / "bins.npz") == {}


def test_files_of_another_version_or_kind_are_refused(tmp_path):
    path = tmp_path / "bins.npz"
    with pytest.raises(RunError, match="Evaluate the run again"):
        read_bins(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunError, match="Evaluate the run again"):
        read_bins(path)
    np.savez(path, version=np.array(99))
    with pytest.raises(RunError, match="version must be 3, got 99"):
        read_bins(path)
