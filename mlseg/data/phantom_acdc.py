"""A synthetic twin of ACDC: nested, beating ventricles in noise, in the official layout, with known shapes.

Tests, the demo and a newcomer's first minute read it through exactly the code that reads the real data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mlseg.data.nifti import write_volume
from mlseg.data.phantom_anatomy import oblique_affine, render_scene
from mlseg.data.phantom_folder import check_phantom, write_folder

GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")
RV, MYO, LV = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a group changes in a heart: factors on the healthy one.

    Args:
        lv, rv, wall: factors on the LV radius, the RV radius and the wall's thickness at end-diastole.
        lv_stroke, rv_stroke: factors on the radii from end-diastole to end-systole.
    """

    lv: float = 1.0
    rv: float = 1.0
    wall: float = 1.0
    lv_stroke: float = 0.68
    rv_stroke: float = 0.8


SHAPES = {
    "DCM": Shape(lv=1.25, wall=0.8, lv_stroke=0.88),
    "HCM": Shape(lv=0.85, wall=1.6, lv_stroke=0.6),
    "MINF": Shape(lv=1.1, wall=0.9, lv_stroke=0.85),
    "NOR": Shape(),
    "RV": Shape(rv=1.25, rv_stroke=0.92),
}


def write_phantom_acdc(
    root: Path,
    *,
    subjects: int = 10,
    seed: int = 0,
    shape: tuple[int, int, int] = (8, 112, 104),
    spacing_mm: tuple[float, float, float] = (10.0, 1.5, 1.5),
) -> Path:
    """Write a phantom ACDC under `root`/training and return `root`.

    The same arguments give the same arrays; a root that already holds them is left as it is, one that holds a phantom
    with other settings is written anew.

    Args:
        subjects: patients, each with an ED and an ES frame; the five groups in turn.
        shape: voxels (d,h,w) of a typical patient; each differs from it a little in h and w.
        spacing_mm: voxel size (d,h,w) of a typical patient; each differs by up to 8 % in plane.

    Raises:
        ConfigError: an argument is out of range.
        DataError: `root` holds patients that are no phantom, or can't be written.
    """
    settings = check_phantom(
        "write_phantom_acdc",
        subjects=subjects,
        seed=seed,
        shape=shape,
        spacing_mm=spacing_mm,
        smallest=(3, 32, 32),
    )
    jobs = [
        partial(_write_patient, root / "training", number, seed=seed, shape=shape, spacing_mm=spacing_mm)
        for number in range(1, subjects + 1)
    ]
    return write_folder(root, {"data": "acdc", **settings}, entries=["training"], jobs=jobs)


def _write_patient(
    folder: Path, number: int, *, seed: int, shape: tuple[int, int, int], spacing_mm: tuple[float, ...]
) -> None:
    rng = np.random.default_rng((seed, number))
    group = GROUPS[(number - 1) % len(GROUPS)]
    depth, height, width = shape[0], *(size + int(rng.integers(-4, 5)) for size in shape[1:])
    in_plane = rng.uniform(0.92, 1.08)
    spacing = (spacing_mm[0], spacing_mm[1] * in_plane, spacing_mm[2] * in_plane)
    affine = oblique_affine(rng, spacing)
    heart = _Heart.draw(rng, group, (depth, height, width))
    scenery = _draw_scenery(rng, (depth, height, width))
    patient = folder / f"patient{number:03d}"
    patient.mkdir(parents=True, exist_ok=True)
    es = int(rng.integers(8, 15))
    for frame, systole in ((1, False), (es, True)):
        target = heart.render((depth, height, width), systole=systole)
        image = _render_image(rng, target, scenery)
        name = f"{patient.name}_frame{frame:02d}"
        write_volume(patient / f"{name}.nii.gz", image, affine=affine)
        write_volume(patient / f"{name}_gt.nii.gz", target, affine=affine)
    cm, kg = rng.uniform(155, 190), rng.uniform(55, 100)
    text = f"ED: 1\nES: {es}\nGroup: {group}\nHeight: {cm:.1f}\nNbFrame: 30\nWeight: {kg:.1f}\n"
    (patient / "Info.cfg").write_text(text, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class _Heart:
    """The geometry of one patient, in pixels: an LV, a ring of myocardium around it, and an RV crescent beside it."""

    group: str
    row: float
    column: float
    radius: float
    squeeze: float
    angle: float
    drift: float

    @classmethod
    def draw(cls, rng: np.random.Generator, group: str, shape: tuple[int, int, int]) -> _Heart:
        size = min(shape[1:])
        return cls(
            group=group,
            row=shape[1] * rng.uniform(0.46, 0.54),
            column=shape[2] * rng.uniform(0.5, 0.58),
            radius=size * rng.uniform(0.11, 0.13),
            squeeze=rng.uniform(0.9, 1.1),
            angle=rng.uniform(-0.5, 0.5),
            drift=rng.uniform(-0.04, 0.04) * size,
        )

    def render(self, shape: tuple[int, int, int], *, systole: bool) -> np.ndarray:
        """The label map (D,H,W), shorter and narrower in systole; the last slice (systole: the first too) is empty."""
        form = SHAPES[self.group]
        lv = self.radius * form.lv * (form.lv_stroke if systole else 1.0)
        wall = self.radius * 0.42 * form.wall * (1.3 if systole else 1.0)
        rv = self.radius * 1.25 * form.rv * (form.rv_stroke if systole else 1.0)
        target = np.zeros(shape, dtype=np.uint8)
        first, last = (1 if systole and shape[0] > 4 else 0), shape[0] - 2
        rows, columns = np.mgrid[: shape[1], : shape[2]].astype(np.float64)
        for k in range(first, last + 1):
            t = (k - first) / max(last - first, 1)
            taper = np.sqrt(1 - (0.85 * t) ** 2)
            y = rows - self.row - self.drift * t
            x = columns - self.column
            y, x = y * np.cos(self.angle) + x * np.sin(self.angle), x * np.cos(self.angle) - y * np.sin(self.angle)
            distance = np.hypot(y / self.squeeze, x * self.squeeze)
            outer = lv * taper + wall
            beside = np.hypot(y / 1.35, x + outer)
            if t < 0.85:
                target[k][beside < rv * taper] = RV
            target[k][distance < outer] = MYO
            target[k][distance < lv * taper] = LV
        return target


def _draw_scenery(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """What surrounds the heart: a chest, dark lungs, a few bright vessels; (H,W) intensities, alike in all slices."""
    y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    scene = np.where(np.hypot(y / 0.9, x / 0.95) < 1, 420.0, 20.0)
    for side in (-1, 1):
        scene[np.hypot((y + 0.05) / 0.6, (x - side * 0.62) / 0.28) < 1] = 90.0
    for _ in range(4):
        angle, reach, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 0.8), rng.uniform(0.03, 0.08)
        scene[np.hypot(y - reach * np.sin(angle), x - reach * np.cos(angle)) < radius] = 800.0
    return scene


def _render_image(rng: np.random.Generator, target: np.ndarray, scenery: np.ndarray) -> np.ndarray:
    """Intensities (D,H,W) int16 of the heart in its surroundings."""
    blood, muscle = rng.uniform(780, 900), rng.uniform(260, 330)
    scene = np.broadcast_to(scenery, target.shape).copy()
    for label, value in ((RV, blood * 0.95), (MYO, muscle), (LV, blood)):
        scene[target == label] = value
    return render_scene(rng, scene)
