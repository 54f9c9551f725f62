"""The phantom of BraTS: one layout a year, skull-stripped brains, nested tumours that grow."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mlseg.checks import ConfigError
from mlseg.data.nifti import read_volume
from mlseg.data.phantom_brats import write_phantom_brats

SHAPE = (8, 40, 40)
OLD = ("t1", "t1ce", "t2", "flair", "seg")


def write(root: Path, year: int, **options: object) -> set[str]:
    write_phantom_brats(root, **{"subjects": 3, "shape": SHAPE, "year": year, **options})  # type: ignore[arg-type]
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} - {"phantom.json"}


@pytest.mark.parametrize(
    ("year", "stems", "parts", "ending", "tables"),
    [
        (
            2018,
            [f"{g}/Brats18_PHA_00{n}_1/Brats18_PHA_00{n}_1_" for n, g in ((1, "HGG"), (2, "HGG"), (3, "LGG"))],
            OLD,
            ".nii.gz",
            0,
        ),
        (
            2019,
            [
                f"MICCAI_BraTS_2019_Data_Training/{g}/BraTS19_PHA_00{n}_1/BraTS19_PHA_00{n}_1_"
                for n, g in ((1, "HGG"), (2, "HGG"), (3, "LGG"))
            ],
            OLD,
            ".nii.gz",
            1,
        ),
        (
            2020,
            [f"MICCAI_BraTS2020_TrainingData/BraTS20_Training_00{n}/BraTS20_Training_00{n}_" for n in (1, 2, 3)],
            OLD,
            ".nii",
            1,
        ),
        (2021, [f"BraTS2021_0000{n}/BraTS2021_0000{n}_" for n in (1, 2, 3)], OLD, ".nii.gz", 0),
        (
            2023,
            [f"BraTS-GLI-0000{n}-00{t}/BraTS-GLI-0000{n}-00{t}-" for n, t in ((1, 0), (2, 0), (3, 0), (3, 1))],
            ("t1n", "t1c", "t2w", "t2f", "seg"),
            ".nii.gz",
            0,
        ),
    ],
)
def test_layouts(tmp_path: Path, year: int, stems: list[str], parts: tuple[str, ...], ending: str, tables: int) -> None:
    files = write(tmp_path, year)
    images = {f"{stem}{part}{ending}" for stem in stems for part in parts}
    assert {name for name in files if ".nii" in name} == images
    assert len(files - images) == tables
    stored = {value for name in images if "seg" in name for value in np.unique(read_volume(tmp_path / name).array)}
    assert stored == ({0, 1, 2, 3} if year == 2023 else {0, 1, 2, 4})


def test_grades_are_written_beside_the_cases(tmp_path: Path) -> None:
    write(tmp_path, 2020)
    lines = (tmp_path / "MICCAI_BraTS2020_TrainingData/name_mapping.csv").read_text().splitlines()
    assert lines[0].startswith("Grade,")
    assert lines[0].endswith("BraTS_2020_subject_ID")
    assert [line.split(",")[0] for line in lines[1:]] == ["HGG", "HGG", "LGG"]


def test_brains_are_stripped_and_tumours_nested(tmp_path: Path) -> None:
    write_phantom_brats(tmp_path, subjects=2, year=2021)
    for folder in sorted(tmp_path.glob("BraTS2021_*")):
        images = [read_volume(folder / f"{folder.name}_{part}.nii.gz").array for part in OLD[:4]]
        target = read_volume(folder / f"{folder.name}_seg.nii.gz").array
        brain = images[0] > 0
        assert 0.1 < brain.mean() < 0.4
        assert all((image > 0).tolist() == brain.tolist() for image in images)
        assert not target[~brain].any()
        assert not brain[0].any()
        core = binary_dilation(target == 1) & (target != 1)
        assert np.isin(target[core], (2, 4)).mean() > 0.9
        assert images[1][target == 4].mean() > 1.5 * images[1][brain & (target == 0)].mean()
        assert images[3][target == 2].mean() > 1.5 * images[3][brain & (target == 0)].mean()
    image = nibabel.load(next(tmp_path.glob("*/*_t1.nii.gz")))
    np.testing.assert_array_equal(np.diag(image.affine), (-1, -1, 1, 1))
    assert image.get_data_dtype() == np.int16


def test_a_second_time_point_is_the_same_brain_with_a_larger_tumour(tmp_path: Path) -> None:
    write_phantom_brats(tmp_path, subjects=3, year=2023)
    first, second = (
        {part: read_volume(tmp_path / name / f"{name}-{part}.nii.gz").array for part in ("t1n", "seg")}
        for name in ("BraTS-GLI-00003-000", "BraTS-GLI-00003-001")
    )
    np.testing.assert_array_equal(first["t1n"] > 0, second["t1n"] > 0)
    assert (second["seg"] > 0).sum() > 1.2 * (first["seg"] > 0).sum()
    healthy = (first["t1n"] > 0) & (second["seg"] == 0)
    assert (first["t1n"] != second["t1n"])[healthy].mean() > 0.9


def test_other_grades_other_tumours_and_other_seeds_other_brains(tmp_path: Path) -> None:
    targets = [
        read_volume(path).array
        for seed in (0, 1)
        for path in sorted(
            write_phantom_brats(tmp_path / str(seed), subjects=9, shape=(12, 48, 48), seed=seed, year=2018).rglob(
                "*seg.nii.gz"
            )
        )
    ]
    high, low = [t for n, t in enumerate(targets) if n % 9 < 6], [t for n, t in enumerate(targets) if n % 9 >= 6]
    assert all((target == 4).any() for target in high)
    assert not all((target == 4).any() for target in low)
    assert len({target.tobytes() for target in targets}) == len(targets)


def test_the_year_must_have_a_layout(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="write_phantom_brats: year must be one of 2018, 2019, 2020, 2021, 2023, got 2022"
    ):
        write(tmp_path / "p", 2022)
    assert not (tmp_path / "p").exists()
