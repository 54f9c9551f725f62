"""Bad inputs: checkpoints and records of a finished run. A function spoils a copy of the run, `place.run`."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Spoil = Callable[[Any], Any]
BEST, LAST = "{run}/best.pt", "{run}/last.pt"
UNREADABLE = ": not a readable checkpoint "


class Malicious:
    """Writes a file when it is unpickled by a reader that executes code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("weights")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))


def inflate(path: Path) -> None:
    """Small on disk, large when it is unpacked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/version", "3")
        archive.writestr("x/data.pkl", bytes(50_000_000))


def change(**values: Any) -> Callable[[Path], None]:
    """Another value in the checkpoint."""
    return lambda path: torch.save({**torch.load(path), **values}, path)


def spoil_weights(path: Path) -> None:
    state = torch.load(path)
    torch.save({**state, "network": {k: v * float("nan") for k, v in state["network"].items()}}, path)


def plant(path: Path) -> None:
    torch.save({"version": 1, "network": Malicious(path.parent.parent / "executed"), "epoch": 2}, path)


def plant_plainly(path: Path) -> None:
    path.write_bytes(pickle.dumps(Malicious(path.parent.parent / "executed")))


def plant_arrays(path: Path) -> None:
    np.savez(path, version=np.array(Malicious(path.parent.parent / "executed"), dtype=object))


# What is done to a checkpoint, and what is said of it.
CHECKPOINTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut": (cut, UNREADABLE + "(File is not a zip file). *"),
    "of no bytes": (empty, UNREADABLE + "(File is not a zip file). *"),
    "of text": (write_text, UNREADABLE + "(File is not a zip file). *"),
    "with a flipped byte": (flip, UNREADABLE + "(damaged in *). *"),
    "that grows when unpacked": (inflate, UNREADABLE + "(an archive, but not one of torch's). *"),
    "of another version": (change(version=99), ": not a checkpoint of this version of mlseg. *"),
    "with code": (
        plant,
        UNREADABLE + "(it holds more than tensors and plain types, and nothing of it was executed). *",
    ),
    "with bare code": (plant_plainly, UNREADABLE + "(File is not a zip file). *"),
}
# What only shows when the weights are put into the network.
WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "of another network": (
        change(network={"a": torch.zeros(1)}),
        BEST + ": does not fit the network (Missing key(s) in state_dict: *). Restore it, or give checkpoint=..., *",
    ),
    "of no weights": (change(network=3), BEST + ": does not fit the network (Expected state_dict to be *"),
    "of NaN": (spoil_weights, BEST + ": all weights must be finite, got NaN or infinity in *. Restore it, or give *"),
    "of another epoch": (
        change(epoch=7),
        BEST + ": must be from epoch *, got 7. Restore it, or give checkpoint=..., *",
    ),
}
RESUMED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "of another run": (change(identity="x" * 32), ": belongs to a run with other settings or data. *"),
    "of NaN": (spoil_weights, ": all weights must be finite, got NaN in *. Restore it."),
    "that is gone": (Path.unlink, ": must be there to go on from, got nothing, and the run has results already. *"),
}


def spoil(name: str, change: Callable[[Path], Any]) -> Spoil:
    def act(place: Any) -> None:
        change(place.run / name)

    return act


def spoil_all(change: Callable[[Path], Any]) -> Spoil:
    """last.pt, and nothing before it to fall back on."""

    def act(place: Any) -> None:
        (place.run / "previous.pt").unlink()
        change(place.run / "last.pt")

    return act


def fill(content: bytes | str | dict[str, Any]) -> Callable[[Path], Any]:
    data = json.dumps(content) if isinstance(content, dict) else content
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data.encode())


def swap(old: bytes, new: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new, 1))


TORN, LIST = fill("{torn"), fill("[]")
NO_JSON, NO_OBJECT = ": must be a JSON file, got *. Remove it to start anew.", ": must hold a JSON object, got list. *"
# Command, file, what is done to it, what is said.
RECORDS: dict[str, tuple[str, str, Callable[[Path], Any], str]] = {
    "a torn claim": ("train", "claim.json", TORN, "{run}/claim.json" + NO_JSON),
    "a claim of another": ("train", "claim.json", fill({}), "{run}: belongs to a run with another configuration: *"),
    "a torn status": ("train", "status.json", TORN, "{run}/status.json" + NO_JSON),
    "a torn record": ("train", "run.json", TORN, "{run}/run.json" + NO_JSON),
    "a record of nothing": (
        "train",
        "run.json",
        fill({}),
        "{run}/run.json: must hold choices, got none. Restore it, *",
    ),
    "data of bytes": ("evaluate", "data.json", fill(b"\xff\xfe"), "{run}/data.json" + NO_JSON),
    "cases of numbers": (
        "evaluate",
        "cases.json",
        fill({"a": 1}),
        "{run}/cases.json: must hold a subject and a hash *",
    ),
    "a configuration of bytes": ("evaluate", "config.yaml", fill(b"\xff\xfe"), "{run}/config.yaml: must be a YAML *"),
    "a configuration of a list": (
        "evaluate",
        "config.yaml",
        LIST,
        "{run}/config.yaml: must hold keys with *, got list. *",
    ),
    "a torn configuration": ("evaluate", "config.yaml", TORN, "configuration: not readable as YAML (*). Correct the *"),
    "no data yet": ("evaluate", "config.yaml", fill("seed: 1"), "{run}: the run never came to its data, so there *"),
    "other columns": ("train", "scores.csv", fill("a,b\n"), "{run}/scores.csv: columns must be evaluation, *"),
    "a word for a number": (
        "compare",
        "scores.csv",
        swap(b",0.", b",zero."),
        "{run}/scores.csv: must be whole, got a file damaged at row * (*). Evaluate the run again.",
    ),
    "scores of bytes": (
        "compare",
        "scores.csv",
        fill(b"\xff"),
        "{run}/scores.csv: must be whole, got a file damaged *",
    ),
    "torn histograms": ("train", "bins.npz", TORN, "{run}/bins.npz: must be a file of histograms, got no archive of *"),
    "histograms with code": (
        "train",
        "bins.npz",
        plant_arrays,
        "{run}/bins.npz: must be a file of histograms, got no *",
    ),
    "views with code": (
        "train",
        "views.npz",
        plant_arrays,
        "{run}/views.npz: must be a file of views, got no archive *",
    ),
    "no best checkpoint": (
        "evaluate",
        "best.pt",
        Path.unlink,
        BEST + ": must be there, got nothing; the run is done, *",
    ),
}
MISTAKES = ("config.yaml: must", "configuration: not", "best.pt: must be there")
GROW = "trainer.max_epochs=3"

ENTRIES = [
    *(
        {"name": f"best.pt {name}", "command": "evaluate", "spoil": spoil("best.pt", change), "says": BEST + says}
        for name, (change, says) in CHECKPOINTS.items()
    ),
    *(
        {"name": f"best.pt {name}", "command": "evaluate", "spoil": spoil("best.pt", change), "says": says}
        for name, (change, says) in WEIGHTS.items()
    ),
    *(
        {"name": f"last.pt {name}", "words": GROW, "spoil": spoil_all(change), "says": LAST + says}
        for name, (change, says) in {**RESUMED, **{name: CHECKPOINTS[name] for name in ("cut", "with code")}}.items()
    ),
    *(
        {
            "name": name,
            "command": command,
            "spoil": spoil(file, change),
            "says": says,
            "code": 1 + any(m in says for m in MISTAKES),
        }
        for name, (command, file, change, says) in RECORDS.items()
    ),
]
