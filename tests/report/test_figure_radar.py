"""The radar of methods."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_radar import MOST_METHODS, RadarAxis, build_radar, format_ends, place_value


def make_axes(methods=("CE", "MbLS", "FL"), headings=("Dice", "HD95 (mm)", "ECE", "CECE")):
    found = []
    for place, heading in enumerate(headings):
        values = {name: 0.1 + 0.01 * ((number + place) % len(methods)) for number, name in enumerate(methods)}
        found.append(
            RadarAxis(heading=heading, unit="mm" if "mm" in heading else "1", higher=place == 0, values=values)
        )
    return found


def draw(methods=("CE", "MbLS", "FL"), **options):
    return build_radar(methods, make_axes(methods, **options), title="acdc", about="8 subjects.")


def find_lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}


def test_lines_run_through_the_scaled_values():
    lines = find_lines(draw())
    assert list(lines) == ["CE", "MbLS", "FL"]
    radii = np.hypot(*lines["CE"].get_data())
    assert radii == pytest.approx(
        [place_value(axis, "CE") for axis in make_axes()] + [place_value(make_axes()[0], "CE")]
    )
    x, y = lines["CE"].get_data()
    # the first axis points up, the second to the right
    assert (x[0], y[0]) == pytest.approx((0, radii[0]), abs=1e-9)
    assert (x[1], y[1]) == pytest.approx((radii[1], 0), abs=1e-9)


def test_the_best_is_outside_in_either_direction():
    axis = RadarAxis(heading="Dice", unit="1", higher=True, values={"a": 0.9, "b": 0.5})
    assert (place_value(axis, "a"), place_value(axis, "b")) == (1, 0.25)
    axis = RadarAxis(heading="ECE", unit="1", higher=False, values={"a": 0.9, "b": 0.5})
    assert (place_value(axis, "a"), place_value(axis, "b")) == (0.25, 1)
    equal = RadarAxis(heading="ECE", unit="1", higher=False, values={"a": 0.5, "b": 0.5, "c": float("nan")})
    assert (place_value(equal, "a"), place_value(equal, "b")) == (1, 1)
    assert np.isnan(place_value(equal, "c"))


def test_each_axis_tells_its_numbers():
    texts = [text.get_text() for text in draw().axes[0].texts]
    assert texts[0] == "Dice\nbest 0.120\nworst 0.100"
    assert texts[1] == "HD95 (mm)\nbest 0.10\nworst 0.12"


def test_numbers_that_would_look_the_same_have_more_decimals():
    axis = RadarAxis(heading="ECE", unit="1", higher=False, values={"a": 0.00812, "b": 0.00796, "c": 0.0080})
    assert format_ends(axis) == ("0.0081", "0.0080")
    assert format_ends(RadarAxis(heading="ECE", unit="1", higher=False, values={"a": 0.1, "b": 0.1})) == (
        "0.100",
        "0.100",
    )


def test_methods_differ_in_more_than_colour():
    methods = tuple(f"method {n}" for n in range(MOST_METHODS))
    lines = find_lines(draw(methods)).values()
    assert len({line.get_color() for line in lines}) == MOST_METHODS
    assert len({line.get_marker() for line in lines}) == MOST_METHODS


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_everything_is_on_the_page(number):
    headings = ("Dice", "HD95 (voxel)", "ECE image", "ECE foreground", "CECE foreground", "CECE boundary")[:number]
    figure = draw(("UNet++, CE", "TransUNet, MbLS"), headings=headings)
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend().get_window_extent()
    page = figure.bbox
    assert legend.x1 <= page.x1
    caption = min(text.get_window_extent().y0 for text in figure.texts)
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert page.x0 <= box.x0
        assert box.x1 <= legend.x0
        assert page.y0 <= box.y0
        assert box.y1 <= caption


def test_what_cannot_be_read_is_refused():
    with pytest.raises(RunError, match="got 2 and 3"):
        draw(headings=("Dice", "ECE"))
    with pytest.raises(RunError, match="got 4 and 9"):
        draw(tuple("abcdefghi"))
    with pytest.raises(RunError, match="got 4 and 1"):
        draw(("a",))
    empty = RadarAxis(heading="NSD", unit="1", higher=True, values={})
    with pytest.raises(RunError, match="NSD must have a value"):
        build_radar(["a", "b"], [empty] * 3, title="acdc")
