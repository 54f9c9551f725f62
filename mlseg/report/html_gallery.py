"""The figures in the report page: places for them, and what fills a place when it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlseg.report.html_figures import EmbeddedFigure, draw_reliability, embed_file, list_figures, title_figure
from mlseg.report.html_groups import DataGroup
from mlseg.report.html_words import escape, link_to


class Gallery:
    """The figures of a group: each has a place in the page and a block of its own, which is unpacked when it is seen.

    Args:
        number: of the group, from 0.
        group: its runs.
        page: the file of the page, where links start.
    """

    def __init__(self, number: int, group: DataGroup, page: Path) -> None:
        self.number, self.group, self.page = number, group, page
        self.blocks: list[tuple[str, str]] = []

    def draw_shared(self) -> str:
        """The reliability of all sets' first seeds side by side. Raises RunError if a file of histograms is damaged."""
        found = draw_reliability(self.group)
        if not found:
            return '<p class="note">Not every first seed has histograms of confidence (bins.npz).</p>'
        return f'<div class="figures wide">{"".join(self._place(figure, figure.title, {}) for figure in found)}</div>'

    def draw_own(self) -> str:
        """The figures of each run; one kind is shown at a time. Raises RunError if a file is damaged."""
        parts, kinds = [], {}
        for run_number, (name, run) in enumerate(self.group.runs):
            for kind, path in list_figures(run).items():
                kinds[kind] = title_figure(kind)
                title = f"{name}, seed {run.seed}"
                parts.append(
                    self._place(embed_file(kind, path), title, {"data-kind": kind, "data-run": str(run_number)})
                )
        if not parts:
            return '<p class="note">No run has a figure in its directory.</p>'
        options = "".join(f'<option value="{escape(kind)}">{escape(title)}</option>' for kind, title in kinds.items())
        choice = f'<p><label>Figure <select class="kind" autocomplete="off">{options}</select></label></p>'
        note = '<p class="note">Of the runs that the filter leaves. A caption opens the file itself.</p>'
        return f'{choice}{note}<div class="figures">{"".join(parts)}</div>'

    def _place(self, figure: EmbeddedFigure, title: str, attributes: Mapping[str, str]) -> str:
        source = f"figure-{self.number}-{len(self.blocks)}"
        self.blocks.append((source, figure.data))
        words = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
        hidden = " hidden" if attributes else ""
        width, height = figure.size
        caption = escape(title)
        if figure.path is not None:
            caption = f'<a href="{escape(link_to(figure.path, self.page))}">{caption}</a>'
        alt = escape(f"{figure.title}: {title}" if title != figure.title else title)
        return (
            f'<figure class="embedded" data-source="{source}"{words}{hidden}><img alt="{alt}" width="{width}" '
            f'height="{height}"><figcaption>{caption}</figcaption></figure>'
        )
