"""Networks and scores that are not made for the data."""

from __future__ import annotations

import pytest

from mlseg.cli.compose import find_config_dir

VOLUMES = ("data.dims=3", "data.crop=[16,64,64]")
FLAT = ("deeplabv3plus", "segformer", "smp_unet", "transunet", "unetpp")


@pytest.mark.parametrize("model", FLAT)
def test_slices_only_is_one_line(problems_of, model: str) -> None:
    (problem,) = problems_of(f"model={model}", *VOLUMES)
    assert problem.startswith(f"data.dims: must be 2 with model={model}, which sees slices only, got 3. ")
    assert problem.endswith("Give data.dims=2, or model=attunet|dynunet|segresnet|swinunetr|unet.")
    assert problems_of(f"model={model}") == []


def test_every_other_network_is_for_volumes_too(problems_of) -> None:
    others = {path.stem for path in (find_config_dir() / "model").glob("*.yaml")} - set(FLAT)
    assert len(others) >= 5
    for model in others:
        assert problems_of(f"model={model}", *VOLUMES) == [], model


def test_a_network_of_ones_own_is_left_alone(problems_of) -> None:
    assert problems_of("model=smp_unet", "model._target_=monai.networks.nets.VNet", *VOLUMES) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("model.num_classes=3",), "model.num_classes: must be data.num_classes (4), got 3. Leave model.num_classes"),
        (("model.in_channels=2",), "model.in_channels: must be data.in_channels (1), got 2."),
        (("model.dims=3",), "model.dims: must be data.dims (2), got 3."),
        (("model=smp_unet", "model.classes=2"), "model.classes: must be data.num_classes (4), got 2."),
        (("evaluation.default.labels=[a,b]",), "evaluation.default.labels: must be data.source.labels ("),
    ],
)
def test_the_data_set_says_how_many(problems_of, words: tuple[str, ...], problem: str) -> None:
    (found,) = problems_of(*words)
    assert found.startswith(problem)


def test_the_same_value_typed_out_is_fine(problems_of) -> None:
    assert (
        problems_of("model.num_classes=4", "model.in_channels=1", "model=transunet", "model.image_size=[64,64]") == []
    )
