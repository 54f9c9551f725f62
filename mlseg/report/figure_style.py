"""The looks that all figures share: colours, fonts, and a sheet on which parts are placed by hand, in inches."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.records import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 300
# Blue and vermilion of Okabe and Ito's palette, which colour-blind readers tell apart.
BLUE, VERMILION, GREY, PALE = "#0072B2", "#D55E00", "#666666", "#DDDDDD"
SMALL, NORMAL, LARGE = 6.5, 7.5, 9.0
LINE = 0.155
SMALL_LINE = 0.125
MARGIN = 0.1
# Roughly, of DejaVu Sans at the sizes above; a title is bold.
TITLE_CHARACTERS_PER_INCH = 11.0
CAPTION_CHARACTERS_PER_INCH = 21.0
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": NORMAL,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "text.usetex": False,
    "text.parse_math": False,
    "axes.unicode_minus": False,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """matplotlib's settings inside a `with`, whatever the reader's own are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A figure whose parts are placed in inches from its upper left corner; layout engines take seconds instead.

    Args:
        figure: the figure.
        body: where the room below the heading begins, in inches from the top.
    """

    figure: Figure
    body: float

    def add_axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Axes of the given size whose upper left corner lies at (left, top) inches."""
        whole_width, whole_height = self.figure.get_size_inches()
        bottom = whole_height - top - height
        place = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
        return self.figure.add_axes(place, **options)

    def add_text(self, left: float, top: float, text: str, **options: Any) -> None:
        """Text whose upper left corner lies at (left, top) inches, if not aligned otherwise."""
        width, height = self.figure.get_size_inches()
        options = {"ha": "left", "va": "top", "fontsize": NORMAL, **options}
        self.figure.text(left / width, 1 - top / height, text, **options)


def start_sheet(width: float, body: float, *, title: str, caption: str) -> Sheet:
    """An empty figure with a title and, below it, what is shown.

    Args:
        width: inches.
        body: height below title and caption, inches.
        title: what was judged, and under which protocol; wrapped as needed.
        caption: how to read the figure; wrapped as needed.
    """
    from matplotlib.figure import Figure

    room = width - 2 * MARGIN
    titles = textwrap.wrap(title, max(int(TITLE_CHARACTERS_PER_INCH * room), 1))
    captions = textwrap.wrap(caption, max(int(CAPTION_CHARACTERS_PER_INCH * room), 1))
    below_title = MARGIN + LINE * len(titles) + 0.03
    below_caption = below_title + SMALL_LINE * len(captions) + 0.1
    sheet = Sheet(figure=Figure(figsize=(width, below_caption + body), dpi=DPI), body=below_caption)
    for place, line in enumerate(titles):
        sheet.add_text(MARGIN, MARGIN + LINE * place, line, fontsize=LARGE, fontweight="bold")
    for place, line in enumerate(captions):
        sheet.add_text(MARGIN, below_title + SMALL_LINE * place, line, fontsize=SMALL, color=GREY)
    return sheet


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG with 300 dots per inch, in one step. Raises RunError if it cannot be written."""
    with replacing(path) as temporary, styled():
        # White pages pack well even at zlib's quick levels.
        figure.savefig(temporary, format="png", dpi=DPI, pil_kwargs={"compress_level": 3})


def set_unit_ticks(axes: Axes, ticks: tuple[float, ...] = (0, 0.25, 0.5, 0.75, 1)) -> None:
    """Both axes from 0 to 1 with short numbers at the ticks."""
    names = [f"{tick:g}" for tick in ticks]
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, xticklabels=names, yticks=ticks, yticklabels=names)


def name_region(region: str) -> str:
    """A region as a heading.

    Example:
        >>> name_region("image"), name_region("roi")
        ('Image', 'ROI')
    """
    return "ROI" if region == "roi" else region.capitalize()


def format_error(value: float) -> str:
    """A calibration error with three decimals, "n/a" if it is undefined.

    Example:
        >>> format_error(0.0314), format_error(float("nan"))
        ('0.031', 'n/a')
    """
    return "n/a" if value != value else f"{value:.3f}"


def format_count(number: int, noun: str) -> str:
    """A number with its noun in the right form.

    Example:
        >>> format_count(1, "case"), format_count(20, "subject"), format_count(12_345_678, "voxel")
        ('1 case', '20 subjects', '12.3 million voxels')
    """
    amount = f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,}"
    return f"{amount} {noun}{'' if number == 1 else 's'}"
