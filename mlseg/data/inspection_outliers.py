"""Cases that stand apart from the others by their grid or their intensities: warnings for somebody to look at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlseg.data.inspection import CaseFacts
from mlseg.data.inspection_findings import Finding, count_cases, list_ids
from mlseg.data.nifti import NATIVE
from mlseg.types import CaseSource

# Slices of real scans differ in spacing and number by a factor of two or three, a wrong unit or field of view by more.
ODD_SPACING, ODD_SHAPE = 3.0, 4.0
# Scanners scale intensities as they like; by more than this, it may be another kind of image.
ODD_INTENSITY = 100.0
# Share by which pixdim may differ from the affine: a shear lengthens its columns.
ODD_PIXDIM = 0.05


def find_outliers(read: Sequence[CaseFacts], source: CaseSource) -> list[Finding]:
    """What stands out among the cases that could be read."""
    if not read:
        return []
    found = [*_find_odd_axes(read, source), *_find_odd_pixdim(read)]
    remedy = "Correct the header if it is wrong."
    found += _find_far(read, lambda case: case.spacing_mm, ODD_SPACING, kind="spacing", unit="mm", remedy=remedy)
    found += _find_far(read, lambda case: case.shape, ODD_SHAPE, kind="shape", unit="voxels", remedy="Look at them.")
    for channel, name in enumerate(source.channels):
        found += _find_odd_intensities(read, channel, name)
    return found


def _find_odd_axes(read: Sequence[CaseFacts], source: CaseSource) -> Iterator[Finding]:
    codes = Counter(case.orientation for case in read)
    if len(codes) < 2 or getattr(source, "orientation", NATIVE) != NATIVE:
        return
    usual = codes.most_common(1)[0][0]
    others = tuple(case.case_id for case in read if case.orientation != usual)
    shown = ", ".join(f"{code} in {count}" for code, count in codes.most_common())
    text = f"orientation: axes should run alike in all cases, got {shown} ({list_ids(others)})."
    remedy = f"Give data.source.orientation={usual}, which turns them."
    yield Finding(kind="orientation", text=f"{text} {remedy}", cases=others)


def _find_odd_pixdim(read: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Headers whose two ways of saying the spacing disagree."""
    wrong = tuple(
        case.case_id
        for case in read
        if not np.allclose(sorted(case.spacing_mm), case.affine_spacing_mm, rtol=ODD_PIXDIM, atol=0)
    )
    if wrong:
        text = f"spacing: pixdim and affine should give the same, got another in {count_cases(wrong)}."
        remedy = "Distances in mm are taken from pixdim; correct the header if that is wrong."
        yield Finding(kind="pixdim", text=f"{text} {remedy}", cases=wrong)


def _find_far(
    read: Sequence[CaseFacts],
    measure: Callable[[CaseFacts], Sequence[float]],
    factor: float,
    *,
    kind: str,
    unit: str,
    remedy: str,
) -> Iterator[Finding]:
    """Cases of which a length along any axis is more than a factor away from the median of all, the furthest first."""
    lengths = np.array([measure(case) for case in read], dtype=np.float64)
    median = np.median(lengths, axis=0)
    ratios = np.maximum(lengths / median, median / lengths).max(axis=1)
    odd = [index for index in np.argsort(-ratios, kind="stable").tolist() if ratios[index] > factor]
    if odd:
        ids = tuple(read[index].case_id for index in odd)
        worst, usual = (" x ".join(f"{length:.3g}" for length in row) for row in (lengths[odd[0]], median))
        text = (
            f"{kind}: should be within a factor of {factor:g} of the median, {usual} {unit} (d, h, w), got "
            f"{count_cases(ids)} further away, such as {worst}. {remedy}"
        )
        yield Finding(kind=kind, text=text, cases=ids)


def _find_odd_intensities(read: Sequence[CaseFacts], channel: int, name: str) -> Iterator[Finding]:
    flat = tuple(case.case_id for case in read if case.constant[channel])
    if flat:
        text = f"{name}: images must have contrast for a network to see it, got none in {count_cases(flat)}."
        yield Finding(kind="contrast", text=f"{text} Look at them, and download them again.", cases=flat)
    tops = np.array([max(map(abs, case.ranges[channel])) for case in read])
    median = float(np.median(tops))
    odd = [index for index in np.argsort(-tops, kind="stable").tolist() if tops[index] > ODD_INTENSITY * median > 0]
    if odd:
        ids = tuple(read[index].case_id for index in odd)
        text = (
            f"{name}: intensities should be alike, got more than {ODD_INTENSITY:g} times the median ({median:.3g}) in "
            f"{count_cases(ids)}, up to {tops[odd[0]]:.3g}. Each case is scaled by itself, so training takes them; "
            "look whether they are the same kind of image."
        )
        yield Finding(kind="intensity", text=text, cases=ids)
