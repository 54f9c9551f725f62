"""Run directories and claims."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlseg.cli.compose import compose_config, find_config_dir, flatten, read_yaml
from mlseg.cli.naming import INERT_KEYS, MAX_LENGTH, claim, find_collisions, run_directory
from mlseg.run_identity import NEUTRAL_VALUES


def cases():
    """Command line -> run directory below outputs/."""
    return {
        "": "acdc/unet/ce/default/seed1",
        "seed=7": "acdc/unet/ce/default/seed7",
        "data=phantom loss=mbls": "phantom/unet/mbls/default/seed1",
        "loss=mbls loss.margin=5": "acdc/unet/mbls/margin-5/seed1",
        "loss=mbls loss.margin=5.0": "acdc/unet/mbls/margin-5/seed1",
        "loss=mbls loss.margin=10": "acdc/unet/mbls/default/seed1",
        "loss=mbls loss.margin=2.5 data.split=random": "acdc/unet/mbls/margin-2.5+split-random/seed1",
        "loss=mbls loss.margin=5 data.split=random scheduler.step_size=6 trainer.max_epochs=12": "acdc/unet/mbls/"
        "margin-5+split-random+step_size-6/seed1",
        "data=phantom model.widths=[16,32,64,128,256]": "phantom/unet/ce/widths-16-32-64-128-256/seed1",
        "data=phantom data.split=random": "phantom/unet/ce/default/seed1",
        "data.crop=[96,128]": "acdc/unet/ce/crop-96-128/seed1",
        "data.spacing_mm=[1.4,1.4] trainer.compile=true": "acdc/unet/ce/compile-true+spacing_mm-1.4-1.4/seed1",
        "trainer.clip_norm=1e-5 data.clip_percentiles=[0,100]": "acdc/unet/ce/"
        "clip_norm-1e-05+clip_percentiles-0-100/seed1",
        # gamma is the scheduler's and the focal loss's: the short name would say neither
        "loss=fl loss.gamma=2": "acdc/unet/fl/loss.gamma-2/seed1",
        "loss=fl scheduler.gamma=0.5": "acdc/unet/fl/scheduler.gamma-0.5/seed1",
        "scheduler.gamma=0.5": "acdc/unet/ce/gamma-0.5/seed1",
        # choices stand for their settings
        "optimizer=adamw": "acdc/unet/ce/optimizer-adamw/seed1",
        "optimizer=adamw optimizer.lr=0.01": "acdc/unet/ce/lr-0.01+optimizer-adamw/seed1",
        "evaluation=paper": "acdc/unet/ce/evaluation-paper/seed1",
        # what the network takes from the data set is said once
        "data.num_classes=3": "acdc/unet/ce/data.num_classes-3/seed1",
        # max_epochs has no name of its own, but cosine's period follows it
        "trainer.max_epochs=300": "acdc/unet/ce/default/seed1",
        "scheduler=cosine trainer.max_epochs=300": "acdc/unet/ce/T_max-300+scheduler-cosine/seed1",
        "~scheduler.gamma": "acdc/unet/ce/gamma-null/seed1",
        "data.split=/some/where/my_split.json": "acdc/unet/ce/split-my_split/seed1",
        "data.source.orientation='a b:c'": "acdc/unet/ce/orientation-a-b-c/seed1",
        # a mapping that a component takes by reference
        "data=mrbrains18 data.label_map.7=GM": "mrbrains18/unet/ce/data.label_map.7-GM/seed1",
        # a layout holds many data sets, and what a data set says of itself is no difference
        "data=msd": "msd-Hippocampus/unet/ce/default/seed1",
        "data=nnunet data.crop=[64,64]": "nnunet-Hippocampus/unet/ce/crop-64-64/seed1",
        "run_name=trial seed=3 loss=mbls loss.margin=5": "acdc/unet/mbls/trial/seed3",
    }


@pytest.mark.parametrize(("words", "expected"), cases().items(), ids=cases())
def test_the_directory_says_what_differs(compose, words, expected):
    job = compose(*words.split()) if "'" not in words else compose(words)
    assert run_directory(job.cfg, job.choices) == Path("outputs") / expected


def spell_out(experiment: str) -> list[str]:
    """The words that say by hand what an experiment says."""
    tree = read_yaml(find_config_dir() / "experiment" / f"{experiment}.yaml")
    entries = [entry for entry in tree.pop("defaults", []) if isinstance(entry, dict)]
    choices = [f"{key.removeprefix('override /')}={choice}" for entry in entries for key, choice in entry.items()]
    return choices + [f"{key}={str(value).replace(' ', '')}" for key, value in flatten(tree).items()]


@pytest.mark.parametrize("name", [path.stem for path in (find_config_dir() / "experiment").glob("*.yaml")])
def test_an_experiment_and_its_settings_typed_by_hand_are_one_run(compose, name):
    one, typed = compose(f"experiment={name}"), spell_out(name)
    other = compose(*typed)
    assert len(typed) > 1
    assert run_directory(one.cfg, one.choices) == run_directory(other.cfg, other.choices)
    assert claim(one.cfg) == claim(other.cfg)


def test_the_order_of_the_words_does_not_matter(compose):
    words = ("optimizer=adamw", "scheduler=cosine", "data.crop=[64,64]", "optimizer.lr=0.01", "loss=mbls")
    one, other = compose(*words), compose(*reversed(words))
    assert run_directory(one.cfg, one.choices) == run_directory(other.cfg, other.choices)


def test_every_inert_key_is_a_setting(compose):
    keys = flatten(compose().tree)
    assert keys.keys() >= INERT_KEYS


def test_what_is_held_to_change_no_result():
    """A run moves to another machine, folder or log, and goes on; whatever else joins them is decided here."""
    machine = {"data.root", "data.source.root", "data.cache_dir", "data.residency", "data.workers", "trainer.device"}
    speech = {"trainer.progress", "trainer.log_every", "trainer.image_every"}
    place = {"output_root", "run_dir", "run_name"}
    assert machine | speech | place | {"trainer.max_epochs", "evaluation.batch_size"} == INERT_KEYS


@pytest.mark.parametrize("key", sorted(INERT_KEYS - {"run_dir", "run_name", "output_root", "data.source.root"}))
def test_what_changes_no_result_changes_neither_name_nor_claim(compose, key):
    value = {"data.root": "/elsewhere", "data.cache_dir": "/elsewhere", "data.residency": "disk"}.get(key, "3")
    plain, other = compose(), compose(f"{key}={value}")
    assert run_directory(plain.cfg, plain.choices) == run_directory(other.cfg, other.choices)
    assert claim(plain.cfg) == claim(other.cfg)


def test_a_later_setting_is_claimed_only_where_it_changes_something(compose):
    """A run from before data.crop_jitter is the same as one of today without jitter."""
    assert "data.crop_jitter" not in claim(compose().cfg)
    assert claim(compose("data.crop_jitter=8").cfg)["data.crop_jitter"] == 8
    cfg = compose("scheduler=one_cycle").cfg
    assert all(OmegaConf.select(cfg, key) == value for key, value in NEUTRAL_VALUES.items())
    assert not NEUTRAL_VALUES.keys() & claim(cfg).keys()


def test_where_the_data_and_the_runs_lie_changes_no_claim(compose, monkeypatch):
    before = claim(compose().cfg)
    monkeypatch.setenv("MLSEG_DATA", "/mnt/data")
    monkeypatch.setenv("MLSEG_OUTPUTS", "/mnt/runs")
    job = compose()
    assert claim(job.cfg) == before
    assert run_directory(job.cfg, job.choices) == Path("/mnt/runs/acdc/unet/ce/default/seed1")


@pytest.mark.parametrize("word", ["loss.ignore_index=255", "seed=2", "data.batch_size=5", "trainer.amp=off"])
def test_what_changes_a_result_changes_the_claim(compose, word):
    key = word.split("=")[0]
    before, after = claim(compose().cfg), claim(compose(word).cfg)
    assert {k for k in before if before[k] != after[k]} == {key}


def test_the_claim_holds_plain_values_without_references(compose):
    held = claim(compose().cfg)
    assert held["model.num_classes"] == 4
    assert held["data.crop"] == [192, 192]
    assert list(held) == sorted(held)
    assert not any("${" in str(value) for value in held.values())


def test_a_place_given_outright(compose, monkeypatch, tmp_path):
    job = compose("run_dir=some/where", "run_name=ignored")
    assert run_directory(job.cfg, job.choices) == Path("some/where")
    monkeypatch.setenv("HOME", str(tmp_path))
    job = compose("run_dir='~/there'")
    assert run_directory(job.cfg, job.choices) == tmp_path / "there"
    job = compose("output_root='~/runs'")
    assert run_directory(job.cfg, job.choices) == tmp_path / "runs/acdc/unet/ce/default/seed1"


def test_a_long_name_is_cut_but_stays_its_own(compose):
    word = f"data.source.labels=[{','.join(f'structure{n}' for n in range(20))}]"
    one, other = compose(word), compose(word.replace("structure19", "structure91"))
    names = [run_directory(job.cfg, job.choices).parts[-2] for job in (one, other)]
    assert all(len(name) == MAX_LENGTH for name in names)
    assert names[0] != names[1]
    assert names[0][:40] == names[1][:40]
    assert int(names[0][-8:], 16) >= 0


def test_names_are_the_same_inside_a_running_command(run):
    seen = []
    words = ("loss=fl", "optimizer=adamw", "loss.gamma=2")
    answer = run(*words, task=lambda cfg, info: seen.append(run_directory(cfg, info.choices)))
    outside = compose_config(words)
    assert answer.code == 0
    assert seen == [run_directory(outside.cfg, outside.choices)]


def test_jobs_with_one_directory_are_found(compose):
    jobs = [compose("data.workers=1"), compose("data.workers=2"), compose("seed=2")]
    (message,) = find_collisions(jobs)
    assert "2 of 3 would share outputs/acdc/unet/ce/default/seed1." in message
    assert find_collisions(jobs[1:]) == []
