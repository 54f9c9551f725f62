"""dataset.json in its three dialects, and each way in which one can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.dataset_json import describe_dataset

MSD: dict[str, Any] = {
    "name": "Prostate",
    "modality": {"0": "T2", "1": "ADC"},
    "labels": {"0": "background", "1": "PZ", "2": "TZ"},
    "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    "test": ["./imagesTs/b.nii.gz"],
}
V2: dict[str, Any] = {
    "channel_names": {"0": "T2", "1": "ADC"},
    "labels": {"background": 0, "PZ": 1, "TZ": 2},
    "numTraining": 32,
    "file_ending": ".nii.gz",
}


def write(folder: Path, record: Any) -> Path:
    (folder / "dataset.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return folder


@pytest.mark.parametrize("record", [MSD, V2], ids=["msd", "nnunet v2"])
def test_both_styles_say_the_same(tmp_path: Path, record: dict[str, Any]) -> None:
    description = describe_dataset(write(tmp_path, record))
    assert description.labels == ("background", "PZ", "TZ")
    assert description.values == (0, 1, 2)
    assert description.label_map is None
    assert description.channels == ("T2", "ADC")
    assert description.file_ending == ".nii.gz"


def test_what_only_one_style_says(tmp_path: Path) -> None:
    description = describe_dataset(write(tmp_path, MSD))
    assert description.training == (("./imagesTr/a.nii.gz", "./labelsTr/a.nii.gz"),)
    assert description.name == "Prostate"
    description = describe_dataset(write(tmp_path, {**V2, "file_ending": ".nii"}))
    assert description.training is None
    assert description.file_ending == ".nii"
    assert description.name == tmp_path.name
    assert describe_dataset(write(tmp_path, {**MSD, "training": []})).training is None


def test_order_follows_the_numbers_and_not_the_file(tmp_path: Path) -> None:
    channels = {"10": "k", "2": "c", **{str(n): f"c{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8, 9)}}
    labels = {"2": "TZ", "0": "background", "1": "PZ"}
    description = describe_dataset(write(tmp_path, {"modality": channels, "labels": labels}))
    assert description.channels == ("c0", "c1", "c", *(f"c{n}" for n in range(3, 10)), "k")
    assert description.labels == ("background", "PZ", "TZ")


def test_gaps_in_the_stored_values_are_closed_by_rising_value(tmp_path: Path) -> None:
    labels = {"ET": 4, "background": 0, "NCR": [1]}
    description = describe_dataset(write(tmp_path, {**V2, "labels": labels}))
    assert description.labels == ("background", "NCR", "ET")
    assert description.values == (0, 1, 4)
    assert description.label_map == {0: "background", 1: "NCR", 4: "ET"}


def test_equal_channel_names_get_their_number(tmp_path: Path) -> None:
    record = {**V2, "channel_names": {"0": "MRI", "1": "CT", "2": "MRI"}}
    assert describe_dataset(write(tmp_path, record)).channels == ("MRI_0", "CT", "MRI_2")


def test_other_names_can_be_given(tmp_path: Path) -> None:
    write(tmp_path, {**V2, "labels": {"background": 0, "a": 3, "b": 7}})
    description = describe_dataset(tmp_path, labels=["rest", "PZ", "TZ"], channels=["x", "y"])
    assert description.label_map == {0: "rest", 3: "PZ", 7: "TZ"}
    assert description.channels == ("x", "y")
    with pytest.raises(ConfigError, match=r"data\.source\.labels: must be 3 different names, .*\(0, 3, 7\)"):
        describe_dataset(tmp_path, labels=["rest", "PZ"])
    with pytest.raises(ConfigError, match=r"data\.source\.labels: must be 3 different names"):
        describe_dataset(tmp_path, labels=["rest", "PZ", "PZ"])
    with pytest.raises(ConfigError, match=r"data\.source\.channels: must be 2 names, .*T2, ADC"):
        describe_dataset(tmp_path, channels=["x"])


def test_regions_are_refused_until_the_stored_values_have_names(tmp_path: Path) -> None:
    labels = {"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}
    write(tmp_path, {**V2, "labels": labels, "regions_class_order": [1, 3, 2]})
    with pytest.raises(DataError, match=r"one class here, got the region 'kidney' of values 1, 2, 3") as caught:
        describe_dataset(tmp_path)
    assert "Name the stored values 0, 1, 2, 3 themselves: data.source.labels=" in str(caught.value)
    names = ("background", "kidney", "tumor", "cyst")
    assert describe_dataset(tmp_path, labels=names).labels == names


def test_an_ignore_label_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {**V2, "labels": {**V2["labels"], "ignore": 3}})
    with pytest.raises(DataError, match="must give every voxel a class, got an ignore label"):
        describe_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "must have labels such as"),
        ({"labels": {}}, "must have labels such as"),
        ({"labels": ["background", "PZ"]}, "must have labels such as"),
        ({"labels": {"background": 0}}, "labels must be 2 to 256 with background, got 1"),
        ({"labels": {f"c{n}": n for n in range(257)}}, "labels must be 2 to 256 with background, got 257"),
        ({"labels": {"background": 0, "PZ": 1.5}}, "whole numbers from 0 to 65535, got 1.5 for 'PZ'"),
        ({"labels": {"background": 0, "PZ": True}}, "whole numbers from 0 to 65535, got true for 'PZ'"),
        ({"labels": {"background": 0, "PZ": -1}}, "whole numbers from 0 to 65535, got -1 for 'PZ'"),
        ({"labels": {"background": 0, "PZ": 65536}}, "whole numbers from 0 to 65535, got 65536 for 'PZ'"),
        ({"labels": {"background": 0, "PZ": []}}, r"whole numbers from 0 to 65535, got \[\] for 'PZ'"),
        ({"labels": {"background": 0, "PZ": "one"}}, "whole numbers from 0 to 65535, got \"one\" for 'PZ'"),
        ({"labels": {"0": "background", "1": "PZ", "2": "PZ"}}, "different names, got 'PZ' twice"),
        ({"labels": {"background": 0, "PZ": 1, "TZ": 1}}, "name each stored value once"),
        ({"labels": {"PZ": 1, "TZ": 2}}, "must hold a background of value 0"),
        ({"labels": {"PZ": 0, "background": 1}}, "must hold a background of value 0"),
        ({"channel_names": None}, r"must have channel_names \(or modality\) such as"),
        ({"channel_names": {"1": "T2"}}, "numbered from 0"),
        ({"channel_names": {"0": "T2", "2": "ADC"}}, "numbered from 0"),
        ({"channel_names": {"first": "T2"}}, "numbered from 0"),
        ({"channel_names": ["T2"]}, "numbered from 0"),
        ({"file_ending": ".png"}, r'file_ending must be \.nii\.gz or \.nii, got "\.png"\. Convert'),
        ({"training": {"image": "a"}}, "training must be a list such as"),
        ({"training": [MSD["training"][0], {"image": "a"}]}, "got something else in entry 1"),
        ({"training": ["a.nii.gz"]}, "got something else in entry 0"),
    ],
)
def test_each_mistake_is_one_line_with_the_file(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, {**V2, **change})
    with pytest.raises(DataError, match=message) as caught:
        describe_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'dataset.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"labels": ', "\x00", "[" * 100_000])
def test_broken_json_is_one_short_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"dataset\.json: must be a JSON (file|object)") as caught:
        describe_dataset(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(V2).encode())
    assert describe_dataset(tmp_path).channels == ("T2", "ADC")


def test_a_folder_above_the_task_is_told_which_tasks_are_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must exist, got no such file\. Give the folder of one task, which holds"):
        describe_dataset(tmp_path / "nowhere")
    for name in ("Task05_Prostate", "Task04_Hippocampus"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, MSD)
    with pytest.raises(DataError) as caught:
        describe_dataset(tmp_path)
    assert f"data.root={tmp_path / 'Task04_Hippocampus'} (or one of 1 more there)" in str(caught.value)


def test_reading_it_loads_nothing_heavy(tmp_path: Path) -> None:
    write(tmp_path, MSD)
    code = (
        "import sys; from mlseg.data.dataset_json import describe_dataset; "
        f"describe_dataset({str(tmp_path)!r}); sys.exit(bool({{'numpy', 'torch', 'nibabel'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_real_hippocampus(realdata_dir: Path) -> None:
    description = describe_dataset(realdata_dir / "hippocampus")
    assert description.labels == ("background", "Anterior", "Posterior")
    assert description.channels == ("MRI",)
    assert len(description.training or ()) == 200
