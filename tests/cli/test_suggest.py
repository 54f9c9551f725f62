"""Words that are not there, and what is said instead."""

from __future__ import annotations

import pytest

from mlseg.cli.compose import OTHER_GROUPS, find_config_dir

CONFIGS = find_config_dir()
CHOSEN = sorted(path.name for path in CONFIGS.iterdir() if path.is_dir() and path.name not in OTHER_GROUPS)
GROUPS = f"Groups: {', '.join(CHOSEN)}."
CHOICES = f"Choices: {', '.join(sorted(path.stem for path in (CONFIGS / 'loss').glob('*.yaml')))}."


def cases():
    """Command line -> the whole message."""
    return {
        "loss=mblz": f"loss=mblz: no such choice. Did you mean mbls? {CHOICES}",
        "loss=qqq9": f"loss=qqq9: no such choice. {CHOICES}",
        "loss=null": f"loss=null: loss takes one choice. {CHOICES}",
        "loss=[ce,mbls]": f"loss=[ce,mbls]: loss takes one choice. {CHOICES}",
        "+loss=mbls": "+loss=mbls: loss is there already. Write loss=mbls.",
        "-m loss=ce,mblz": f"loss=mblz: no such choice. Did you mean mbls? {CHOICES}",
        "los=mbls": f"los: no such group or setting. Did you mean loss? {GROUPS}",
        "xyzzy=1": f"xyzzy: no such group or setting. {GROUPS}",
        "loss.margn=5": "loss.margn: loss=ce has no such setting. Did you mean loss.margin of loss=mbls? "
        "Then add loss=mbls.",
        "loss=mbls loss.margn=5": "loss.margn: loss=mbls has no such setting. Did you mean loss.margin?",
        "loss.margin=-1": "loss.margin: loss=ce has no such setting. loss=mbls",
        "loss.alpha=0.2": "loss.alpha: loss=ce has no such setting. loss=",
        "loss=fl loss.xyzzy=1": "loss.xyzzy: loss=fl has no such setting. It has: gamma, ignore_index.",
        "+loss.ignore_index=0": "+loss.ignore_index=0: is there already. Write loss.ignore_index=0.",
        "~loss.margin": "loss.margin: loss=ce has no such setting. loss=mbls",
        "los.margin=5": "los.margin: no such group or setting. Did you mean loss.margin?",
        "margin=5": "margin: no such group or setting. Did you mean loss.margin?",
        "max_epochs=5": "max_epochs: no such group or setting. Did you mean trainer.max_epochs?",
        "trainer.max_epoch=5": "trainer.max_epoch: trainer=default has no such setting. "
        "Did you mean trainer.max_epochs?",
        "data.source.label=[a]": "data.source.label: data=acdc has no such setting. Did you mean data.source.labels?",
        "data.crop.2=5": "data.crop.2: data=acdc has no such setting.",
        "loss=ce,mbls": "loss=ce,mbls: several values make a sweep, which needs -m. Type mlseg-train -m loss=ce,mbls.",
        "data.crop=96,96": "data.crop=96,96: a list is written in brackets. Write data.crop=[96,96].",
        "mbls": "mbls: must be written key=value. Did you mean loss=mbls?",
        "xyzzy": "xyzzy: must be written key=value.",
        "=": "=: must be written key=value.",
        "-m loss=mbls loss.margin=range(3,1)": "loss.margin: a sweep needs values, got none. Give at least one.",
        "loss=[ce": "loss=[ce: cannot be read",
        "-m loss=ce,mbls loss.margin=5": "loss.margin=5: loss=ce has no such setting, only loss=mbls has. Type two "
        "commands, `mlseg-train loss=ce` and `mlseg-train loss=mbls loss.margin=5`, or sweep over experiment=...",
        "-m loss=ls,mbls,ce loss.margin=3,5 seed=2": "loss.margin=3,5: loss=ls,ce has no such setting, only loss=mbls "
        "has. Type two commands, `mlseg-train -m loss=ls,ce seed=2` and "
        "`mlseg-train -m loss=mbls loss.margin=3,5 seed=2`, or sweep over experiment=...",
        "-m seed=1,2 loss=ce,mbls loss.margin=5": "loss.margin=5: loss=ce has no such setting, only loss=mbls has. "
        "Type two commands, `mlseg-train -m loss=ce seed=1,2` and `mlseg-train -m loss=mbls loss.margin=5 seed=1,2`",
        "-m experiment=demo,acdc_quick_ce loss.margin=3": "loss.margin=3: experiment=acdc_quick_ce has no such "
        "setting, only experiment=demo has.",
        "hydra.sweep.dri=x": "configuration: Could not override 'hydra.sweep.dri'.",
        "hydra/launcher=jobli": "hydra/launcher=jobli: no such choice. Did you mean joblib? Choices: basic, ",
    }


@pytest.mark.parametrize(("words", "message"), cases().items(), ids=cases())
def test_one_line_says_what_was_meant(run, words, message):
    def never(cfg, info):
        raise AssertionError

    answer = run(*words.split(), task=never)
    assert answer.code == 2
    assert len(answer.err) == 1
    assert answer.err[0].startswith(f"mlseg-train: {message}")
    assert answer.err[0].endswith((".", "?"))


def test_several_mistakes_are_told_at_once(run):
    assert run("los=mbls", "margin=5", "seed=1").err == [
        "mlseg-train: 2 problems:",
        f"  los: no such group or setting. Did you mean loss? {GROUPS}",
        "  margin: no such group or setting. Did you mean loss.margin?",
    ]


def test_wrong_choices_come_first(run):
    """What settings there are depends on them."""
    assert run("loss=mblz", "loss.margin=5").err == [
        f"mlseg-train: loss=mblz: no such choice. Did you mean mbls? {CHOICES}"
    ]


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("-m seed=1,2 loss=mbls,ls", [(1, "mbls"), (1, "ls"), (2, "mbls"), (2, "ls")]),
        ("-m seed=range(1,4)", [(1, "ce"), (2, "ce"), (3, "ce")]),
        ("-m optimizer=glob(adam*)", [(1, "ce"), (1, "ce")]),
        ("-m seed=1,2 seed=5", [(5, "ce")]),
        ("-m", [(1, "ce")]),
    ],
)
def test_a_sweep_runs_every_combination(run, words, seeds):
    seen = []
    answer = run(*words.split(), task=lambda cfg, info: seen.append((cfg.seed, info.choices["loss"])))
    assert (answer.code, seen) == (0, seeds)


def test_lists_items_and_additions_that_are_fine(run):
    seen = []
    words = ("data.crop=[64,96]", "data.crop.1=128", "+optimizer.amsgrad=true", "++seed=3", "~scheduler.gamma")
    assert run(*words, task=lambda cfg, info: seen.append(cfg)).code == 0
    assert seen[0].data.crop == [64, 128]
    assert (seen[0].optimizer.amsgrad, seen[0].seed) == (True, 3)
    assert "gamma" not in seen[0].scheduler
