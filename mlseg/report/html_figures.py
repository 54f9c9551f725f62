"""The figures of the report page: those of each run, and the reliability of all runs side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.report.bins_file import BINS_NAME, count_cases, pool_bins, read_run_bins
from mlseg.report.case_panels import CONFIDENCE_COLOURS
from mlseg.report.definitions import FIGURES, FIGURES_FOLDER
from mlseg.report.figure_cases import shorten_middle
from mlseg.report.figure_reliability import GridRow, build_reliability
from mlseg.report.figure_style import DPI, styled
from mlseg.report.html_groups import PROTOCOLS, DataGroup
from mlseg.report.paper_image_figures import describe_first_seeds
from mlseg.report.run_set import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

# So many colours are enough for lines and colour maps, and a page of many figures stays small.
COLOURS = 128
# Pixels of a page that an inch of a figure takes at most: its letters are then as large as the page's notes.
SCREEN_DPI = 110
TITLES = {
    "reliability": "Reliability by region",
    "reliability_classes": "Reliability of each class",
    "reliability_subjects": "Reliability subject by subject",
    "ece_bins": "ECE and CECE against the number of bins",
    "cases": "Best, median and worst case",
}
# What is drawn of several sets, a figure each.
REGIONS = ("image", "foreground")
_USUAL_BINS = 15
# Letters over a panel.
_NAME = 24
_RAMP = 32
_DRAWN_DPI = 200


@dataclass(frozen=True, kw_only=True)
class EmbeddedFigure:
    """A figure inside the page.

    Args:
        title: what it shows.
        data: base64 of a PNG.
        size: (width, height) on the page, in its pixels.
        path: the file that it was made from; None if it was drawn for the page.
    """

    title: str
    data: str
    size: tuple[int, int]
    path: Path | None = None


def list_figures(run: Run) -> dict[str, Path]:
    """A figure's name -> its file, of those that the run has, in the order of FIGURES."""
    names = [f"{name}{suffix}" for suffix in ("", *(f"_{own}" for own in PROTOCOLS)) for name in FIGURES]
    found = {name: run.path / FIGURES_FOLDER / f"{name}.png" for name in names}
    return {name: path for name, path in found.items() if path.is_file()}


def title_figure(name: str) -> str:
    """What a figure shows, in words.

    Example:
        >>> title_figure("ece_bins_paper")
        'ECE and CECE against the number of bins (evaluation=paper)'
    """
    for evaluation in PROTOCOLS:
        stem = name.removesuffix(f"_{evaluation}")
        if stem != name and stem in FIGURES:
            return f"{title_figure(stem)} (evaluation={evaluation})"
    return TITLES.get(name) or FIGURES.get(name, name).capitalize()


def embed_file(name: str, path: Path) -> EmbeddedFigure:
    """A run's figure.

    Raises:
        RunError: it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return _embed(title_figure(name), picture, DPI, path)
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow says of damaged files
        raise RunError(f"{path}: must be a PNG, got {error}. Evaluate the run again, or remove the file.") from error


def draw_reliability(group: DataGroup) -> list[EmbeddedFigure]:
    """Reliability diagrams of all sets side by side, a figure for the image and one for the foreground.

    Of a single set there is one figure of all regions. The cases of a set's first seed are pooled; its other seeds are
    not, because an overconfident and an underconfident one would cancel. [] if a first seed has no histograms of all
    classes together.

    Raises:
        RunError: a file of histograms is damaged.
    """
    for evaluation in group.measures:
        counts = {one.name: pool_cases(one.first, evaluation) for one in group.sets}
        if all(counts.values()):
            return _draw_sets(group, evaluation, counts)
    return []


def pool_cases(run: Run, evaluation: str) -> dict[str, BinCounts]:
    """Region -> the histograms of all cases of a run added up; {} if it has none."""
    bins = read_run_bins(run.path) if (run.path / BINS_NAME).is_file() else {}
    return pool_bins(bins, evaluation=evaluation)


def list_ramp() -> list[str]:
    """The colours of confidence from the least to 1, evenly spaced, as "#rrggbb"."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps[CONFIDENCE_COLOURS](np.linspace(0, 1, _RAMP))]


def _draw_sets(
    group: DataGroup, evaluation: str, counts: Mapping[str, Mapping[str, BinCounts]]
) -> list[EmbeddedFigure]:
    seeds = describe_first_seeds({one.name: one for one in group.sets}, rest="in the tables")
    bins = int(group.first.settings.get(f"evaluation.{evaluation}.bins") or _USUAL_BINS)
    title = f"{group.name}; evaluation={evaluation}"
    # All sets of a group were tested on the same cases.
    cases = count_cases(read_run_bins(group.first.path), evaluation=evaluation)
    options: dict[str, Any] = {"bins": bins, "n_cases": cases}
    if len(counts) == 1:
        row = GridRow(name="", counts=next(iter(counts.values())))
        figure = build_reliability([row], title=f"{title}; {seeds}", **options)
        return [_render(f"Reliability, all voxels pooled; {seeds}", figure)]
    figures = []
    for region in REGIONS:
        rows = [
            GridRow(name=shorten_middle(name, _NAME), counts={region: own[region]})
            for name, own in counts.items()
            if region in own and own[region].voxels
        ]
        if len(rows) > 1:
            figure = build_reliability(rows, title=f"{title}; {region}; {seeds}", **options)
            figures.append(_render(f"Reliability, all voxels of the {region} pooled; {seeds}", figure))
    return figures


def _render(title: str, figure: Figure) -> EmbeddedFigure:
    from PIL import Image

    out = io.BytesIO()
    with styled():
        figure.savefig(out, format="png", dpi=_DRAWN_DPI)
    with Image.open(out) as picture:
        return _embed(title, picture, _DRAWN_DPI, None)


def _embed(title: str, picture: Image, dpi: int, path: Path | None) -> EmbeddedFigure:
    """With a palette, which takes a third of the bytes; no dithering, which would take them again."""
    from PIL import Image

    packed = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    packed.save(out, format="PNG")
    data = base64.b64encode(out.getvalue()).decode("ascii")
    width, height = (round(pixels * SCREEN_DPI / dpi) for pixels in picture.size)
    return EmbeddedFigure(title=title, data=data, size=(width, height), path=path)
