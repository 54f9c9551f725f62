"""`mlseg-export run=DIR format=onnx`: the network of a run as one file that needs neither mlseg nor torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

import mlseg
from mlseg.checks import MlsegError
from mlseg.cli.app import AppInfo, run_app
from mlseg.cli.export_help import HELP
from mlseg.cli.export_preflight import find_export_problems, lay_out, place_output, read_exported
from mlseg.cli.judged_calibrator import AUTO, UsedCalibrator, place_calibrator, read_used
from mlseg.cli.predict_runs import PredictingRun, build_member
from mlseg.data.nifti import NATIVE

PROG, CONFIG = "mlseg-export", "export"
# Of the layout of the metadata; a reader refuses what it does not know.
VERSION = 1
# How windows lie over one another, and by what share of its length a window's weight falls off (MONAI's Gaussian).
OVERLAP, SIGMA = 0.5, 0.125


def main() -> None:
    """Entry point of the command line."""
    if any(word in ("--help", "-h", "help") for word in sys.argv[1:]):
        print(HELP, end="")
        return
    run_app(export, config_name=CONFIG, prog=PROG, check=find_export_problems)


def export(cfg: DictConfig, info: AppInfo) -> int:
    """One export from a checked configuration."""
    from mlseg.engine.export import export_onnx

    del info
    one = read_exported(cfg)
    path = place_output(cfg, one)
    member, depends = build_member(one, lay_out(cfg))
    used = read_used(cfg.calibrator, one.checkpoint)
    if used is not None:
        used.module.check_weights(depends["weights"], owner=str(used.file))
    metadata = describe(one, depends, used)
    worst = export_onnx(
        member.network,
        path,
        channels=len(one.channels),
        crop=member.inference.crop,
        metadata=metadata,
        calibrator=None if used is None else used.module,
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {one.checkpoint.name} of {one.run.path}")
    print(f"probabilities of onnxruntime differ by at most {worst:.1g}")
    print(f"calibrator inside: {used.about if used else 'none'}")
    _note(one, used)
    print(f"use it: {shlex.join(['python', 'scripts/run_onnx.py', str(path), 'scan.nii.gz', 'seg.nii.gz'])}")
    return 0


def describe(one: PredictingRun, depends: Mapping[str, Any], used: UsedCalibrator | None) -> dict[str, Any]:
    """What a user of the file must know to prepare a scan and to read the probabilities.

    Args:
        one: the run.
        depends: what predictions depend on, as `build_member` gives it.
        used: the calibrator that is inside; None if there is none.
    """
    taken = ("orientation", "clip_percentiles", "normalise_over", "spacing_mm", "crop", "weights", "epoch")
    return {
        "version": VERSION,
        "mlseg": mlseg.__version__,
        "labels": dict(zip(one.labels, _find_values(one), strict=True)),
        "channels": list(one.channels),
        **{key: depends[key] for key in taken},
        "inference": "window" if len(depends["crop"]) == 3 else depends["inference"],
        "overlap": OVERLAP,
        "sigma": SIGMA,
        "calibrator": None if used is None else {"about": used.about, "method": used.method, "parameters": used.digest},
    }


def _find_values(one: PredictingRun) -> tuple[int, ...]:
    """The stored value of each label; class indices where the data set is not there any more."""
    from mlseg.data.stored_values import find_label_map, invert_label_map

    indices = tuple(range(len(one.labels)))
    if one.source is None:
        return indices
    try:
        case = one.source.list_cases()[0]
    except (MlsegError, IndexError):
        return indices
    return invert_label_map(find_label_map(one.source, one.labels, case), one.labels)


def _note(one: PredictingRun, used: UsedCalibrator | None) -> None:
    if not one.run.is_done:
        print(f"note: {one.run.path} is not finished: it is {one.run.describe_state()}.")
    if used is None and place_calibrator(one.checkpoint).is_file():
        print(f"note: {place_calibrator(one.checkpoint)} is left out: calibrator={AUTO} takes it.")
    if one.source is None:
        print(f"note: label maps will hold class indices, for the data set's own values are not known ({one.lacking})")
    if one.orientation == NATIVE:
        print(
            "note: the network sees scans in the axes that they are stored in (data.source.orientation=native). If the "
            "axes of its training data may differ from a user's, give orientation=<their axis codes>."
        )


if __name__ == "__main__":
    main()
