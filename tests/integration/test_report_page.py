"""The report page in a browser: it opens without the network, filters, sorts, and paints slices."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlseg.cli.report import run
from tests.integration.report_page_runs import EVIL, write_report_runs

SKIPPED = "THE REPORT PAGE WAS NOT TESTED IN A BROWSER: it needs Chromium and `pip install playwright`"
sync_api = pytest.importorskip("playwright.sync_api", reason=SKIPPED)
# On the PATH, or where it is said to be.
CHROMIUM = os.environ.get("MLSEG_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip(SKIPPED, allow_module_level=True)

LOCAL = ("file:", "data:", "blob:")
# Of the classes, as on the page: the first two of the palette.
RV, SECOND = (230, 159, 0), (86, 180, 233)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, write_run: Any) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report_runs(folder, write_run)
    assert run([str(folder / "runs"), f"output={folder / 'report.html'}"]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield own
        own.close()


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The open page; whatever the test does, nothing is fetched and nothing is complained about."""
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    own, troubles = context.new_page(), []
    own.on("console", lambda message: troubles.append(message.text))
    own.on("pageerror", lambda error: troubles.append(str(error)))
    own.on("dialog", lambda dialog: troubles.append(dialog.message))
    own.on("request", lambda request: None if request.url.startswith(LOCAL) else troubles.append(request.url))
    own.goto(report.as_uri())
    own.wait_for_selector("html[data-ready] .panel canvas")
    yield own
    context.close()
    assert troubles == []


def read_picture(page: Any, panel: int) -> np.ndarray:
    """(h,w,3) what a picture of the first group shows."""
    data = page.locator("#group-0 .panel canvas").nth(panel).evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))


def read_voxel(page: Any, panel: int, column: int) -> tuple[int, ...]:
    """The colour in the middle of a voxel of row 32."""
    left, top, side = json.loads(page.locator("#data").text_content())["groups"][0]["cases"][0]["window"]
    picture = read_picture(page, panel)
    y, x = ((32.5 * 1.5 - top) / side, ((column + 0.5) * 1.5 - left) / side)
    return tuple(picture[int(y * len(picture)), int(x * len(picture))].tolist())


def list_cells(page: Any, column: str) -> list[str]:
    """The texts of a column of the table of cases, of the rows that are shown."""
    script = """(table, name) => {
        const heads = [...table.tHead.rows[0].cells].filter((cell) => cell.offsetParent);
        const { cellIndex } = heads.find((cell) => cell.querySelector("button").textContent === name);
        return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[cellIndex].textContent);
    }"""
    return page.locator("#group-0 table.cases").evaluate(script, column)


def test_filters_leave_the_rows_runs_and_cases_they_name(page):
    group = page.locator("#group-0")
    assert len(list_cells(page, "Runs")) == 6 * 14
    # The filter leaves none of those that were chosen, so it chooses one itself.
    group.get_by_label("mbls, seed 1").uncheck()
    group.get_by_label("Loss").select_option("mbls")
    assert set(list_cells(page, "Runs")) == {"mbls"}
    assert group.locator(".filter output").inner_text() == "28 of 84 rows"
    group.locator("input[name=case]").fill("P03")
    assert set(list_cells(page, "Case")) == {"p03_ED", "p03_ES"}
    assert group.locator("select.case option").all_inner_texts() == ["p03_ED", "p03_ES"]
    sync_api.expect(group.locator(".panel")).to_have_count(2)
    assert [text.split()[0] for text in group.locator(".panel h4").all_inner_texts()] == ["Reference", "mbls"]
    assert group.locator("figure.embedded[data-kind]:visible").count() == 2
    group.locator("input[name=case]").fill("nobody")
    assert "No case is left" in group.locator(".message").inner_text()
    assert group.locator(".panel").count() == 0
    group.get_by_role("button", name="Show all").click()
    page.wait_for_selector("#group-0 .panel")
    assert len(list_cells(page, "Runs")) == 6 * 14


def test_tables_sort_by_what_is_clicked(page):
    group = page.locator("#group-0")
    head = group.locator("table.cases th:visible", has_text="Dice")
    for order in ("descending", "ascending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        values = [float(text) for text in list_cells(page, "Dice")]
        assert values == sorted(values, reverse=order == "descending")
        assert len(set(values)) > 20
    summary = group.locator(".for-default table.summary")
    summary.get_by_role("button", name="Runs").press("Enter")
    assert summary.locator("tbody th").all_inner_texts() == ["ce", "ls", "mbls"]
    summary.get_by_role("button", name="Dice").press("Space")
    assert summary.locator("tbody th").all_inner_texts() == ["ls", "mbls", "ce"]


def test_layers_are_painted_where_they_belong(page):
    viewer = page.locator("#group-0 .viewer")
    assert (read_picture(page, 0) == 255).all(axis=2).sum() > 200
    viewer.get_by_label("Reference outline").uncheck()
    viewer.get_by_label("Prediction", exact=True).uncheck()
    assert (read_picture(page, 0) == 255).all(axis=2).sum() == 0
    plain = read_voxel(page, 1, 40)
    assert len(set(plain)) == 1
    viewer.get_by_label("Opacity").fill("100")
    viewer.get_by_label("Prediction", exact=True).check()
    # The middle of the disc, of the ring, and beside both; the prediction of ce lies two columns to the right.
    assert [read_voxel(page, 1, column) for column in (32, 45, 55)] == [RV, SECOND, (119, 119, 119)]
    assert read_voxel(page, 0, 45) == SECOND
    assert read_voxel(page, 0, 47) != SECOND == read_voxel(page, 1, 47)
    viewer.get_by_label("Confidence", exact=True).check()
    viewer.get_by_label("Prediction", exact=True).uncheck()
    assert read_voxel(page, 1, 30) == (253, 231, 37)
    assert read_voxel(page, 1, 47) not in ((253, 231, 37), SECOND)
    assert "confidence 0.33" in viewer.locator(".legend").inner_text()
    viewer.get_by_label("Confidence", exact=True).uncheck()
    before = viewer.locator(".panel canvas").nth(1).screenshot()
    viewer.get_by_label("Wrong voxels").check()
    assert viewer.locator(".panel canvas").nth(1).screenshot() != before
    assert viewer.locator(".panel canvas").nth(0).screenshot() != before


def test_a_voxel_tells_its_classes_and_confidence(page):
    viewer = page.locator("#group-0 .viewer")
    canvas = viewer.locator(".panel canvas").nth(1)
    canvas.hover()
    readouts = viewer.locator(".readout").all_inner_texts()
    assert readouts[0].endswith("reference RV")
    assert readouts[1].endswith("reference RV; predicted RV; confidence 1.00")
    assert viewer.locator(".probe:visible").count() == viewer.locator(".panel canvas:visible").count() == 3
    page.mouse.move(5, 5)
    canvas.focus()
    for _ in range(30):
        canvas.press("ArrowRight")
        if "wrong" in viewer.locator(".readout").nth(1).inner_text():
            break
    assert viewer.locator(".readout").nth(1).inner_text().endswith("predicted RV; confidence 0.50; wrong")
    assert f"reference {EVIL}" in viewer.locator(".readout").nth(0).inner_text()


def test_cases_are_walked_through_and_chosen_in_the_table(page):
    group = page.locator("#group-0")
    group.get_by_label("Next case").click()
    sync_api.expect(group.locator("select.case")).to_have_value("1")
    assert group.locator("tr.current").count() == 6
    # The second seed of ls, which has no slices.
    row = group.locator('table.cases tr[data-run="3"][data-case="11"]')
    row.get_by_role("button").click()
    sync_api.expect(group.locator(".panel")).to_have_count(5)
    assert group.locator("select.case option:checked").inner_text() == "p05_ES"
    text = group.locator(".panel").nth(3).inner_text()
    for part in ("ls seed 2", "no slice of this case", row.locator("td.for-default").first.inner_text()):
        assert part in text


def test_a_run_with_another_slice_says_so_in_its_place(page):
    group = page.locator("#group-0")
    assert "first run that has the case: mbls, seed 2 (1 case)." in group.inner_text()
    group.locator('tr[data-run="5"][data-case="4"]').get_by_role("button").click()
    panel = group.locator(".panel", has_text="mbls seed 2")
    sync_api.expect(panel).to_contain_text("Left out: this run shows another slice")
    assert panel.locator("canvas:visible").count() == 0


def test_the_other_protocol_and_another_base_can_be_chosen(page):
    group = page.locator("#group-0")
    assert "HD95 (mm)" in group.locator("table.summary:visible").inner_text()
    group.get_by_role("radio", name="evaluation=paper").check()
    assert "HD95 (voxel)" in group.locator("table.summary:visible").inner_text()
    assert "HD95 (voxel)" in group.locator(".panel figcaption").nth(1).inner_text()
    # The labels beside the Dice are those of the same protocol.
    dice = json.loads(page.locator("#data").text_content())["groups"][0]["runs"][0]["dice"]
    caption = group.locator(".panel figcaption").nth(1)
    for name in ("default", "paper"):
        group.get_by_role("radio", name=f"evaluation={name}").check()
        sync_api.expect(caption).to_contain_text(f"({dice[name][0]})")
        numbers = [float(text) for text in re.findall(r"0\.\d+", caption.inner_text().partition(")")[0])]
        assert numbers[0] == pytest.approx(sum(numbers[1:]) / 2, abs=1.1e-3)
    group.get_by_label("Against").last.select_option("mbls")
    assert "Difference to mbls" in group.locator("table.differences:visible").inner_text()


def test_hostile_names_stand_as_text(page):
    group = page.locator("#group-1")
    assert EVIL in group.locator("h2").inner_text()
    assert EVIL in group.locator("select.case").inner_text()
    assert EVIL in group.locator(".legend").inner_text()
    assert page.locator("script").count() == page.locator("body > script").count()


def test_figures_are_unpacked(page):
    images = page.locator("#group-0 figure.embedded[data-kind]:visible img")
    assert images.count() == 6
    assert images.first.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 300


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (390, "light"), (1366, "dark")])
def test_it_fits_every_screen(browser, report, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_selector(".panel canvas")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    corner = Image.open(io.BytesIO(page.screenshot())).convert("RGB").getpixel((2, 2))
    assert (sum(corner) < 150) == (scheme == "dark")
    context.close()
