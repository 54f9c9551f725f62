"""The generator: bodies where they are told to be, and images that show them."""

from __future__ import annotations

import numpy as np

from mlseg.data.phantom_anatomy import (
    OUTSIDE,
    Body,
    Tissue,
    draw_tissues,
    find_box,
    label_tissues,
    oblique_affine,
    render_channel,
)

SHAPE = (16, 40, 32)
BALL = Body(tissue=1, centre=(0.5, 0.5, 0.5), radii=(0.4, 0.4, 0.4), drift=0, spread=0, bumps=0)
CORE = Body(tissue=2, centre=(0.5, 0.5, 0.5), radii=(0.2, 0.2, 0.2), drift=0, spread=0, bumps=0, inside=(1,))
KINDS = (Tissue(label=0, contrast=(0, 0)), Tissue(label=0, contrast=(300, 800)), Tissue(label=7, contrast=(900, 200)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_body_is_the_ellipsoid_of_its_radii() -> None:
    tissues = draw_tissues(rng(), [BALL], SHAPE)
    places = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in SHAPE), indexing="ij"))
    np.testing.assert_array_equal(tissues == 1, np.sum(((places - 0.5) / 0.4) ** 2, axis=0) < 1)
    assert abs((tissues == 1).mean() - 4 / 3 * np.pi * 0.4**3) < 0.01


def test_later_bodies_lie_inside_the_tissues_they_name() -> None:
    outside = Body(tissue=2, centre=(0.5, 0.5, 0.9), radii=(0.3, 0.3, 0.3), inside=(1,))
    tissues = draw_tissues(rng(), [BALL, outside], SHAPE)
    whole = draw_tissues(rng(), [BALL], SHAPE)
    assert (tissues == 2).any()
    np.testing.assert_array_equal(tissues != OUTSIDE, whole != OUTSIDE)
    anywhere = draw_tissues(rng(), [BALL, Body(tissue=2, centre=(0.5, 0.5, 0.9), radii=(0.3, 0.3, 0.3))], SHAPE)
    assert (anywhere != OUTSIDE).sum() > (whole != OUTSIDE).sum()


def test_bumps_drift_and_spread_change_a_body_from_subject_to_subject() -> None:
    for change in ({"bumps": 0.2}, {"drift": 0.1}, {"spread": 0.3}):
        body = Body(**{**vars(BALL), **change})
        first, again, other = (draw_tissues(rng(seed), [body], SHAPE) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        assert (first != draw_tissues(rng(), [BALL], SHAPE)).any()


def test_chance_leaves_a_body_out_without_changing_the_others() -> None:
    last = Body(tissue=2, centre=(0.3, 0.3, 0.3), radii=(0.2, 0.2, 0.2))
    without, with_it = (
        draw_tissues(rng(), [Body(**{**vars(BALL), "chance": chance}), last], SHAPE) for chance in (0.0, 1.0)
    )
    assert not (without == 1).any()
    np.testing.assert_array_equal(without == 2, with_it == 2)
    share = np.mean(
        [(draw_tissues(rng(s), [Body(**{**vars(BALL), "chance": 0.3})], SHAPE) == 1).any() for s in range(200)]
    )
    assert 0.2 < share < 0.4


def test_a_body_out_of_sight_is_no_error() -> None:
    far = Body(tissue=1, centre=(2.0, 0.5, 0.5), radii=(0.1, 0.1, 0.1))
    assert not draw_tissues(rng(), [far], SHAPE).any()


def test_labels_and_intensities_follow_the_tissues() -> None:
    tissues = draw_tissues(rng(), [BALL, CORE], SHAPE)
    np.testing.assert_array_equal(label_tissues(tissues, KINDS), np.where(tissues == 2, 7, 0))
    for channel in (0, 1):
        image = render_channel(rng(), tissues, KINDS, channel)
        assert image.dtype == np.int16
        for tissue in (0, 1, 2):
            assert abs(image[tissues == tissue].mean() - KINDS[tissue].contrast[channel]) < 100


def test_a_stripped_image_is_zero_outside_and_nowhere_else() -> None:
    tissues = draw_tissues(rng(), [BALL, CORE], SHAPE)
    image = render_channel(rng(), tissues, KINDS, 1, stripped=True)
    np.testing.assert_array_equal(image == 0, tissues == OUTSIDE)
    assert image.max() > 700


def test_the_box_of_a_mask() -> None:
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert find_box(mask) == (slice(1, 4), slice(2, 3), slice(3, 7))


def test_an_affine_keeps_the_spacing_and_tilts_within_bounds() -> None:
    for tilt in (0.1, 0.6):
        affine = oblique_affine(rng(), (5.0, 2.0, 1.0), tilt=tilt)
        np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), (1.0, 2.0, 5.0))
        np.testing.assert_allclose(np.linalg.det(affine[:3, :3]), 10.0)
        cosine = np.abs(np.diag(affine[:3, :3]) / (1.0, 2.0, 5.0))
        assert np.cos(2 * tilt) < cosine.min() < 1
