"""Which scans are meant by `input`, and which references belong to them."""

from __future__ import annotations

import shutil

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.cli.compose import compose_config
from mlseg.cli.predict_cases import find_inputs
from mlseg.cli.predict_runs import read_runs
from mlseg.data.phantom import write_phantom_acdc
from mlseg.records import read_json, write_json


@pytest.fixture
def find(make_run, workplace):
    """The cases of some words, with a run on a phantom of five patients, the fifth of which is its test."""
    root = write_phantom_acdc(workplace / "acdc", subjects=5, shape=(3, 32, 32))
    for name in ("run", "other"):
        folder = make_run(f"data.root={root}", name=name)
        parts = {"train": ["patient001", "patient002"], "val": ["patient003"], "test": ["patient005"]}
        write_json(folder / "data.json", {"fingerprint": "f", **parts})

    def call(*words, run="run"):
        cfg = compose_config([f"run={run}", "output=out", *words], config_name="predict").cfg
        return find_inputs(cfg, read_runs(cfg))

    return call


def test_the_runs_own_cases(find, workplace):
    cases = find("input=test")
    assert [(case.subject_id, case.frame) for case in cases] == [("patient005", "ED"), ("patient005", "ES")]
    assert all(case.target.is_file() for case in cases)
    assert {case.subject_id for case in find("input=train")} == {"patient001", "patient002"}
    cases[0].target.unlink()
    assert [case.target is None for case in find("input=test")] == [True, False]
    shutil.rmtree(workplace / "acdc" / "training" / "patient005")
    with pytest.raises(DataError, match=r"all subjects of test must be on disk, got 1 of 1 missing \(patient005\)"):
        find("input=test")


def test_runs_that_were_tested_on_others(find, workplace):
    assert len(find("input=test", run="[run,other]")) == 2
    record = read_json(workplace / "other" / "data.json")
    write_json(workplace / "other" / "data.json", {**record, "train": record["test"], "test": record["train"]})
    with pytest.raises(ConfigError, match="input: test must be the same subjects in all runs, got others in other"):
        find("input=test", run="[run,other]")
    assert len(find("input=acdc", run="[run,other]")) == 10


def test_a_whole_data_set_with_and_without_references(find, workplace):
    cases = find("input=acdc")
    assert len(cases) == 10
    assert {case.frame for case in cases} == {"ED", "ES"}
    # Patients of a challenge without references, which a training leaves out.
    (workplace / "acdc" / "training").rename(workplace / "acdc" / "testing")
    for path in (workplace / "acdc").rglob("*_gt.nii.gz"):
        path.unlink()
    again = find("input=acdc/testing")
    assert [(case.case_id, case.frame, case.target) for case in again] == [(c.case_id, c.frame, None) for c in cases]
    assert [case.case_id for case in find("input=acdc/testing/patient001")] == [c.case_id for c in cases[:2]]


def test_references_are_matched_by_name(find, workplace):
    flat = workplace / "flat"
    flat.mkdir()
    for path in sorted((workplace / "acdc").rglob("patient00[12]_frame??.nii.gz")):
        shutil.copy(path, flat / path.name.replace(".nii.gz", "_0000.nii.gz"))
    assert {case.target for case in find("input=flat")} == {None}
    cases = find("input=flat", "references='acdc/training/*1/*_gt.nii.gz'")
    assert [case.target is not None for case in cases] == [True, True, False, False]
    # Info.cfg beside the reference says which frame it is.
    assert [case.frame for case in cases] == ["ED", "ES", "", ""]
    with pytest.raises(DataError, match="references: must have files named as the cases"):
        find("input=flat", "references='acdc/training/patient004/*_gt.nii.gz'")
    (scan, gt) = (flat / "patient001_frame01_0000.nii.gz", cases[3].images[0])
    shutil.copy(gt, workplace / "any_name.nii.gz")
    (case,) = find(f"input={scan}", f"references={workplace / 'any_name.nii.gz'}")
    assert case.target == workplace / "any_name.nii.gz"
