"""What is remembered of written predictions."""

from __future__ import annotations

import json

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.engine.prediction_record import PredictionRecord, check_apart, hash_inputs


def make_record(folder, **settings):
    return PredictionRecord(
        path=folder / "predict.json", settings={"weights": ["a"], **settings}, facts={"runs": ["r"]}
    )


def test_a_written_case_is_known_again_until_something_changes(tmp_path):
    made, inputs = tmp_path / "p1.nii.gz", {"scan.nii.gz": "hash"}
    record = make_record(tmp_path)
    record.open({"p1": [made], "p2": [tmp_path / "p2.nii.gz"]})
    assert not record.is_done("p1", inputs=inputs, files=[made])
    made.write_text("label map")
    # Written, but not noted: it was cut in between.
    assert not record.is_done("p1", inputs=inputs, files=[made])
    record.add("p1", {"inputs": inputs, "voxels": {"LV": 3}}, files=[made])
    again = make_record(tmp_path)
    again.open({"p1": [made]})
    assert again.is_done("p1", inputs=inputs, files=[made])
    assert again.cases["p1"]["voxels"] == {"LV": 3}
    assert again.cases["p2"] == {}
    assert not again.is_done("p1", inputs={"scan.nii.gz": "other"}, files=[made])
    assert not again.is_done("p1", inputs=inputs, files=[made, tmp_path / "p1.npz"])
    made.write_text("cut")
    assert not again.is_done("p1", inputs=inputs, files=[made])
    made.unlink()
    assert not again.is_done("p1", inputs=inputs, files=[made])
    saved = json.loads((tmp_path / "predict.json").read_text())
    assert (saved["kind"], saved["runs"], saved["settings"]) == ("prediction", ["r"], {"weights": ["a"]})


def test_maps_are_added_but_not_to_those_of_another_scan(tmp_path):
    one, two = tmp_path / "p1.nii.gz", tmp_path / "p1.npz"
    record = make_record(tmp_path)
    record.open({"p1": [one, two]})
    one.write_text("1")
    record.add("p1", {"inputs": {"s": "x"}}, files=[one])
    two.write_text("22")
    record.add("p1", {"inputs": {"s": "x"}}, files=[two])
    assert record.cases["p1"]["outputs"] == {"p1.nii.gz": 1, "p1.npz": 2}
    record.forget("p1", inputs={"s": "x"})
    assert one.exists()
    record.forget("p1", inputs={"s": "y"})
    assert not one.exists()
    assert not two.exists()
    record.add("p1", {"inputs": {"s": "y"}}, files=[])
    assert record.cases["p1"]["outputs"] == {}


def test_what_differs_is_named(tmp_path):
    make_record(tmp_path, flips=[[]], crop=[[8, 8]]).open({})
    with pytest.raises(ConfigError) as caught:
        make_record(tmp_path, flips=[["w"]], crop=[[8, 8]], precision=["bf16"]).open({})
    assert str(caught.value) == (
        f"{tmp_path}: holds predictions of other settings: flips ([[]] there, [['w']] now), "
        "precision (None there, ['bf16'] now). Give another output=..."
    )
    (tmp_path / "predict.json").write_text('{"kind": "menu"}')
    with pytest.raises(ConfigError, match="must be the record of a prediction"):
        make_record(tmp_path).open({})


def test_nothing_of_others_is_overwritten(tmp_path):
    made, table = tmp_path / "p1.nii.gz", tmp_path / "volumes.csv"
    for path in (made, table):
        path.write_text("mine")
        with pytest.raises(ConfigError, match=f"got {path}, not from this command"):
            make_record(tmp_path).open({"p1": [made]}, tables=[table])
        path.unlink()
    assert not (tmp_path / "predict.json").exists()
    make_record(tmp_path).open({"p1": [made]}, tables=[table])
    made.write_text("ours")
    table.write_text("ours")
    make_record(tmp_path).open({"p1": [made]}, tables=[table])
    other = tmp_path / "p2.nii.gz"
    other.write_text("mine")
    with pytest.raises(ConfigError, match="p2"):
        make_record(tmp_path).open({"p1": [made], "p2": [other]}, tables=[table])


def test_inputs_are_known_by_their_bytes(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_text("one")
    first = hash_inputs([path])
    path.write_text("two")
    assert first.keys() == hash_inputs([path]).keys() == {"scan.nii.gz"}
    assert first != hash_inputs([path])
    with pytest.raises(DataError, match="must be readable"):
        hash_inputs([tmp_path / "none"])
    with pytest.raises(ConfigError, match="must not overwrite what is read"):
        check_apart({"p1": [tmp_path / "x" / ".." / "scan.nii.gz"]}, [path])
    check_apart({"p1": [tmp_path / "other.nii.gz"]}, [path])
