from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.nifti import write_volume
from mlseg.data.saved_files import SavedFiles
from mlseg.data.saved_labels import LabelNames, name_labels


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, array, affine=np.eye(4))
    return path


@pytest.fixture
def case(tmp_path: Path) -> SavedFiles:
    """A reference with values up to 2 in refs, a prediction with values up to 3 in preds/fold."""
    reference = write(tmp_path / "refs/a.nii", np.arange(8, dtype=np.uint8).reshape(2, 2, 2) % 3)
    prediction = write(tmp_path / "preds/fold/a.nii", np.arange(8, dtype=np.float64).reshape(2, 2, 2) % 4)
    return SavedFiles(case_id="a", subject_id="a", reference=reference, prediction=prediction)


def describe(folder: Path, **labels: object) -> None:
    record = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(record))


def test_names_as_given(case: SavedFiles) -> None:
    assert name_labels(["bg", "x"], near=[], cases=[case]) == LabelNames(labels=("bg", "x"), source="as given")


def test_the_nearest_dataset_json_is_taken(case: SavedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = [None, "preds/fold", "refs"]
    describe(tmp_path / "refs", background=0, R=1)
    assert name_labels(None, near=places, cases=[case]).source == "refs/dataset.json"
    describe(tmp_path / "preds", background=0, P=1)
    assert name_labels(None, near=places, cases=[case]).labels == ("background", "P")
    describe(tmp_path / "preds/fold", background=0, a=2, b=5)
    found = name_labels(None, near=["preds/fold/*.nii", "refs"], cases=[case])
    assert (found.labels, found.label_map) == (("background", "a", "b"), {0: "background", 2: "a", 5: "b"})
    assert name_labels(Path("refs"), near=places, cases=[case]).labels == ("background", "R")
    assert name_labels(Path("refs/dataset.json"), near=places, cases=[case]).labels == ("background", "R")


def test_a_dataset_json_with_regions_asks_for_names(case: SavedFiles, tmp_path: Path) -> None:
    describe(tmp_path / "refs", background=0, whole=[1, 2], core=2)
    with pytest.raises(DataError, match=r"refs/dataset.json: names no classes .*region 'whole'.* Write the names"):
        name_labels(None, near=[str(tmp_path / "refs")], cases=[case])


def test_classes_are_numbered_by_channels_or_values(case: SavedFiles, tmp_path: Path) -> None:
    near = [str(tmp_path / "preds/fold"), str(tmp_path / "refs")]
    numbered = name_labels(None, near=near, cases=[case])
    assert (numbered.labels, numbered.source) == (("background", "class_1", "class_2", "class_3"), "numbered")
    np.savez(tmp_path / "a.npz", probabilities=np.zeros((5, 2, 2, 2), dtype=np.float32))
    with_probs = SavedFiles(**{**vars(case), "probs": tmp_path / "a.npz"})
    assert len(name_labels(None, near=near, cases=[with_probs]).labels) == 5
    empty = write(tmp_path / "refs/b.nii", np.zeros((2, 2, 2), dtype=np.uint8))
    bare = SavedFiles(case_id="b", subject_id="b", reference=empty)
    assert name_labels(None, near=near, cases=[bare]).labels == ("background", "class_1")


def test_files_without_countable_values_are_all_named(case: SavedFiles, tmp_path: Path) -> None:
    near = [str(tmp_path / "refs")]
    bad = []
    for number, value in enumerate((0.5, np.nan, np.inf)):
        path = write(tmp_path / f"refs/{number}.nii", np.full((2, 2, 2), value))
        bad.append(SavedFiles(case_id="b", subject_id="b", reference=path))
    (tmp_path / "refs/3.nii").write_bytes(b"")
    bad.append(SavedFiles(case_id="b", subject_id="b", reference=tmp_path / "refs/3.nii"))
    with pytest.raises(DataError) as caught:
        name_labels(None, near=near, cases=[case, *bad])
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(one.reference) for one in bad]
    large = write(tmp_path / "refs/4.nii", np.full((2, 2, 2), 300, dtype=np.int16))
    with pytest.raises(DataError, match="up to 256 classes, got values up to 300"):
        name_labels(None, near=near, cases=[SavedFiles(case_id="b", subject_id="b", reference=large)])
