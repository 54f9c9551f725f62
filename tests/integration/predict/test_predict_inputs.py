"""What can be predicted with what: several runs, folders, channels, whole data sets, references, and mistakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mlseg.data.nifti import read_channels, read_volume
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint

Predict, Files = Callable[..., int], Callable[..., list[Path]]
Table = Callable[[Path], list[dict[str, str]]]


def test_several_runs_and_flips_are_averaged(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], list_test_files: Files
) -> None:
    other = Path(shutil.copytree(trained, tmp_path / "other"))
    best = load_checkpoint(other / "best.pt")
    shifted = {name: value * 1.5 if name.endswith("weight") else value for name, value in best["network"].items()}
    save_checkpoint(other / "best.pt", {"network": shifted, "epoch": best["epoch"]})
    scan = list_test_files(trained)[0]
    save, probs = "save=[probs_nifti]", {}
    for name, run in {"one": f"{trained}", "two": f"{other}", "both": f"[{trained},{other}]"}.items():
        assert mlseg_predict(f"input={scan}", f"output={tmp_path / name}", save, run=run) == 0
        probs[name] = read_channels(next((tmp_path / name / "probs").iterdir())).array
    assert np.abs(probs["one"] - probs["two"]).max() > 0.01
    np.testing.assert_allclose(probs["both"], (probs["one"] + probs["two"]) / 2, atol=1e-6)
    capsys.readouterr()
    assert mlseg_predict(f"input={scan}", f"output={tmp_path / 'flips'}", "tta=flips") == 2
    assert "tta: flips must have an axis that the run's data allows" in capsys.readouterr().err
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("flip_axes: []", "flip_axes: [w]"))
    assert mlseg_predict(f"input={scan}", f"output={tmp_path / 'tta'}", save, "tta=flips", run=other) == 0
    flipped = tmp_path / "flipped" / scan.name
    flipped.parent.mkdir()
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine), flipped)
    assert mlseg_predict(f"input={flipped}", f"output={tmp_path / 'mirror'}", save, run=other) == 0
    mirror, tta = (read_channels(next((tmp_path / name / "probs").iterdir())).array for name in ("mirror", "tta"))
    np.testing.assert_allclose(tta, (probs["two"] + mirror[..., ::-1]) / 2, atol=1e-5)
    # Runs whose test subjects are not the same have seen each other's.
    data = json.loads((other / "data.json").read_text())
    data["train"], data["test"] = data["test"], data["train"]
    (other / "data.json").write_text(json.dumps(data))
    both = f"[{trained},{other}]"
    assert mlseg_predict("input=test", f"output={tmp_path / 'folds'}", run=both) == 2
    assert "one network has seen what another is tested on" in capsys.readouterr().err


def test_volumes_and_ejection_fractions_beside_the_references(
    trained: Path,
    phantom: Path,
    mlseg_predict: Predict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    list_test_files: Files,
    read_table: Table,
) -> None:
    out = tmp_path / "out"
    assert mlseg_predict("input=test", f"output={out}") == 0
    assert "ejection fraction of the LV minus the reference's, in points: bias" in capsys.readouterr().out
    rows, spacing = read_table(out / "ejection_fraction.csv"), {}
    subjects = json.loads((trained / "data.json").read_text())["test"]
    assert [(row["subject"], row["ventricle"]) for row in rows] == [(s, v) for s in subjects for v in ("LV", "RV")]
    for row in rows:
        paths = sorted((phantom / "training" / row["subject"]).glob("*_gt.nii.gz"))
        value = {"LV": 3, "RV": 1}[row["ventricle"]]
        volumes = [read_volume(path) for path in paths]
        ml = [np.count_nonzero(v.array == value) * np.prod(v.spacing_mm) / 1000 for v in volumes]
        spacing[row["subject"]] = ml
        assert float(row["reference_edv_ml"]) == pytest.approx(ml[0], rel=1e-3)
        assert float(row["reference_ef_percent"]) == pytest.approx(100 * (1 - ml[1] / ml[0]), abs=0.1)
    # A folder of references in any naming gives the same.
    references, scans = tmp_path / "gt", tmp_path / "scans"
    for folder, end in ((references, "_gt"), (scans, "")):
        folder.mkdir()
        for path in list_test_files(trained, end):
            name = path.name if end else path.name.replace(".nii.gz", "_0000.nii.gz")
            shutil.copy(path, folder / name)
    assert mlseg_predict(f"input={scans}", f"output={tmp_path / 'flat'}", f"references={references}") == 0
    assert not (tmp_path / "flat" / "ejection_fraction.csv").exists()
    again = read_table(tmp_path / "flat" / "volumes.csv")
    assert [row["reference_ml"] for row in again] == [row["reference_ml"] for row in read_table(out / "volumes.csv")]
    # The layout of the data set says which frame is which, and where the references are.
    whole = tmp_path / "whole" / "training"
    for subject in subjects:
        shutil.copytree(phantom / "training" / subject, whole / subject)
    assert mlseg_predict(f"input={whole.parent}", f"output={tmp_path / 'set'}") == 0
    assert read_table(tmp_path / "set" / "ejection_fraction.csv") == rows
    for path in whole.glob("*/*_gt.nii.gz"):
        path.unlink()
    assert mlseg_predict(f"input={whole}", f"output={tmp_path / 'unlabelled'}") == 0
    unlabelled = read_table(tmp_path / "unlabelled" / "ejection_fraction.csv")
    assert [row["ef_percent"] for row in unlabelled] == [row["ef_percent"] for row in rows]
    assert {row["reference_ef_percent"] for row in unlabelled} == {""}


def test_channels_and_stored_values_are_those_of_the_data_set(
    trained_brats: Path, mlseg_predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = trained_brats.parent / "data"
    (subject,) = json.loads((trained_brats / "data.json").read_text())["test"]
    (case,) = [path for path in root.rglob(f"{subject}*") if path.is_dir()]
    t1, flair = next(case.glob("*_t1.nii*")), next(case.glob("*_flair.nii*"))
    ways = {"list": f"input=[{t1},{flair}]", "test": "input=test", "named": f"input={tmp_path / 'named'}"}
    for name, files in {"named": (t1, flair), "numbered": (t1, flair)}.items():
        (tmp_path / name).mkdir()
        for index, path in enumerate(files):
            shutil.copy(path, tmp_path / name / (path.name if name == "named" else f"p_{index:04}.nii.gz"))
    images = [nib.load(path) for path in (t1, flair)]
    both = np.stack([np.asarray(image.dataobj) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(both, images[0].affine), tmp_path / "both.nii.gz")
    ways |= {"numbered": f"input={tmp_path / 'numbered'}", "4d": f"input={tmp_path / 'both.nii.gz'}"}
    # One channel stands for its case, whose others lie beside it.
    ways["one"] = f"input={t1}"
    found = {}
    for name, word in ways.items():
        assert mlseg_predict(word, f"output={tmp_path / f'out_{name}'}", run=trained_brats) == 0, name
        (path,) = (tmp_path / f"out_{name}").glob("*.nii.gz")
        found[name] = read_volume(path).array
    assert all(np.array_equal(array, found["list"]) for array in found.values())
    assert set(np.unique(found["list"])) <= {0, 1, 2, 4}
    labels = json.loads((tmp_path / "out_test" / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, "NCR": 1, "ED": 2, "ET": 4}
    capsys.readouterr()
    (tmp_path / "numbered" / "p_0001.nii.gz").unlink()
    for word, message in (
        (ways["numbered"], "must have a file for each of the channels T1, FLAIR, got none for FLAIR"),
        (f"input=[{t1},{t1},{flair}]", "must be one file for each of the channels T1, FLAIR"),
    ):
        code = mlseg_predict(word, f"output={tmp_path / 'none'}", run=trained_brats)
        (line,) = capsys.readouterr().err.splitlines()
        assert code in (1, 2)
        assert message in line


def test_one_damaged_scan_does_not_stop_the_others(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], list_test_files: Files
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    good = list_test_files(trained)[0]
    shutil.copy(good, scans / "b.nii.gz")
    (scans / "a.nii.gz").write_bytes(good.read_bytes()[:-50])
    image = nib.load(good)
    nib.save(nib.Nifti1Image(np.stack([image.dataobj] * 2, axis=-1), image.affine), scans / "c.nii.gz")
    assert mlseg_predict(f"input={scans}", f"output={out}") == 1
    head, *lines = capsys.readouterr().err.splitlines()
    assert "2 problems in 3 scans; all others are predicted" in head
    assert "a.nii.gz: must be a whole .nii.gz, got a damaged one" in lines[0]
    assert "c.nii.gz: must have three axes, got 2 volumes. Give one 3-D file per time point." in lines[1]
    assert [path.name for path in out.glob("*.nii.gz")] == ["b.nii.gz"]


def test_mistakes_are_one_line(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], list_test_files: Files
) -> None:
    scan = list_test_files(trained)[0]
    unfinished = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (unfinished / "best.pt").unlink()
    (tmp_path / "file").write_text("")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, message in (
        ((f"input={scan}", "output=x", f"run={unfinished}"), "best.pt: must be there, got nothing"),
        (("input=nowhere.nii.gz", f"output={tmp_path / 'x'}"), "input: no such file or folder 'nowhere.nii.gz'"),
        ((f"input={empty}", f"output={tmp_path / 'x'}"), "must hold .nii.gz or .nii images, got none"),
        ((f"input={scan}", f"output={tmp_path / 'file' / 'x'}"), "cannot be written"),
        ((f"input={scan.parent}", f"output={tmp_path / 'x.nii.gz'}"), "output: must be a folder for 2 cases"),
        (("input=test", f"output={tmp_path / 'x'}", f"data.root={empty}"), "must hold training/patient001"),
    ):
        capsys.readouterr()
        assert mlseg_predict(*words) in (1, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
