"""Finding MRBrainS18's subjects, and what becomes of its ten labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from mlseg.checks import ConfigError, DataError
from mlseg.data.mrbrains18 import LABEL_MAP, MRBrainS18Source
from mlseg.data.nifti import read_volume, write_volume
from mlseg.data.phantom import write_phantom_mrbrains18
from mlseg.data.splits import read_split, split_problems

SUBJECTS = ["070", "1", "14", "148", "4", "5", "7"]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All seven subjects, tiny; read only."""
    return write_phantom_mrbrains18(tmp_path_factory.mktemp("phantom") / "mrbrains18", shape=(8, 40, 36))


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root, tmp_path / "copy"))


def ids(root: Path) -> list[str]:
    return [case.case_id for case in MRBrainS18Source(root).list_cases()]


@pytest.mark.parametrize("place", ["training", "."])
def test_layouts(root: Path, tmp_path: Path, place: str) -> None:
    shutil.copytree(root / "training", tmp_path / place, dirs_exist_ok=True)
    assert ids(tmp_path) == SUBJECTS


def test_a_case_has_its_channels_by_name(root: Path) -> None:
    case = MRBrainS18Source(root).list_cases()[0]
    assert (case.case_id, case.subject_id, case.group, case.frame) == ("070", "070", "", "")
    assert [path.name for path in case.images] == ["reg_T1.nii.gz", "reg_IR.nii.gz", "FLAIR.nii.gz"]
    assert case.target == root / "training/070/segm.nii.gz"
    chosen = MRBrainS18Source(root, channels=["FLAIR", "T1"])
    assert [path.name for path in chosen.list_cases()[0].images] == ["FLAIR.nii.gz", "reg_T1.nii.gz"]
    np.testing.assert_array_equal(chosen.read_case(chosen.list_cases()[0]).image[1], read_volume(case.images[0]).array)


def test_the_ten_labels_become_three_tissues(root: Path) -> None:
    source = MRBrainS18Source(root)
    seen: set[int] = set()
    for files in source.list_cases():
        case = source.read_case(files)
        assert files.target is not None
        stored = read_volume(files.target).array
        seen |= set(np.unique(stored).tolist())
        for name, values in {"GM": (1, 2), "WM": (3, 4), "CSF": (5, 6), "background": (0, 7, 8, 9, 10)}.items():
            expected = np.isin(stored, values)
            np.testing.assert_array_equal(case.target == source.labels.index(name), expected)
        assert case.target.dtype == np.uint8
        assert case.image.shape == (3, *stored.shape)
    assert seen == set(range(11))


def test_another_mapping(root: Path) -> None:
    label_map = {**{str(value): name for value, name in LABEL_MAP.items()}, "7": "CB", "4": "background"}
    source = MRBrainS18Source(root, labels=["background", "GM", "WM", "CSF", "CB"], label_map=label_map)
    files = source.list_cases()[1]
    assert files.target is not None
    stored, target = read_volume(files.target).array, source.read_case(files).target
    np.testing.assert_array_equal(target == 4, stored == 7)
    np.testing.assert_array_equal(target == 2, stored == 3)


def test_a_stored_value_without_a_class_names_the_file(root: Path, copy: Path) -> None:
    label_map = {value: name for value, name in LABEL_MAP.items() if value != 8}
    source = MRBrainS18Source(root, label_map=label_map)
    message = (
        r"training/070/segm\.nii\.gz: labels must be whole numbers among 0 7 9 10 \(background\), 1 2 \(GM\).* got 8 in"
    )
    with pytest.raises(DataError, match=message):
        source.read_case(source.list_cases()[0])
    path = copy / "training/1/segm.nii.gz"
    volume = read_volume(path)
    array = volume.array.copy()
    array[0, 0, :2] = 11
    write_volume(path, array, affine=volume.affine)
    with pytest.raises(DataError, match=r"got 11 in 2 voxels\. Correct the file or data\.label_map\."):
        MRBrainS18Source(copy).read_case(MRBrainS18Source(copy).list_cases()[1])


def test_the_yaml_spells_out_the_default_mapping(root: Path, repo_root: Path) -> None:
    config = OmegaConf.load(repo_root / "configs/data/mrbrains18.yaml")
    source = MRBrainS18Source(root, label_map=OmegaConf.to_container(config.label_map))  # type: ignore[arg-type]
    assert source.label_map == LABEL_MAP
    assert source.labels == tuple(config.source.labels)


def test_published_test_subjects_are_read_if_they_have_a_reference(copy: Path) -> None:
    (copy / "test").mkdir()
    for old, new in (("4", "2"), ("5", "3")):
        (copy / "training" / old).rename(copy / "test" / new)
    (copy / "test/3/segm.nii.gz").unlink()
    assert ids(copy) == ["070", "1", "14", "148", "2", "7"]


def test_a_missing_file_is_listed_so_that_reading_reports_it(copy: Path) -> None:
    source = MRBrainS18Source(copy)
    for name in ("segm.nii.gz", "pre/reg_IR.nii.gz"):
        aside = copy / "aside"
        (copy / "training/070" / name).rename(aside)
        with pytest.raises(DataError, match=f"training/070/{name}: must exist"):
            source.read_case(source.list_cases()[0])
        aside.rename(copy / "training/070" / name)


def test_uncompressed_files_are_found(copy: Path) -> None:
    for path in [*copy.glob("training/070/*.nii.gz"), *copy.glob("training/070/pre/*.nii.gz")]:
        path.rename(path.with_suffix(""))
    case = MRBrainS18Source(copy).list_cases()[0]
    assert [path.name for path in case.images] == ["reg_T1.nii", "reg_IR.nii", "FLAIR.nii"]
    assert case.target is not None
    assert case.target.name == "segm.nii"


def test_a_subject_in_two_places_is_refused(copy: Path) -> None:
    shutil.copytree(copy / "training/7", copy / "test/7")
    with pytest.raises(DataError, match=r"test/7: a subject must be in one place, got .*training/7 too"):
        ids(copy)


def test_nothing_there_says_what_to_type(tmp_path: Path) -> None:
    for root, state in ((tmp_path / "nowhere", "no such folder"), (tmp_path, "no subject folders there")):
        with pytest.raises(DataError, match=state) as caught:
            ids(root)
        assert str(caught.value).startswith(f"{root}: must hold training/1/pre/reg_T1.nii.gz")
        assert "mlseg-phantom data=mrbrains18" in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "test/9/pre").mkdir(parents=True)
    with pytest.raises(DataError, match=r"must hold subjects with a segm\.nii\.gz, got none"):
        ids(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ["background"]},
        {"channels": ["T1", "T2"]},
        {"orientation": "LLL"},
        {"label_map": {"0": "background", "1": "grey"}},
    ],
)
def test_arguments_are_checked(root: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MRBrainS18Source(root, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "sizes"), [("mrbrains18", (4, 1, 2)), ("mrbrains18_paper", (5, 0, 2)), ("mrbrains18_dataverse", (4, 1, 2))]
)
def test_committed_splits(root: Path, name: str, sizes: tuple[int, int, int]) -> None:
    split = read_split(name)
    assert (len(split.train), len(split.val), len(split.test)) == sizes
    if name != "mrbrains18_dataverse":
        assert split_problems(split, ids(root)) == []
        assert sorted([*split.train, *split.val, *split.test]) == SUBJECTS
        assert split.test == read_split("mrbrains18").test
