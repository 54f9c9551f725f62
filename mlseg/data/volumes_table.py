"""Volumes of the labels in ml, and what two frames of a beating heart tell: its ejection fraction.

EF = (EDV - ESV) / EDV in percent, of the ventricle's volume at the end of diastole and of systole. Differences to the
reference are summed up as bias (their mean) and limits of agreement (bias -+ 1.96 standard deviations).

Source: Bernard et al., IEEE TMI 2018 (ACDC's clinical indices); Bland and Altman, Lancet 1986 (limits of agreement).
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VENTRICLES = ("LV", "RV")
VOLUME_COLUMNS = ("case", "subject", "frame", "label", "voxels", "volume_ml", "reference_ml", "difference_ml")
_EF_PARTS = ("edv_ml", "esv_ml", "ef_percent")
EF_COLUMNS = ("subject", "ventricle", *_EF_PARTS, *(f"reference_{part}" for part in _EF_PARTS), "difference_percent")


@dataclass(frozen=True, kw_only=True)
class CaseVolumes:
    """The size of each label in one case.

    Args:
        frame: "ED", "ES" or another time point; "" if unknown.
        voxels: label -> number.
        voxel_ml: volume of one voxel.
        reference_ml: label -> volume by the reference; None without one.
    """

    case_id: str
    subject_id: str
    frame: str
    voxels: Mapping[str, int]
    voxel_ml: float
    reference_ml: Mapping[str, float] | None = None

    def volume_ml(self, label: str) -> float:
        """The predicted volume of a label."""
        return self.voxels[label] * self.voxel_ml


def list_volumes(cases: Sequence[CaseVolumes]) -> list[dict[str, Any]]:
    """One row per case and label; what is not known is None."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        for label, count in case.voxels.items():
            volume, reference = case.volume_ml(label), (case.reference_ml or {}).get(label)
            own = (case.case_id, case.subject_id, case.frame, label, count, volume, reference)
            difference = None if reference is None else volume - reference
            rows.append(dict(zip(VOLUME_COLUMNS, (*own, difference), strict=True)))
    return rows


def list_ejection_fractions(cases: Sequence[CaseVolumes]) -> list[dict[str, Any]]:
    """One row per subject with one ED and one ES frame, and ventricle; empty where there is no such label or pair.

    The ejection fraction of an empty ventricle is NaN.
    """
    frames: dict[str, dict[str, list[CaseVolumes]]] = {}
    for case in cases:
        frames.setdefault(case.subject_id, {}).setdefault(case.frame, []).append(case)
    rows: list[dict[str, Any]] = []
    for subject, found in sorted(frames.items()):
        if len(found.get("ED", [])) != 1 or len(found.get("ES", [])) != 1:
            continue
        diastole, systole = found["ED"][0], found["ES"][0]
        for label in (label for label in VENTRICLES if label in diastole.voxels and label in systole.voxels):
            own = _compute_parts(diastole.volume_ml(label), systole.volume_ml(label))
            reference: tuple[float | None, ...] = (None, None, None)
            if diastole.reference_ml is not None and systole.reference_ml is not None:
                reference = _compute_parts(diastole.reference_ml[label], systole.reference_ml[label])
            difference = None if reference[2] is None else own[2] - reference[2]
            rows.append(dict(zip(EF_COLUMNS, (subject, label, *own, *reference, difference), strict=True)))
    return rows


def summarise_agreement(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Ventricle -> n, bias, limits of agreement and mean absolute difference of the ejection fraction, in points.

    Subjects without a reference, or whose ventricle was not found, are left out; a standard deviation of one subject is
    NaN.
    """
    found: dict[str, dict[str, float]] = {}
    for label in VENTRICLES:
        known = [row["difference_percent"] for row in rows if row["ventricle"] == label]
        values = [float(value) for value in known if value is not None and not math.isnan(value)]
        if not values:
            continue
        bias = statistics.fmean(values)
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        found[label] = {
            "n": len(values),
            "bias": bias,
            "low": bias - 1.96 * deviation,
            "high": bias + 1.96 * deviation,
            "mean_absolute": statistics.fmean(map(abs, values)),
        }
    return found


def format_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    r"""Rows as CSV text: lengths and shares with four decimals, an empty cell for what is not known.

    Example:
        >>> format_table(["label", "volume_ml"], [{"label": "LV", "volume_ml": 120.55558}, {"label": "RV"}])
        'label,volume_ml\nLV,120.5556\nRV,\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = (row.get(column) for column in columns)
        writer.writerow([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in cells])
    return out.getvalue()


def _compute_parts(edv_ml: float, esv_ml: float) -> tuple[float, float, float]:
    return edv_ml, esv_ml, 100 * (edv_ml - esv_ml) / edv_ml if edv_ml > 0 else math.nan
