"""The runs that the report page is tested with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mlseg.functional.views_file import CaseView, write_views

EVIL = "<script>alert(1)</script>"
LABELS = ["background", "RV", EVIL]


def make_view(case_id: str, *, shift: int, confidence: bool = True) -> CaseView:
    """A disc in a ring; the prediction lies `shift` columns to the right. All is certain but for the wrong voxels."""
    rows, columns = np.mgrid[:64, :64]

    def draw(centre: int) -> np.ndarray:
        distance = np.hypot(rows - 32, columns - centre)
        return np.select([distance < 8, distance < 16], [1, 2], 0).astype(np.uint8)

    planes = {"target": draw(30), "prediction": draw(30 + shift), "image": (rows * 2 + columns).astype(np.uint8)}
    sure = np.where(planes["target"] == planes["prediction"], 255, 128).astype(np.uint8) if confidence else None
    return CaseView(case_id=case_id, slice_index=3, spacing_mm=(1.5, 1.5), confidence=sure, **planes)


def write_report_runs(folder: Path, write_run: Any) -> None:
    """Write three losses with two seeds, one without views, and a run on other data whose names are hostile.

    The second seed of mbls shows another slice of the fifth case.
    """
    labels = {"evaluation.default.labels": LABELS}
    for shift, loss in enumerate(("ce", "mbls", "ls")):
        for seed in (1, 2):
            place = folder / "runs" / loss / f"seed{seed}"
            write_run(place, loss=loss, seed=seed, shift=0.05 * shift, subjects=7, settings=labels)
            cases = [f"p{n:02d}_{frame}" for n in range(7) for frame in ("ED", "ES")]
            if loss != "ls":
                views = [make_view(case, shift=2 + shift) for case in cases]
                if (loss, seed) == ("mbls", 2):
                    views[4] = replace(views[4], slice_index=4)
                write_views(place / "views.npz", views)
            (place / "figures").mkdir()
            for name in ("reliability", "reliability_subjects_paper"):
                Image.new("RGB", (300, 200), "white").save(place / "figures" / f"{name}.png")
    hostile = write_run(folder / "runs" / "zz", loss=EVIL, data=EVIL, subjects=1, settings=labels)
    scores = hostile / "scores.csv"
    scores.write_text(scores.read_text().replace("p00_ED", EVIL))
    write_views(hostile / "views.npz", [make_view(EVIL, shift=3, confidence=False)])
