"""One door to all phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import ConfigError
from mlseg.data.phantom import WRITERS, find_shape, write_phantom


@pytest.mark.parametrize("data", WRITERS)
def test_every_phantom_is_written_once_and_recognised(tmp_path: Path, data: str) -> None:
    root = tmp_path / data
    assert write_phantom(data, root, subjects=2, shape=(8, 40, 40)) == root
    files = sorted(root.rglob("*.nii.gz"))
    assert len(files) >= 4
    before = [path.stat().st_mtime_ns for path in files]
    write_phantom(data, root, subjects=2, shape=(8, 40, 40))
    assert [path.stat().st_mtime_ns for path in files] == before
    write_phantom(data, root, subjects=1, shape=(8, 40, 40))
    assert len(sorted(root.rglob("*.nii.gz"))) < len(files)


def test_one_phantom_takes_the_place_of_another(tmp_path: Path) -> None:
    for data, options in (("brats", {"year": 2018}), ("msd", {}), ("acdc", {})):
        write_phantom(data, tmp_path, subjects=1, shape=(8, 40, 40), **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["phantom.json", "training"]


def test_shapes(tmp_path: Path) -> None:
    assert find_shape("acdc") == (8, 112, 104)
    assert all(len(find_shape(data)) == 3 for data in WRITERS)


def test_an_unknown_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data must be one of acdc, mrbrains18, brats, msd, nnunet, got 'flare'"):
        write_phantom("flare", tmp_path)
