"""The files of a task folder, and the settings that a source takes from its dataset.json."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.cache import describe_source
from mlseg.data.msd import MSDSource
from mlseg.data.task_folder import find_images, strip_ending


@pytest.fixture
def root(tmp_path: Path) -> Path:
    record = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}}
    (tmp_path / "dataset.json").write_text(json.dumps(record))
    return tmp_path


def test_images_are_found_by_name_and_hidden_files_left_out(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.nii", "a.nii.gz", "c.nii", "._b.nii.gz", ".d.nii.gz", "notes.txt", "e.png"):
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert {stem: path.name for stem, path in found.items()} == {"a": "a.nii.gz", "b": "b.nii.gz", "c": "c.nii"}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imagesTr: must be a folder of"):
        find_images(tmp_path / "imagesTr")
    (tmp_path / "imagesTr").touch()
    with pytest.raises(DataError, match="imagesTr: must be a folder of"):
        find_images(tmp_path / "imagesTr")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        with pytest.raises(DataError, match="must be readable"):
            find_images(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["a.b.nii.gz", "a.b.nii", "./labelsTr/a.b.nii.gz", "a.b"])
def test_endings(name: str) -> None:
    assert strip_ending(name) == "a.b"


def test_the_cache_knows_what_changes_an_array(root: Path) -> None:
    settings = describe_source(MSDSource(root))
    assert settings["labels"] == ("background", "liver")
    assert "root" not in settings
    assert describe_source(MSDSource(root, labels=["background", "spleen"])) != settings
    (root / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, "labels": {"background": 0, "liver": 2}}))
    assert describe_source(MSDSource(root)) != settings


@pytest.mark.parametrize(
    "wrong", [{"orientation": "LLL"}, {"subject_pattern": "x"}, {"labels": ["a"]}, {"channels": ["a", "b"]}]
)
def test_arguments_are_checked(root: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MSDSource(root, **wrong)  # type: ignore[arg-type]
