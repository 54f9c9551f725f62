"""Mistakes in the words of an export, before anything is loaded."""

from __future__ import annotations

import pytest

from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.export_preflight import find_export_problems, place_output, read_exported


@pytest.fixture
def compose_export(make_run, workplace):
    make_run()

    def call(*words: str):
        with open_session("mlseg-export"):
            return compose_config(["run=run", *words], config_name="export")

    return call


@pytest.fixture
def problems(compose_export, monkeypatch):
    """What is said of some words about a finished run, where the packages are there."""

    def call(*words: str, packages: tuple[str, ...] = ("json",)) -> list[str]:
        job = compose_export(*words)
        monkeypatch.setattr("mlseg.cli.export_preflight.PACKAGES", packages)
        return find_export_problems(job.cfg, job.choices)

    return call


@pytest.mark.parametrize(
    "words", ["", "output=model.onnx checkpoint=last orientation=LPS", "evaluation.inference=window calibrator=none"]
)
def test_what_is_right(problems, words):
    assert problems(*words.split()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "run=null": "run: must be the directory of a run, got nothing.",
        "run=[run,run]": "run: must be one directory, got ['run','run']. Export each run into its own file.",
        "format=onxx": "format: must be onnx, got 'onxx'. Did you mean onnx?",
        "checkpoint=bset": "checkpoint: must be best, last or a file, got 'bset'. Did you mean best?",
        "checkpoint=1": "checkpoint: must be best, last or a file, got 1. Choose one.",
        "calibrator=auto": "run/calibrator.json: must be there for calibrator=auto, got nothing.",
        "calibrator=atuo": "calibrator: must be none, auto or a file, got 'atuo'. Did you mean auto?",
        "output=model.pt": "output: must be a file that ends in .onnx, got 'model.pt'. Give output=model.onnx.",
        "output=none/model.onnx": "output: must be in a folder that is there, got none/model.onnx.",
        "orientation=LPX": "orientation: must be native or one letter each of R/L, A/P and S/I, got 'LPX'.",
        "orientation=native": "orientation: must be axis codes, got 'native'. Leave it out.",
        "evaluation.inference=windw": "evaluation.inference: must be ",
    }.items(),
)
def test_what_is_wrong(problems, words, message):
    (line,) = problems(words)
    assert line.startswith(message)


def test_a_file_is_not_overwritten(problems, workplace):
    (workplace / "run" / "best.onnx").write_bytes(b"")
    assert problems() == ["output: must not be there yet, got run/best.onnx. Give another output=, or remove it."]


def test_packages_that_are_missing(problems):
    (line,) = problems(packages=("json", "no_such_package"))
    assert line == (
        "format: onnx needs json and no_such_package installed, got no no_such_package. "
        "Type: pip install 'mlseg[export]'"
    )


def test_the_file_lies_beside_the_weights(compose_export):
    cfg = compose_export("checkpoint=last").cfg
    assert place_output(cfg, read_exported(cfg)).as_posix() == "run/last.onnx"
