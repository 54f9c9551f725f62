"""`mlseg-compare`: what can be typed, what it finds, what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import ConfigError
from mlseg.cli.compare import SCORES, find_runs, read_options, run


@pytest.fixture
def runs(tmp_path: Path, write_run, monkeypatch) -> Path:
    """Two configurations with two seeds each, and one that tested others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLSEG_OUTPUTS", raising=False)
    for name, options in (("ce", {}), ("mbls", {"loss": "mbls", "shift": 0.1}), ("other", {"loss": "ls", "first": 2})):
        for seed in (1, 2):
            write_run(tmp_path / name / f"seed{seed}", seed=seed, **options)
    return tmp_path


@pytest.mark.parametrize(
    "words", [["ce/seed1", "ce/seed2", "mbls/seed1", "mbls/seed2"], ["ce", "mbls"], ["ce/seed*", "mbls"]]
)
def test_seeds_make_sets_however_they_are_named(runs, capsys, words):
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "mbls - ce" in out
    assert "+0.100 [" in out
    folder = Path("outputs/compared/ce+mbls")
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".md", ".pdf", ".png"]
    assert "ce: seeds 1, 2; mbls: seeds 1, 2" in (folder / "comparison.md").read_text()


def test_other_subjects_are_refused_in_one_line_unless_asked_for(runs, capsys):
    assert run(["ce", "other", "output=out"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert "common=true to compare the 6" in err[0]
    assert not Path("out").exists()
    assert run(["ce", "other", "common=true", "output=out", "scores=dice"]) == 0
    assert "n = 6" in Path("out/comparison.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "at least two are needed, got none"),
        (["ce", "nowhere"], "nowhere: must be a finished run"),
        (["ce", "mbls", "evaluation=papre"], "evaluation: must be one of"),
        (["ce", "mbls", "common=yes"], "common: must be true or false"),
        (["ce", "mbls", "scores=ece:edge"], "region must be one of"),
        (["ce", "mbls", "--all"], "--all: no such option"),
    ],
)
def test_mistakes_are_one_line(runs, capsys, words, said):
    assert run(words) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert said in err[0]


def test_one_configuration_is_refused(runs, capsys):
    assert run(["ce/seed1", "ce/seed2"]) == 1
    assert "at least two configurations" in capsys.readouterr().err


def test_a_run_counts_once(runs):
    assert find_runs(["ce", "ce/seed1", "mbls/seed2"]) == [Path("ce/seed1"), Path("ce/seed2"), Path("mbls/seed2")]
    with pytest.raises(ConfigError):
        find_runs(["ce/see"])


def test_words_become_options():
    options = read_options(["a", "b", "evaluation=paper", "common=true"])
    assert options.places == ("a", "b")
    assert options.common
    assert [f"{m.metric}:{m.region}".removesuffix(":image") for m in options.measures][:2] == list(SCORES[:2])
    assert {m.evaluation for m in options.measures} == {"paper"}


def test_help_answers(capsys):
    assert run(["--help"]) == 0
    assert "mlseg-compare RUN RUN" in capsys.readouterr().out
