from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.metrics.regions import REGIONS, build_regions, find_boundary, find_roi


def find_boundary_by_hand(target: np.ndarray, spacing: tuple[float, ...], boundary_mm: float) -> np.ndarray:
    near = np.zeros(target.shape, dtype=bool)
    voxels = np.argwhere(np.ones(target.shape, dtype=bool))
    for voxel in voxels:
        others = voxels[target.reshape(-1) != target[tuple(voxel)]]
        if len(others):
            gaps = (others - voxel) * spacing
            near[tuple(voxel)] = np.sqrt((gaps**2).sum(1)).min() <= boundary_mm
    return near


@pytest.mark.parametrize("boundary_mm", [0.0, 1.0, 2.2, 3.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.5, 1.5, 0.7)])
def test_boundary_is_where_another_class_is_near(boundary_mm: float, spacing: tuple[float, float, float]) -> None:
    target = np.zeros((4, 9, 11), dtype=np.int64)
    target[1:3, 2:7, 3:8] = 1
    target[1, 3:5, 4:6] = 2
    found = find_boundary(torch.from_numpy(target), spacing, boundary_mm=boundary_mm).numpy()
    assert np.array_equal(found, find_boundary_by_hand(target, spacing, boundary_mm))
    assert found.any() == (boundary_mm >= min(spacing))


def test_boundary_knows_spacing_stored_in_float32() -> None:
    target = torch.tensor([[[0] * 6 + [1] * 6]])
    near = find_boundary(target, (1.0, 1.0, float(np.float32(0.6))), boundary_mm=3.0)
    assert near.sum() == 10


def test_the_image_edge_is_no_border() -> None:
    whole = torch.ones(3, 4, 4, dtype=torch.uint8)
    assert not find_boundary(whole, (1.0, 1.0, 1.0), boundary_mm=3.0).any()


def test_roi_is_the_box_and_its_margin_in_mm() -> None:
    target = torch.zeros(5, 20, 20, dtype=torch.int64)
    target[2, 8, 9] = target[2, 10, 12] = 1
    inside = find_roi(target, (10.0, 1.5, 2.0), margin_mm=10.0)
    expected = torch.zeros_like(inside)
    expected[1:4, 2:17, 4:18] = True
    assert torch.equal(inside, expected)


def test_roi_ends_at_the_image() -> None:
    target = torch.zeros(2, 4, 4, dtype=torch.int64)
    target[0, 0, 0] = 3
    assert find_roi(target, (1.0, 1.0, 1.0), margin_mm=1.0).nonzero().amax(0).tolist() == [1, 1, 1]


def test_without_foreground_only_the_image_is_left() -> None:
    regions = build_regions(torch.zeros(2, 4, 4, dtype=torch.int64), (1.0, 1.0, 1.0), boundary_mm=3, roi_margin_mm=10)
    assert tuple(regions) == REGIONS
    assert regions["image"] is None
    assert not any(mask.any() for mask in regions.values() if mask is not None)


def test_regions_take_the_settings() -> None:
    target = torch.zeros(1, 9, 9, dtype=torch.int64)
    target[0, 3:6, 3:6] = 1
    regions = build_regions(target, (1.0, 1.0, 1.0), boundary_mm=1.0, roi_margin_mm=2.0)
    assert regions["foreground"].sum() == 9
    assert regions["boundary"].sum() == 8 + 12
    assert regions["roi"].sum() == 49


@pytest.mark.parametrize("shape", [(2, 8, 8), (8, 8, 2), (1, 1, 3)])
@pytest.mark.parametrize("boundary_mm", [3.0, 60.0])
def test_a_boundary_wider_than_a_thin_volume(shape, boundary_mm):
    target = torch.zeros(shape, dtype=torch.int64)
    target[..., :1] = 1
    found = find_boundary(target, (1.0, 1.0, 1.0), boundary_mm=boundary_mm)
    distance = torch.arange(shape[-1])
    # From the foreground's only column the nearest background is one step off, and the other way round.
    expected = torch.where(distance == 0, 1, distance) <= boundary_mm
    assert torch.equal(found, expected.expand(shape))
