"""Mistakes in the words of a prediction, before anything is loaded."""

from __future__ import annotations

import pytest

from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.predict_preflight import find_predict_problems


@pytest.fixture
def problems(make_run, workplace):
    """What is said of some words about a finished run and a scan."""
    make_run()
    (workplace / "scan.nii.gz").write_text("")
    (workplace / "scans").mkdir()
    (workplace / "note.txt").write_text("")

    def call(*words: str) -> list[str]:
        with open_session("mlseg-predict"):
            job = compose_config(["run=run", "input=scan.nii.gz", "output=out", *words], config_name="predict")
            return find_predict_problems(job.cfg, job.choices)

    return call


@pytest.mark.parametrize(
    "words",
    [
        "",
        "input=test save=[labels,probs_npz,entropy] tta=flips device=cuda:1",
        "input=scans largest_component=true checkpoint=last orientation=LPS",
        "input=[scan.nii.gz,scan.nii.gz] largest_component=[LV,RV] output=deep/seg.nii.gz",
        "save=probs_nifti largest_component=Myo evaluation.inference=window evaluation.batch_size=2",
        "checkpoint=run/last.pt evaluation.precision=bf16 device=cpu",
    ],
)
def test_what_is_right(problems, words):
    assert problems(*words.split()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "input=null": "input: must be a file, a folder, or test, got nothing. Give input=/my/scans.",
        "input=tset": "input: no such file or folder 'tset' in {here}. Did you mean test?",
        "input=nowhere.nii.gz": "input: no such file or folder 'nowhere.nii.gz' in {here}. Correct the path.",
        "input=note.txt": "input: must be a .nii.gz or .nii file, or a folder of them, got 'note.txt'. "
        "Convert it to NIfTI.",
        "input=[scans,scan.nii.gz]": "input: must be one folder, or the files of one case's channels, got "
        "['scans','scan.nii.gz']. Predict one folder at a time.",
        "output=null": "output: must be a folder, or a .nii.gz file for one case, got nothing. Give output=predicted.",
        "output=note.txt": "output: must be a folder, or a file that ends in .nii.gz or .nii, got 'note.txt'. "
        "Give another place.",
        "save=[labels,probs]": "save: must be different words out of labels, probs_nifti, probs_npz, confidence, "
        "entropy, got ['labels','probs']. Did you mean probs_npz?",
        "save=[]": "save: must be different words out of labels, probs_nifti, probs_npz, confidence, entropy, got []. "
        "Take some.",
        "tta=flip": "tta: must be one of none, flips, got 'flip'. Did you mean flips?",
        "device=gpu": "device: must be auto, cpu, cuda or cuda:<number>, got 'gpu'. Choose one.",
        "largest_component=[LV,RW]": "largest_component: must be true, false, or a list out of RV, Myo, LV, got "
        "['LV','RW']. Choose some.",
        "largest_component=MYO": "largest_component: must be true, false, or a list out of RV, Myo, LV, got 'MYO'. "
        "Choose some.",
        "orientation=LPX": "orientation: must be native or one letter each of R/L, A/P and S/I, got 'LPX'. "
        "Write e.g. LPS.",
        "checkpoint=bets": "checkpoint: must be best, last or a file, got 'bets'. Did you mean best?",
        "checkpoint=null": "checkpoint: must be best, last or a file, got null. Choose one.",
        "evaluation.inference=windw": "evaluation.inference: must be one of full, window or null, got 'windw'. "
        "Did you mean window?",
        "evaluation.batch_size=0": "evaluation.batch_size: must be a whole number of at least 1, got 0. "
        "Give evaluation.batch_size such a value.",
        "run=nowhere": "run: no such folder 'nowhere'. Give run=outputs/<data>/<model>/<loss>/<what differs>/seed<k>.",
        "run=[run,run]": "run: must be different runs, got run twice. Leave one out.",
    }.items(),
)
def test_what_is_wrong_is_one_line(problems, workplace, words, message):
    assert problems(*words.split()) == [message.format(here=workplace)]


def test_a_folder_that_looks_like_a_file(problems, workplace):
    (workplace / "seg.nii.gz").mkdir()
    (line,) = problems("output=seg.nii.gz")
    assert line.startswith("output: must be a file if it ends in .nii.gz or .nii, got 'seg.nii.gz'.")


def test_a_run_that_has_no_weights_yet(problems, workplace):
    (workplace / "run" / "best.pt").unlink()
    (line,) = problems()
    assert line.startswith("run/best.pt: must be there, got nothing; the run is done, with 3 epochs.")


def test_all_mistakes_are_told_at_once(problems):
    said = problems("input=nowhere", "tta=x", "save=[y]", "run=[run,run]")
    assert [line.split(":")[0] for line in said] == ["tta", "save", "input", "run"]


def test_one_checkpoint_does_not_fit_two_runs(problems, make_run):
    make_run(name="other")
    assert problems("run=[run,other]") == []
    (line,) = problems("run=[run,other]", "checkpoint=run/last.pt")
    assert line == "checkpoint: must be best or last with several runs, got 'run/last.pt'. Choose one."
