"""A synthetic twin of ACDC: nested, beating ventricles in noise, in the official layout, with known shapes.

Tests, the demo and a newcomer's first minute read it through exactly the code that reads the real data set.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import COUNT, POSITIVE, ConfigError, DataError, Range, check_range
from mlseg.data.nifti import write_volume

GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")
RV, MYO, LV = 1, 2, 3
MARKER = "phantom.json"
_VERSION = 1


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
    check_range("write_phantom_acdc", "subjects", subjects, COUNT)
    check_range("write_phantom_acdc", "seed", seed, Range(low=0, integer=True))
    if len(shape) != 3 or len(spacing_mm) != 3:
        raise ConfigError(
            f"write_phantom_acdc: shape and spacing_mm must be (d,h,w), got {shape}, {spacing_mm}. Give 3."
        )
    for value, low in zip(shape, (3, 32, 32), strict=True):
        check_range("write_phantom_acdc", "shape", value, Range(low=low, integer=True))
    for length in spacing_mm:
        check_range("write_phantom_acdc", "spacing_mm", length, POSITIVE)
    settings = {"version": _VERSION, "subjects": subjects, "seed": seed, "shape": [*shape], "spacing_mm": [*spacing_mm]}
    try:
        if _claim(root, settings):
            for number in range(1, subjects + 1):
                _write_patient(root / "training", number, seed=seed, shape=shape, spacing_mm=spacing_mm)
            (root / MARKER).write_text(json.dumps({**settings, "complete": True}) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{root}: must be a folder that can be written, got {error}. Give another root.") from error
    return root


def _claim(root: Path, settings: dict[str, Any]) -> bool:
    """Make `root` ready to be written; False if the phantom is already there. Real patients are never touched."""
    marker, training = root / MARKER, root / "training"
    found: object = None
    if marker.is_file():
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except ValueError:
            found = "damaged"
        if (
            found == {**settings, "complete": True}
            and len([*training.glob("*/*_gt.nii.gz")]) == 2 * settings["subjects"]
        ):
            return False
        shutil.rmtree(training, ignore_errors=True)
    elif root.is_dir() and any(root.iterdir()):
        raise DataError(f"{root}: must be empty or hold a phantom, got other files. Give another root.")
    training.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(settings) + "\n", encoding="utf-8")
    return True


def _write_patient(
    folder: Path, number: int, *, seed: int, shape: tuple[int, int, int], spacing_mm: tuple[float, ...]
) -> None:
    rng = np.random.default_rng((seed, number))
    group = GROUPS[(number - 1) % len(GROUPS)]
    depth, height, width = shape[0], *(size + int(rng.integers(-4, 5)) for size in shape[1:])
    in_plane = rng.uniform(0.92, 1.08)
    spacing = (spacing_mm[0], spacing_mm[1] * in_plane, spacing_mm[2] * in_plane)
    affine = _oblique_affine(rng, spacing)
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


def _oblique_affine(rng: np.random.Generator, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """An (i,j,k) to world matrix, tilted like a short-axis view."""
    a, b, c = rng.uniform(-0.6, 0.6, size=3)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn_z @ turn_y @ turn_x @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(spacing_mm[::-1])
    affine[:3, 3] = rng.uniform(-120, 120, size=3)
    return affine


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
    """Intensities (D,H,W) int16: tissue with soft borders, times a bias field and texture, plus noise."""
    from scipy.ndimage import gaussian_filter

    blood, muscle = rng.uniform(780, 900), rng.uniform(260, 330)
    image = np.broadcast_to(scenery, target.shape).copy()
    for label, value in ((RV, blood * 0.95), (MYO, muscle), (LV, blood)):
        image[target == label] = value
    image = gaussian_filter(image, sigma=(0, 0.7, 0.7))
    texture = gaussian_filter(rng.standard_normal(target.shape), sigma=(0, 2.0, 2.0)) * 7
    y, x = np.mgrid[-1 : 1 : target.shape[1] * 1j, -1 : 1 : target.shape[2] * 1j]
    slope_y, slope_x, bow = rng.uniform(-0.2, 0.2, size=3)
    bias = 1 + slope_y * y + slope_x * x + bow * x * y
    image = image * bias * (1 + 0.12 * texture) + rng.normal(0, 35, size=target.shape)
    return np.clip(np.rint(image), 0, 4095).astype(np.int16)
