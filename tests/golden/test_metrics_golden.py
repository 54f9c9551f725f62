"""The functional layer against numbers from the authors' code and medpy, before the rules of evaluation=paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlseg.functional.bins import compute_cece, compute_ece
from mlseg.functional.calibration import count_bins, measure_calibration
from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.functional.surfaces import compute_assd, compute_hd, compute_hd95, compute_surface_distances

CASES = ("acdc_like", "missing_label", "missing_prediction")


@pytest.fixture(params=CASES)
def golden(request: pytest.FixtureRequest, golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / f"metrics_{request.param}.npz") as file:
        return dict(file)


def read_case(golden: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    probs = torch.from_numpy(golden["logits"]).double().softmax(1).transpose(0, 1)
    return probs, torch.from_numpy(golden["label"]).long()


def test_no_number_is_forgotten(golden: dict[str, np.ndarray]) -> None:
    compared = {"logits", "label", "spacing", "ece_fg", "cece_fg", "ece_all", "cece_all", "nll_fg"}
    for k in (1, 2, 3):
        compared |= {f"{name}_{k}" for name in ("dsc", "hd_voxel", "hd95_voxel", "hd_mm", "hd95_mm", "assd_mm")}
    # aece_fg has bins of equal mass, which 300 bins of equal width cannot give.
    assert set(golden) - compared == {"aece_fg"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("region", ["fg", "all"])
def test_calibration(golden: dict[str, np.ndarray], region: str, dtype: torch.dtype) -> None:
    probs, target = read_case(golden)
    mask = target > 0 if region == "fg" else None
    counts = count_bins(probs.to(dtype), target, mask=mask, edges="paper")
    assert compute_ece(counts) == pytest.approx(float(golden[f"ece_{region}"]), rel=1e-6)
    classes = int(target.max()) + 1
    assert compute_cece(counts, num_classes=classes) == pytest.approx(float(golden[f"cece_{region}"]), rel=1e-6)


def test_likelihood(golden: dict[str, np.ndarray]) -> None:
    probs, target = read_case(golden)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        found = measure_calibration(probs.to(dtype), target, {"foreground": target > 0}).regions["foreground"]
        assert found.nll == pytest.approx(float(golden["nll_fg"]), rel=tolerance)


def test_all_in_one_pass_over_the_logits(golden: dict[str, np.ndarray]) -> None:
    logits = torch.from_numpy(golden["logits"]).transpose(0, 1).double()
    target = torch.from_numpy(golden["label"]).long()
    regions = {"all": None, "fg": target > 0}
    found = measure_calibration(logits, target, regions, edges="paper", from_logits=True).regions
    for region in regions:
        counts = found[region].counts
        assert compute_ece(counts) == pytest.approx(float(golden[f"ece_{region}"]), rel=1e-6)
        classes = int(target.max()) + 1
        assert compute_cece(counts, num_classes=classes) == pytest.approx(float(golden[f"cece_{region}"]), rel=1e-6)
    assert found["fg"].nll == pytest.approx(float(golden["nll_fg"]), rel=1e-12)


def test_dice(golden: dict[str, np.ndarray]) -> None:
    probs, target = read_case(golden)
    dice = compute_dice(count_overlap(probs.argmax(0), target, 4))
    assert dice[1:].tolist() == pytest.approx([float(golden[f"dsc_{k}"]) for k in (1, 2, 3)], rel=1e-12)


@pytest.mark.parametrize("label", [1, 2, 3])
def test_distances(golden: dict[str, np.ndarray], label: int) -> None:
    probs, target = read_case(golden)
    masks = probs.argmax(0).numpy() == label, target.numpy() == label
    in_mm = compute_surface_distances(*masks, tuple(golden["spacing"]))
    in_voxels = compute_surface_distances(*masks, (1, 1, 1))
    found = {
        "hd_mm": compute_hd(in_mm),
        "hd95_mm": compute_hd95(in_mm, pooled=True),
        "assd_mm": compute_assd(in_mm),
        "hd_voxel": compute_hd(in_voxels),
        "hd95_voxel": compute_hd95(in_voxels, pooled=True),
    }
    expected = {name: float(golden[f"{name}_{label}"]) for name in found}
    assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
