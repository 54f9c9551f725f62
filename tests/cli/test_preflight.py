"""Every problem of a configuration, found without anything heavy."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import ConfigError
from mlseg.cli.compose import flatten, list_choices, open_session
from mlseg.cli.preflight import PARTS, RULES, check_config, find_config_problems


@pytest.fixture
def problems(problems_of):
    return problems_of


WHOLE = "must be a whole number"
CROP = "data.crop: must be two whole numbers of at least 1"
SHARES = "data.split_fractions: must be three shares that add up to 1, above 0 but for the second (validation)"
RISING = "data.clip_percentiles: must be two rising numbers within 0 and 100"
DEVICE = "trainer.device: must be auto, cpu, cuda or cuda:<number>"
# One word of a command line with loss=mbls -> the problem.
CASES = {
    "loss.margin=-1": "loss.margin: must be a number of at least 0, got -1. Give loss.margin such a value.",
    "loss.margin=five": "loss.margin: must be a number of at least 0, got 'five'.",
    "loss.margin=null": "loss.margin: must be a number of at least 0, got null.",
    "loss.margin=true": "loss.margin: must be a number of at least 0, got true.",
    "loss.margin=nan": "loss.margin: must be a number of at least 0, got nan.",
    "optimizer.lr=0": "optimizer.lr: must be a number above 0, got 0.",
    "optimizer.betas=0.9": "optimizer.betas: must be a list in brackets, got 0.9. The default is [0.9,0.999].",
    "scheduler.step_size=0": f"scheduler.step_size: {WHOLE} of at least 1, got 0.",
    "scheduler.step_size=6.0": f"scheduler.step_size: {WHOLE} of at least 1, got 6.0. Write scheduler.step_size=6.",
    "model.norm=bach": "model.norm: must be one of none, batch, instance, group, got 'bach'.",
    "model.widths=[32,0]": "model.widths: must be a list with each entry a whole number of at least 1, got [32,0].",
    "model.in_channels=${data.chanels}": "model.in_channels: must have a value, got '${data.chanels}' "
    "(Interpolation key 'data.chanels' not found). Give model.in_channels=...",
    "data.root=???": "data.root: must have a value, got '???' (Missing mandatory value: data.root).",
    "data.crop=[0,192]": f"{CROP}, got [0,192]. Give e.g. data.crop=[192,192].",
    "data.crop=[192]": f"{CROP}, got [192].",
    "data.crop=[192,192,8]": f"{CROP}, got [192,192,8].",
    "data.crop=192": f"{CROP}, got 192.",
    "data.crop=[9.5,192]": f"{CROP}, got [9.5,192].",
    "data.crop=null": f"{CROP}, got null.",
    "data.dims=3": "data.crop: must be three whole numbers of at least 1, got [192,192].",
    "data.dims=4": "data.dims: must be a whole number in [2, 3], got 4.",
    "data.num_classes=5": "data.num_classes: must be the number of data.source.labels (4), got 5. "
    "Give data.num_classes=4, or other labels.",
    "data.in_channels=2": "data.in_channels: must be the number of data.source.channels (1), got 2.",
    "data.batch_size=0": f"data.batch_size: {WHOLE} of at least 1, got 0.",
    "data.num_classes=1": "data.num_classes: must be a whole number of at least 2, got 1.",
    "data.residency=gpu": "data.residency: must be one of auto, device, memory, disk, got 'gpu'.",
    "data.workers=0": f"data.workers: {WHOLE} of at least 1 or null, got 0.",
    "data.split_fractions=[0.5,0.5]": f"{SHARES}, got [0.5,0.5].",
    "data.split_fractions=[0.9,0.1,0.0]": f"{SHARES}, got [0.9,0.1,0.0].",
    "data.split_fractions=[0.7,0.2,0.2]": f"{SHARES}, got [0.7,0.2,0.2].",
    "data.split_seed=x": f"data.split_seed: {WHOLE}, got 'x'.",
    "data.clip_percentiles=[99,1]": f"{RISING}, got [99,1].",
    "data.clip_percentiles=[0,101]": f"{RISING}, got [0,101].",
    "data.clip_percentiles=[50,50]": f"{RISING}, got [50,50].",
    "data.crop_jitter=-1": "data.crop_jitter: must be a whole number of at least 0, got -1.",
    "data.crop_jitter=[3,3]": "data.crop_jitter: must be a whole number of at least 0, got [3,3].",
    "data.spacing_mm=[1.4,0]": "data.spacing_mm: must be null or two numbers above 0, got [1.4,0].",
    "data.spacing_mm=1.4": "data.spacing_mm: must be null or two numbers above 0, got 1.4.",
    "data.split=acdcc": "data.split: must be acdc, ",
    "data.split=mine.json": "data.split: must be a split file that exists, got mine.json.",
    "data.split=5": "data.split: must be random, kfold, loso, the name of a split or the path of a split file, got 5.",
    "data.name=5": "data.name: must be a word, got 5. The default is 'acdc'.",
    "data.root=/nowhere": "data.root: no such folder '/nowhere'. Give data.root=/path/to/ACDC, or write a "
    "phantom and give its place (mlseg-phantom --help).",
    "data.root=null": "data.root: must be a folder, got null.",
    "seed=-1": f"seed: {WHOLE} of at least 0, got -1.",
    "seed=1.5": f"seed: {WHOLE} of at least 0, got 1.5.",
    "evaluation.checkpoint_score=auc": "evaluation.checkpoint_score: must be one of dice, iou, last, got 'auc'.",
    "evaluation.inference=half": "evaluation.inference: must be one of full, window, got 'half'.",
    "evaluation.precision=fp16": "evaluation.precision: must be one of float32, bf16, got 'fp16'.",
    "evaluation.protocols=[defualt]": "evaluation.protocols: must be protocols out of default, merged, paper, got "
    "'defualt'. Did you mean default?",
    "evaluation.protocols=[]": "evaluation.protocols: must be a list of different protocols out of default, merged",
    "evaluation.protocols=[paper,paper]": "evaluation.protocols: must be a list of different protocols",
    "evaluation.protocols=paper": "evaluation.protocols: must be a list of different protocols",
    "evaluation.default.bins=7": "evaluation.default.bins: must be a divisor of 300, got 7.",
    "trainer.amp=half": "trainer.amp: must be one of auto, bf16, fp16, off, got 'half'.",
    "trainer.device=gpu": f"{DEVICE}, got 'gpu'.",
    "trainer.device=cuda:x": f"{DEVICE}, got 'cuda:x'.",
    "trainer.device=0": f"{DEVICE}, got 0.",
    "trainer.compile=maybe": "trainer.compile: must be true or false, got 'maybe'. The default is false.",
    "trainer.channels_last=1": "trainer.channels_last: must be true, false or auto, got 1.",
    "trainer.progress=on": "trainer.progress: must be true, false or auto, got 'on'.",
    "run_name=a/b": "run_name: must be the name of a folder, got 'a/b'. A whole path goes into run_dir=.",
    "run_dir=''": "run_dir: must be a folder, got ''.",
    "~loss": "loss: a run needs one, got none. Give loss=... (see --help).",
    "~data.batch_size": "data.batch_size: must be there, got nothing. Leave ~data.batch_size out.",
}


@pytest.mark.parametrize(("word", "expected"), CASES.items(), ids=CASES)
def test_each_mistake_is_one_problem(problems, word, expected):
    (problem,) = problems("loss=mbls", word)
    assert problem.startswith(expected)
    assert problem.endswith((".", "?", "...")), "says what to do"
    assert "\n" not in problem


def test_a_cycle_needs_epochs(problems):
    assert problems("scheduler=one_cycle", "trainer.max_epochs=5") == []
    expected = "scheduler.total_steps: must be above 1 / scheduler.pct_start (4), got 4. Train longer, or take"
    for epochs in (1, 4):
        (problem,) = problems("scheduler=one_cycle", f"trainer.max_epochs={epochs}")
        assert problem.startswith(expected.replace("got 4", f"got {epochs}"))


def test_patches_have_no_jitter(problems):
    words = ["data.dims=3", "data.crop=[8,32,32]", "model.norm=instance", "model.strides=[2,2,2,2]"]
    assert problems(*words) == []
    expected = "data.crop_jitter: must be 0 with data.dims=3, whose patches lie anywhere, got 5. Set it to 0."
    assert problems(*words, "data.crop_jitter=5") == [expected]


@pytest.mark.parametrize(
    "words",
    [
        ["data.crop_jitter=32"],
        ["data.spacing_mm=[1.4,1.4]", "data.clip_percentiles=[0,100]", "data.split=random"],
        ["trainer.device=cuda:1", "trainer.amp=fp16", "trainer.channels_last=true", "trainer.progress=false"],
        ["loss=mbls", "loss.margin=0", "optimizer.weight_decay=1", "scheduler=cosine", "data.workers=2"],
        ["trainer.clip_norm=1", "run_name=trial", "run_dir=some/where", "evaluation.protocols=[paper]"],
        ["data.num_classes=2", "data.source.labels=[background,heart]"],
    ],
)
def test_what_is_right_is_no_problem(problems, words):
    assert problems(*words) == []


def test_every_choice_and_experiment_as_it_is_shipped_is_right(problems, workplace):
    with open_session("mlseg-train"):
        choices = [(group, choice) for group in (*PARTS, "experiment") for choice in list_choices(group)]
    assert len(choices) > 10
    found = {f"{group}={choice}": problems(f"{group}={choice}") for group, choice in choices}
    assert {word: lines for word, lines in found.items() if lines} == {}


def test_all_problems_come_at_once(compose):
    words = "loss=mbls loss.margin=-1 seed=x data.root=/nowhere trainer.amp=fp16 trainer.device=cpu"
    job = compose(*words.split())
    with pytest.raises(ConfigError) as error:
        check_config(job.cfg, job.choices)
    keys = {line.split(":")[0] for line in str(error.value).splitlines()}
    assert keys == {"loss.margin", "seed", "data.root", "trainer.amp"}
    check_config(compose().cfg)


def test_a_missing_data_folder_says_how_to_get_one(problems, workplace):
    (workplace / "data/raw/acdc").rmdir()
    (workplace / "data/raw/phantom").rmdir()
    (acdc,), (phantom,) = problems(), problems("data=phantom")
    assert acdc.startswith(f"data.root: no such folder 'data/raw/acdc' in {workplace}. Give data.root=/path/to/ACDC,")
    assert phantom.endswith("Write it with `mlseg-phantom root=data/raw/phantom`.")
    (spaced,) = problems("data=phantom", "data.root='my data'")
    assert "mlseg-phantom root='my data'" in spaced


def test_a_folder_in_the_home_is_found(problems, workplace, monkeypatch):
    monkeypatch.setenv("HOME", str(workplace))
    assert problems("data.root='~/data/raw/acdc'") == []


def test_a_variable_that_is_not_set_is_named(problems):
    (problem,) = problems("data.cache_dir='${oc.env:MLSEG_NOWHERE}'")
    assert problem.startswith("data.cache_dir: must have a value, got '${oc.env:MLSEG_NOWHERE}' (")
    assert "MLSEG_NOWHERE" in problem


def test_every_rule_is_about_a_setting(compose):
    # The data sets have some settings of their own.
    settings = {key for choice in ("acdc", "brats") for key in flatten(compose(f"data={choice}").tree)}
    assert settings >= RULES.keys()


def test_the_choices_are_taken_from_a_running_command(run):
    seen = []

    def task(cfg, info):
        seen.extend(find_config_problems(cfg))

    assert run("+loss.margin=5", task=task, check=None).code == 0
    assert seen == ["loss.margin: loss=ce has no such setting. Leave it out."]


def test_nothing_is_read_or_written(problems, workplace):
    before = sorted(Path().rglob("*"))
    problems("data.split=random")
    assert sorted(Path().rglob("*")) == before
