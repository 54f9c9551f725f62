"""HD, HD95, ASSD and Dice of real references against MONAI's and medpy's, which define them alike."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from scipy import ndimage

from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.functional.surfaces import (
    SurfaceDistances,
    compute_assd,
    compute_hd,
    compute_hd95,
    compute_label_distances,
)

pytestmark = [
    pytest.mark.slow,
    # MONAI 1.6 warns of an argument that it passes to itself.
    pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning"),
]

PERTURBATIONS = ("shifted", "eroded", "dilated", "noisy_border", "moved_component")
ACDC_CASES, BRATS_CASES = 20, 4


def perturb(name: str, labelled: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A prediction made of a reference (D,H,W)."""
    found = labelled.copy()
    if name == "shifted":
        return np.roll(found, random.integers(-3, 4, 3) * (1 if len(found) > 30 else [0, 1, 1]), (0, 1, 2))
    if name == "eroded":
        return found * ndimage.binary_erosion(found > 0, iterations=2, structure=np.ones((1, 3, 3)))
    if name == "dilated":
        wider = ndimage.grey_dilation(found, (1, 5, 5))
        return np.where(found == 0, wider, found)
    if name == "noisy_border":
        border = (ndimage.grey_dilation(found, (1, 3, 3)) > 0) ^ ndimage.binary_erosion(found > 0)
        flipped = border & (random.random(found.shape) < 0.3)
        found[flipped] = random.integers(0, labelled.max() + 1, np.count_nonzero(flipped))
        return found
    # The largest piece of each label loses its lower half; a small piece turns up in a corner.
    for label in np.unique(labelled[labelled > 0]):
        pieces, _ = ndimage.label(labelled == label)
        piece = pieces == 1 + np.argmax(np.bincount(pieces[pieces > 0])[1:])
        rows = np.flatnonzero(piece.any((0, 2)))
        piece[:, : rows[len(rows) // 2]] = False
        found[piece] = 0
        found[-1, -4:, label * 4 : label * 4 + 3] = label
    return found


def read_labels(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """Label map (D,H,W) and its spacing."""
    image = nibabel.load(path)
    labelled = np.ascontiguousarray(np.asarray(image.dataobj).T.astype(np.uint8))
    return labelled, tuple(float(step) for step in image.header.get_zooms()[:3][::-1])


def measure_by_monai(prediction: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, ...]) -> dict[str, float]:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
    from monai.metrics import compute_dice as compute_their_dice
    from monai.metrics.utils import get_edge_surface_distance

    masks = [torch.from_numpy(mask)[None, None] for mask in (prediction, target)]
    settings = {"include_background": True, "spacing": spacing_mm}
    _, directed, _ = get_edge_surface_distance(masks[0][0, 0], masks[1][0, 0], spacing=spacing_mm, symmetric=True)
    found = {
        "hd": compute_hausdorff_distance(*masks, **settings).item(),
        "hd95": max(float(np.percentile(distances.double(), 95)) for distances in directed),
        "assd": compute_average_surface_distance(*masks, symmetric=True, **settings).item(),
        "dice": compute_their_dice(*masks).item(),
    }
    # Its own percentile is taken in float32, where a rank among thousands is rounded before it is interpolated.
    hd95 = compute_hausdorff_distance(*masks, percentile=95, **settings).item()
    assert found["hd95"] == pytest.approx(hd95, rel=1e-4)
    return found


def measure_by_medpy(prediction: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, ...]) -> dict[str, float]:
    binary = pytest.importorskip("medpy.metric.binary", reason="pip install medpy==0.5.2")
    # medpy looks at every voxel six times; the background far from both masks changes nothing.
    places = np.argwhere(prediction | target)
    box = tuple(slice(max(low - 2, 0), high + 3) for low, high in zip(places.min(0), places.max(0), strict=True))
    prediction, target = prediction[box], target[box]
    return {
        "hd": binary.hd(prediction, target, spacing_mm),
        "hd95_pooled": binary.hd95(prediction, target, spacing_mm),
        "assd": binary.assd(prediction, target, spacing_mm),
        "dice": binary.dc(prediction, target),
    }


def summarise(distances: SurfaceDistances, dice: float) -> dict[str, float]:
    return {
        "hd": compute_hd(distances),
        "hd95": compute_hd95(distances),
        "hd95_pooled": compute_hd95(distances, pooled=True),
        "assd": compute_assd(distances),
        "dice": dice,
    }


def list_cases(realdata_dir: Path, source: str) -> list[Path]:
    if source == "acdc":
        return sorted((realdata_dir / "acdc" / "training").glob("*/*_gt.nii.gz"))[:: 160 // ACDC_CASES][:ACDC_CASES]
    return sorted((realdata_dir / "brats2015").glob("*/OTMultiClass.nii.gz"))


@pytest.mark.parametrize("measure", [measure_by_monai, measure_by_medpy])
@pytest.mark.parametrize(("source", "cases"), [("acdc", ACDC_CASES), ("brats2015", BRATS_CASES)])
def test_real_references(realdata_dir: Path, source: str, cases: int, measure) -> None:
    """All perturbations of each ACDC case; of each BRATS case, which takes the others long, two."""
    paths = list_cases(realdata_dir, source)
    assert len(paths) == cases
    compared = 0
    for index, path in enumerate(paths):
        target, spacing = read_labels(path)
        random = np.random.default_rng(index)
        names = PERTURBATIONS if source == "acdc" else [PERTURBATIONS[(2 * index + step) % 5] for step in (0, 1)]
        for name in names:
            prediction = perturb(name, target, random)
            labels = [label for label in range(1, target.max() + 1) if (target == label).any()]
            dice = compute_dice(count_overlap(torch.from_numpy(prediction), torch.from_numpy(target), 5)).tolist()
            for label, distances in zip(
                labels, compute_label_distances(prediction, target, labels=labels, spacing_mm=spacing), strict=True
            ):
                if not (prediction == label).any():
                    assert distances.voxels == 0
                    continue
                theirs = measure(prediction == label, target == label, spacing)
                ours = summarise(distances, dice[label])
                assert {key: ours[key] for key in theirs} == pytest.approx(theirs, rel=1e-6), (path.name, name, label)
                compared += 1
    assert compared > 10 * cases if source == "acdc" else compared > 4 * cases
