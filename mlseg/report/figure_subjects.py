"""The dataset reliability histogram: how far reliability differs from subject to subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.report.bin_errors import compute_subject_accuracy
from mlseg.report.figure_grid import TICKS, Grid, choose_grid, head_panel, label_vertical, name_row
from mlseg.report.figure_style import (
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    Sheet,
    format_count,
    format_error,
    name_region,
    set_unit_ticks,
    styled,
)
from mlseg.report.summary import compute_mean, compute_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The accuracy of fewer voxels is off by more than 0.1 by chance alone: its standard error is up to 0.5 / sqrt(n).
MIN_VOXELS = 25
ACCURACY_CELLS = 20
# Up to so many subjects are drawn one by one; of more only the histogram is.
FEW_SUBJECTS = 10
SHADES = ("#DCEBF6", "#8FC1E0", "#2F88BF", "#00406A")
KEY_HEIGHT = 0.32


@dataclass(frozen=True, kw_only=True)
class SubjectPanel:
    """One panel.

    Args:
        parts: subject -> histograms of the region, merged over the subject's cases.
        errors: the subjects' ECE, in the definition of the protocol's table; NaN where undefined.
    """

    parts: Mapping[str, BinCounts]
    errors: Sequence[float]


def build_subject_reliability(
    rows: Mapping[str, Mapping[str, SubjectPanel]], *, title: str, bins: int = 15, min_voxels: int = MIN_VOXELS
) -> Figure:
    """A dataset reliability histogram per label and region: the subjects' reliability diagrams laid over each other.

    For each subject, the voxels of its cases give an accuracy per bin of confidence, where the bin holds at least
    `min_voxels` of them. A column of the histogram shows how the subjects' accuracies in that bin are spread over 20
    cells from 0 to 1, each subject weighing the same; the line joins their medians. The strip below counts the
    subjects that a column rests on. Up to ten subjects are drawn as thin lines instead.

    Args:
        rows: label -> region -> panel; the label "" needs no name.
        title: what was judged.
        bins: number of equal-width bins, a divisor of 300.
        min_voxels: fewer voxels of a subject in a bin do not count.

    Raises:
        RunError: if there is no region to draw.
        ConfigError: if `bins` does not divide 300.

    Source: the name and the idea are from Barfoot et al., arXiv 2506.03942, who lay per-image diagrams over each other.
    """
    regions = list(next(iter(rows.values()), {}))
    if not regions:
        raise RunError("build_subject_reliability: at least one region is needed, got none. Evaluate the run again.")
    grid = choose_grid(len(rows), len(regions))
    most = max(len(panel.parts) for panels in rows.values() for panel in panels.values())
    few = most <= FEW_SUBJECTS
    with styled():
        caption = _write_caption(bins, min_voxels, few)
        sheet = grid.start(title=title, caption=caption, foot=0.0 if few else KEY_HEIGHT)
        for column, region in enumerate(regions):
            subjects = max(_count_subjects(panels[region]) for panels in rows.values())
            grid.head_column(sheet, column, name_region(region), format_count(subjects, "subject"))
        for row, (label, panels) in enumerate(rows.items()):
            for column, region in enumerate(regions):
                panel = panels[region]
                accuracy = compute_subject_accuracy(list(panel.parts.values()), bins, min_voxels=min_voxels)
                upper, lower = grid.add_panel(sheet, row, column), grid.add_strip(sheet, row, column)
                _draw_subjects(upper, accuracy, few)
                _draw_numbers(lower, accuracy)
                head_panel(upper, f"ECE {_describe_errors(panel.errors)}")
                _label(upper, lower, label, first=column == 0, last=row == len(rows) - 1)
        if not few:
            _draw_key(sheet, grid, most)
    return sheet.figure


def _write_caption(bins: int, min_voxels: int, few: bool) -> str:
    drawn = (
        "Thin lines: subjects."
        if few
        else f"Shading: how many subjects have an accuracy in that cell ({ACCURACY_CELLS} cells)."
    )
    return (
        f"Reliability of the predicted class, subject by subject, {bins} bins; each subject weighs the same. {drawn} "
        f"Line: median over the subjects with at least {min_voxels} voxels in the bin, whose number is in the strip; "
        "hollow: fewer than half of all. ECE: mean ± SD over subjects."
    )


def _count_subjects(panel: SubjectPanel) -> int:
    return sum(counts.voxels > 0 for counts in panel.parts.values())


def _describe_errors(errors: Sequence[float]) -> str:
    """Mean and spread over subjects."""
    spread = compute_std(errors)
    mean = format_error(compute_mean(errors))
    return mean if np.isnan(spread) else f"{mean} ± {format_error(spread)}"


def _draw_subjects(axes: Axes, accuracy: np.ndarray, few: bool) -> None:
    """Diagonal, the subjects as lines or as a histogram, and the median of each bin."""
    bins = accuracy.shape[1]
    centres = (np.arange(bins) + 0.5) / bins
    if few:
        for line in accuracy:
            axes.plot(centres, line, color=BLUE, linewidth=0.7, alpha=0.55, marker=".", markersize=2, zorder=2)
    else:
        cells = count_cells(accuracy)
        image = axes.pcolormesh(
            np.linspace(0, 1, bins + 1),
            np.linspace(0, 1, ACCURACY_CELLS + 1),
            np.ma.masked_equal(cells.T, 0),
            cmap=_build_shades(),
            vmin=0,
            vmax=len(accuracy),
            zorder=0,
            linewidth=0,
            rasterized=True,
        )
        image.set_edgecolor("face")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=3)
    numbers = (~np.isnan(accuracy)).sum(axis=0)
    known = numbers > 0
    medians = np.full(bins, np.nan)
    medians[known] = np.nanmedian(accuracy[:, known], axis=0)
    axes.plot(centres, medians, color=VERMILION, linewidth=1.0, zorder=4)
    faces = [VERMILION if 2 * number >= len(accuracy) else "white" for number in numbers[known]]
    size = min(1.0, 15 / bins)
    axes.scatter(
        centres[known],
        medians[known],
        s=9 * size,
        c=faces,
        edgecolors=VERMILION,
        linewidths=0.8,
        zorder=5,
        clip_on=False,
    )
    set_unit_ticks(axes)


def count_cells(accuracy: np.ndarray) -> np.ndarray:
    """Subjects per bin of confidence and cell of accuracy; an accuracy of 1 lies in the last cell.

    Shape:
        (subjects, bins) with NaN where a subject has none -> (bins, 20).

    Example:
        >>> cells = count_cells(np.array([[0.0, 1.0], [0.04, float("nan")]]))
        >>> cells[0, 0], cells[1, 19], cells.sum()
        (np.int64(2), np.int64(1), np.int64(3))
    """
    cells = np.zeros((accuracy.shape[1], ACCURACY_CELLS), dtype=np.int64)
    subject, place = np.nonzero(~np.isnan(accuracy))
    cell = np.minimum((accuracy[subject, place] * ACCURACY_CELLS).astype(int), ACCURACY_CELLS - 1)
    np.add.at(cells, (place, cell), 1)
    return cells


def _draw_numbers(axes: Axes, accuracy: np.ndarray) -> None:
    """How many subjects each bin rests on."""
    bins, subjects = accuracy.shape[1], len(accuracy)
    numbers = (~np.isnan(accuracy)).sum(axis=0)
    axes.bar(np.arange(bins) / bins, numbers, 0.9 / bins, align="edge", color=BLUE, alpha=0.6, linewidth=0)
    axes.set(xlim=(0, 1), ylim=(0, subjects), xticks=TICKS, xticklabels=[f"{tick:g}" for tick in TICKS])
    axes.set(yticks=(0, subjects), yticklabels=("0", str(subjects)))


def _label(upper: Axes, lower: Axes, name: str, *, first: bool, last: bool) -> None:
    """Words on the outer axes only."""
    upper.tick_params(labelbottom=False, labelleft=first)
    lower.tick_params(axis="y", labelleft=first, labelsize=SMALL)
    lower.tick_params(axis="x", labelbottom=last)
    if last:
        lower.set_xlabel("Confidence", labelpad=2)
    if first:
        label_vertical(upper, "Accuracy")
        label_vertical(lower, "Subjects", small=True)
        if name:
            name_row(upper, name)


def _draw_key(sheet: Sheet, grid: Grid, most: int) -> None:
    """The shades and their numbers, at the foot of the sheet."""
    height = sheet.figure.get_size_inches()[1]
    axes = sheet.add_axes(grid.left, height - 0.27, 1.36, 0.08)
    axes.imshow(np.linspace(0, 1, 128)[None], cmap=_build_shades(), aspect="auto", extent=(0, most, 0, 1))
    axes.set(yticks=(), xticks=(1, most / 2, most), xticklabels=("1", f"{most / 2:g}", str(most)))
    axes.tick_params(labelsize=SMALL, length=1.5, pad=1)
    axes.spines[:].set_visible(False)
    sheet.add_text(grid.left + 1.36 + 0.12, height - 0.29, "subjects in the cell", fontsize=SMALL, color=GREY)


def _build_shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("subjects", SHADES)
