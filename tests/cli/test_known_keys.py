"""Settings that a configuration may not hold."""

from __future__ import annotations

import pytest

from mlseg.cli.known_keys import find_key_problems, show
from mlseg.cli.preflight import find_config_problems


def problems(job):
    return find_config_problems(job.cfg, job.choices)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["loss=mbls", "+loss.margn=5"], "loss.margn: loss=mbls has no such setting. Did you mean loss.margin?"),
        (["+loss.margin=5"], "loss.margin: loss=ce has no such setting. Leave it out."),
        (["++data.cropp=[1,1]"], "data.cropp: data=acdc has no such setting. Did you mean data.crop?"),
        (["+data.source.label=[a]"], "data.source.label: data=acdc has no such setting. Did you mean data.source."),
        (["+sed=5"], "sed: there is no such setting. Did you mean seed?"),
        (["+optimizer.lrr=5"], "optimizer.lrr: optimizer=adam has no such setting. Did you mean optimizer.lr?"),
        (["experiment=acdc_quick", "loss=ce"], "loss.margin: loss=ce has no such setting. experiment=acdc_quick sets"),
        (["+data.spacing_mm.h=1.4"], "data.spacing_mm: must be null or two numbers"),
    ],
)
def test_a_setting_that_the_choices_do_not_have(compose, words, expected):
    found = problems(compose(*words))
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    "word",
    ["+optimizer.amsgrad=true", "+optimizer._convert_=all", "+loss._recursive_=false", "+scheduler.last_epoch=-1"],
)
def test_arguments_that_our_yaml_does_not_list(compose, word):
    assert problems(compose(word)) == []


def test_a_component_of_ones_own_takes_what_it_likes(compose):
    assert problems(compose("loss._target_=torch.nn.MyLoss", "+loss.beta=2", "~loss.ignore_index")) == []
    assert problems(compose("loss._target_=mlseg.losses.mbls.MbLSLoss", "+loss.margin=5")) == []


def test_an_argument_left_to_its_constructor(compose):
    assert problems(compose("~optimizer.betas", "loss=mbls", "~loss.alpha")) == []


def test_a_misspelt_key_in_an_experiment_is_found(run, workplace):
    folder = workplace / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /loss: mbls\nloss:\n  margn: 5\nfantasy:\n  x: 1\n"
    )
    answer = run("--config-dir", "mine", "experiment=typo")
    assert answer.err == [
        "mlseg-train: 2 problems:",
        "  loss.margn: loss=mbls has no such setting. Did you mean loss.margin?",
        "  fantasy.x: there is no such setting. Leave it out.",
    ]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("trainer.deterministic=1", "true or false, got 1. The default is false."),
        ("data.cache_dir=5", "a word, got 5. The default is"),
        ("data.source.labels=heart", "a list in brackets, got 'heart'. The default is ['background','RV','Myo','LV']."),
        ("scheduler=cosine scheduler.eta_min=true", "a number, got true. The default is 0.0."),
        ("scheduler=cosine scheduler.eta_min=null", "a number, got null. The default is 0.0."),
    ],
)
def test_a_value_of_another_kind(compose, word, kind):
    job = compose(*word.split())
    key = word.split()[-1].split("=")[0]
    tree = {name: job.cfg[name] for name in job.tree}
    found = [p for p in find_key_problems(job.cfg, _plain(tree), job.choices) if p.startswith(key)]
    if key == "data.cache_dir":
        assert found == []  # its default is a reference: of no kind until it is filled in
    else:
        assert len(found) == 1
        assert found[0].startswith(f"{key}: must be {kind}")


def _plain(tree):
    from omegaconf import OmegaConf

    return {k: OmegaConf.to_container(v, resolve=True) if OmegaConf.is_config(v) else v for k, v in tree.items()}


def test_values_are_shown_as_they_are_typed():
    values = (None, True, False, 1.5, "a b", [1, 2])
    assert [show(value) for value in values] == ["null", "true", "false", "1.5", "'a b'", "[1,2]"]
