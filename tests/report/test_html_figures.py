"""The figures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from mlseg.checks import RunError
from mlseg.functional.bins import compute_ece
from mlseg.functional.bins_file import write_bins
from mlseg.report import html_figures
from mlseg.report.html_figures import draw_reliability, embed_file, list_figures, list_ramp, title_figure
from mlseg.report.html_groups import group_sets
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def gather(tmp_path, write_run, make_case):
    def call(*losses, seeds=(1,), bins=True):
        runs = []
        for loss in losses:
            for seed in seeds:
                path = write_run(tmp_path / f"{loss}-{seed}", loss=loss, seed=seed, subjects=2, frames=("ED",))
                if bins:
                    keys = [
                        ("default", region, "all", case) for region in ("image", "foreground") for case in ("a", "b")
                    ]
                    write_bins(path / "bins.npz", {key: make_case(seed) for key in keys})
                runs.append(read_run(path))
        (group,) = group_sets(group_runs(runs))
        return group

    return call


def read_png(figure):
    return Image.open(io.BytesIO(base64.b64decode(figure.data)))


@pytest.fixture
def drawn(monkeypatch):
    """What the diagrams were made of, without drawing them."""
    found = []
    monkeypatch.setattr(html_figures, "build_reliability", lambda rows, **options: found.append((rows, options)))
    monkeypatch.setattr(html_figures, "_render", lambda title, figure: title)
    return found


def test_several_sets_have_a_figure_for_each_region(gather):
    figures = draw_reliability(gather("ce", "mbls"))
    assert [figure.title for figure in figures] == [
        f"Reliability, all voxels of the {r} pooled; seed 1" for r in ("image", "foreground")
    ]
    assert all(read_png(figure).format == "PNG" for figure in figures)


def test_one_set_has_one_figure(gather):
    assert [figure.title for figure in draw_reliability(gather("ce"))] == ["Reliability, all voxels pooled; seed 1"]


@pytest.mark.parametrize("losses", [("ce",), ("ce", "mbls")])
def test_the_cases_of_one_seed_are_pooled(gather, drawn, make_case, losses):
    titles = draw_reliability(gather(*losses, seeds=(1, 2)))
    for (rows, options), title in zip(drawn, titles, strict=True):
        for row in rows:
            for counts in row.counts.values():
                assert np.array_equal(counts.counts, 2 * make_case(1).counts)
        assert options["n_cases"] == {"image": 2, "foreground": 2}
        for text in (options["title"], title):
            assert text.endswith("; seed 1; other seeds are in the tables")


def test_seeds_that_are_wrong_in_opposite_ways_do_not_cancel(gather, drawn, make_counts):
    group = gather("ce", seeds=(1, 2))
    for run, right in zip(group.sets[0].runs, (60, 100), strict=True):
        counts = make_counts(np.full(100, 0.8), np.arange(100) < right)
        write_bins(run.path / "bins.npz", {("default", "foreground", "all", "a"): counts})
    draw_reliability(group)
    ((row,), _), *_ = drawn
    assert compute_ece(row.counts["foreground"], 15) == pytest.approx(0.2)


def test_without_histograms_there_is_none(gather):
    group = gather("ce", "mbls")
    (group.sets[1].first.path / "bins.npz").unlink()
    assert draw_reliability(group) == []


def test_a_file_is_embedded_with_few_colours_at_its_size(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cases.png")
    figure = embed_file("cases", tmp_path / "cases.png")
    picture = read_png(figure)
    assert (picture.size, picture.mode) == ((90, 60), "P")
    assert figure.size == (33, 22)
    assert figure.path == tmp_path / "cases.png"
    # The same picture, but for the colours.
    assert np.abs(np.asarray(picture.convert("RGB"), int) - pixels).mean() < 30


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "cases.png").write_bytes(content)
    with pytest.raises(RunError, match=r"cases\.png: must be a PNG"):
        embed_file("cases", tmp_path / "cases.png")


def test_known_figures_are_found_in_their_order(gather):
    group = gather("ce")
    folder = group.first.path / "figures"
    folder.mkdir()
    for name in ("cases", "reliability_paper", "reliability", "mine"):
        (folder / f"{name}.png").touch()
    assert list(list_figures(group.first)) == ["reliability", "cases", "reliability_paper"]


def test_titles_name_the_protocol():
    assert title_figure("cases") == "Best, median and worst case"
    assert title_figure("reliability_classes_merged") == "Reliability of each class (evaluation=merged)"


def test_the_ramp_runs_from_dark_to_bright():
    ramp = list_ramp()
    assert ramp[0] == "#440154"
    assert ramp[-1] == "#fde725"
