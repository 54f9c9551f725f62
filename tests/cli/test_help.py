"""The help text."""

from __future__ import annotations

import re

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.compose import OTHER_GROUPS, find_config_dir, read_yaml
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.help import EXAMPLES, format_help
from mlseg.cli.run_base import find_base


@pytest.fixture(scope="module")
def text() -> str:
    return format_help("mlseg-train", "train")


def test_every_group_and_choice_is_listed_and_the_default_marked(text, repo_root):
    groups = [
        folder for folder in (repo_root / "configs").iterdir() if folder.is_dir() and folder.name not in OTHER_GROUPS
    ]
    assert len(groups) >= 8
    for group in groups:
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [group.name]]
        assert {path.stem for path in group.glob("*.yaml")} == set(re.findall(r"\w+", line)) - {group.name}
    assert "*ce," in text
    assert "*acdc," in text
    assert "*step" in text


def test_it_is_short_and_says_where_the_results_go(text):
    assert len(text.splitlines()) < 40
    assert max(map(len, text.splitlines())) <= 120
    assert "outputs/<data>/<model>/<loss>/<what differs>/seed<k>" in text


@pytest.mark.parametrize("words", [words for words, _ in EXAMPLES["train"]])
def test_the_examples_can_be_typed(run, text, workplace, words):
    assert f"mlseg-train {words} " in text
    answer = run(*words.replace("/my/ACDC", "data/raw/acdc").split())
    assert (answer.code, [line for line in answer.err if "job" not in line]) == (0, [])


def test_each_command_says_what_must_be_given_and_what_can_be_set():
    text = format_help("mlseg-evaluate", "evaluate")
    assert text.startswith("mlseg-evaluate judges a run again")
    assert "usage: mlseg-evaluate [-m] run=DIR [group=choice ...] [setting=value ...]" in text
    assert "Groups and choices:\n  evaluation  default, paper\n" in text
    assert len(text.splitlines()) < 45
    assert max(map(len, text.splitlines())) <= 120
    settings = text.split("Settings:")[1].split("Examples:")[0]
    for key in read_yaml(find_config_dir() / "evaluate.yaml").keys() - {"defaults", "hydra"}:
        assert f"{key}=" in settings


@pytest.mark.parametrize("words", [words for words, _ in EXAMPLES["evaluate"]])
def test_the_examples_of_an_evaluation_can_be_typed(make_run, workplace, capfd, words):
    for name in ("DIR", "DIR1", "DIR2"):
        make_run(name=name)
    app = App(
        task=lambda cfg, info: None,
        config_name="evaluate",
        prog="mlseg-evaluate",
        check=find_evaluate_problems,
        find_base=find_base,
    )
    code = run_command(app, words.replace("/my/other/ACDC", "data/raw/acdc").split())
    assert (code, [line for line in capfd.readouterr().err.splitlines() if "job" not in line]) == (0, [])


def test_the_command_is_shown_as_it_is_typed():
    text = format_help("it", "train", typed="python it.py")
    assert text.startswith("it trains")
    assert "usage: python it.py [-m]" in text
    assert "  python it.py experiment=demo " in text
    assert "usage: it [-m]" in format_help("it", "train")
