"""Made-up scores and histograms: eight subjects with two frames each under two protocols."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlseg.functional.bins import SCALE, BinCounts, compute_edges
from mlseg.functional.views_file import CaseView
from mlseg.records import Score
from mlseg.report.paper_cells import TableCell, TableSpec
from mlseg.report.run_set import build_set, read_run


def make_score(subject: str = "p1", frame: str = "ED", value: float = 0.5, **changes: Any) -> Score:
    fields = {
        "evaluation": "default",
        "subject_id": subject,
        "case_id": f"{subject}_{frame}",
        "frame": frame,
        "group": "",
        "label": "LV",
        "region": "image",
        "metric": "dice",
        "value": value,
        "unit": "1",
        "n": 1000,
    }
    return Score(**{**fields, **changes})


def make_scores(labels: tuple[str, ...] = ("RV", "Myo", "LV")) -> list[Score]:
    draw = random.Random(1)
    scores = []
    for subject, frame in ((f"patient{k:03d}", frame) for k in range(8) for frame in ("ED", "ES")):
        for evaluation, unit in (("default", "mm"), ("paper", "voxel")):
            case = {"subject": subject, "frame": frame, "evaluation": evaluation}
            for place, label in enumerate(labels):
                missed = subject == "patient003" and frame == "ES" and place == 0
                undefined = subject == "patient004" and place == 1 and evaluation == "default"
                dice = float("nan") if undefined else 0.0 if missed else draw.uniform(0.7, 0.95)
                distance = float("nan") if undefined else 412.3 if missed else draw.uniform(2, 15)
                scores.append(make_score(**case, label=label, value=dice))
                scores.append(make_score(**case, label=label, metric="hd", value=2 * distance, unit=unit))
                scores.append(make_score(**case, label=label, metric="hd95", value=distance, unit=unit))
                if evaluation == "default":
                    scores.append(make_score(**case, label=label, metric="missed", value=float(missed), unit="case"))
                    scores.append(make_score(**case, label=label, metric="invented", value=0.0, unit="case"))
            for region in ("image", "foreground", "boundary") if evaluation == "default" else ("foreground",):
                for metric in ("ece", "cece"):
                    value = draw.uniform(0.01, 0.2)
                    scores.append(make_score(**case, label="all", region=region, metric=metric, value=value))
    return scores


def make_counts(confidence: Any, hit: Any) -> BinCounts:
    """Histograms of the top label of a problem with two classes; those of the classes are left empty."""
    confidence, hit = np.asarray(confidence, float), np.asarray(hit, float)
    column = np.clip(np.searchsorted(compute_edges(), confidence, side="left") - 1, 0, 300)
    parts = []
    for weights in (np.ones_like(confidence), hit, np.round(confidence * SCALE)):
        part = np.zeros((3, 301), np.int64)
        np.add.at(part[0], column, weights.astype(np.int64))
        parts.append(part)
    total = np.full(3, len(confidence), np.int64)
    return BinCounts(counts=parts[0], hits=parts[1], sums=parts[2], total=total)


def make_class_counts(probs: Any, target: Any) -> BinCounts:
    """Histograms of the top label and of each class, from probabilities (K,n) and classes (n,)."""
    probs, target = np.asarray(probs, float), np.asarray(target, int)
    rows = [(probs.max(axis=0), probs.argmax(axis=0) == target), *((p, target == k) for k, p in enumerate(probs))]
    parts = [make_counts(confidence, hit) for confidence, hit in rows]
    stacked = {name: np.stack([getattr(part, name)[0] for part in parts]) for name in ("counts", "hits", "sums")}
    return BinCounts(**stacked, total=np.full(len(rows), target.size, np.int64))


def make_case(seed: int = 0, *, n: int = 400, classes: int = 4) -> BinCounts:
    """Histograms of a made-up case that is right about as often as it believes."""
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(classes, 0.4), n).T
    target = np.array([generator.choice(classes, p=column) for column in probs.T])
    return make_class_counts(probs, target)


def make_view(case_id: str = "a", *, image: bool = True, confidence: bool = True, seed: int = 0) -> CaseView:
    """A slice of 12 x 10 pixels with a reference square of class 1 and a prediction one pixel lower."""
    target, prediction = np.zeros((12, 10), np.uint8), np.zeros((12, 10), np.uint8)
    target[3:6, 4:7], prediction[4:7, 4:7] = 1, 1
    grey = np.random.default_rng(seed).integers(0, 256, (2, 12, 10), dtype=np.uint8)
    return CaseView(
        case_id=case_id,
        slice_index=5,
        image=grey[0] if image else None,
        target=target,
        prediction=prediction,
        confidence=grey[1] if confidence else None,
        spacing_mm=(2.0, 1.0),
    )


@pytest.fixture(name="make_score", scope="session")
def make_score_fixture() -> Callable[..., Score]:
    return make_score


@pytest.fixture(name="make_scores", scope="session")
def make_scores_fixture() -> Callable[..., list[Score]]:
    return make_scores


@pytest.fixture(name="make_counts", scope="session")
def make_counts_fixture() -> Callable[..., BinCounts]:
    return make_counts


@pytest.fixture(name="make_class_counts", scope="session")
def make_class_counts_fixture() -> Callable[..., BinCounts]:
    return make_class_counts


@pytest.fixture(name="make_case", scope="session")
def make_case_fixture() -> Callable[..., BinCounts]:
    return make_case


@pytest.fixture(name="make_view", scope="session")
def make_view_fixture() -> Callable[..., CaseView]:
    return make_view


@pytest.fixture
def make_spec(tmp_path: Path, write_run: Callable[..., Path]) -> Callable[..., TableSpec]:
    """A table from made-up runs: `make_spec({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}, "FL": None}}, seeds=(1, 2))`.

    None makes no run; `name` is the table's, whose published numbers stand beside the runs' own.
    """

    def call(
        kinds: Mapping[str, Mapping[str, Mapping[str, Any] | None]],
        *,
        seeds: tuple[int, ...] = (1,),
        pairs: tuple[tuple[str, str], ...] = (),
        name: str = "main",
    ) -> TableSpec:
        cells = {}
        for data, rows in kinds.items():
            for row, options in rows.items():
                runs = []
                for seed in seeds if options is not None else ():
                    place = tmp_path / data / row / f"seed{seed}"
                    runs.append(read_run(write_run(place, seed=seed, data=data, **(options or {}))))
                found = build_set(f"{data}, {row}", runs) if runs else None
                reason = "" if runs else f"no data at raw/{data}"
                cells[data, row] = TableCell(runs=found, reason=reason, words=(f"data={data}",))
        rows = tuple(dict.fromkeys(row for _, row in cells))
        return TableSpec(
            name=name,
            title="Losses",
            profile="quick",
            about="made up.",
            rows=rows,
            data=tuple(kinds),
            cells=cells,
            pairs=pairs,
            command="mlseg-tables main",
        )

    return call
