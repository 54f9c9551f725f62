"""A command line inside the test's process, in an empty folder with a data set to point at."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from mlseg.cli.app import App, run_command
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import Composition, compose_config, find_config_dir
from mlseg.cli.preflight import find_config_problems
from mlseg.records import write_json

# Of a data set whose classes are not in a YAML.
DATASET = {
    "name": "Hippocampus",
    "channel_names": {"0": "MRI", "1": "CT"},
    "labels": {"background": 0, "anterior": 1, "posterior": 2},
    "file_ending": ".nii.gz",
}


@dataclass(frozen=True)
class Answer:
    """What a command line answered: its exit code and the lines on both streams."""

    code: int
    out: str
    err: list[str]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder for each data set in data/raw, so that the defaults find one."""
    for name in ("MLSEG_DATA", "MLSEG_OUTPUTS", "MLSEG_CACHE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    for path in sorted((find_config_dir() / "data").glob("*.yaml")):
        (tmp_path / "data" / "raw" / path.stem).mkdir(parents=True)
    for name in ("msd", "nnunet"):
        (tmp_path / "data" / "raw" / name / "dataset.json").write_text(json.dumps(DATASET))
    return tmp_path


@pytest.fixture
def run(workplace: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Type a command line: `run("loss=mbls", task=...)`."""

    def call(*words: str, task: Any = lambda cfg, info: None, **options: Any) -> Answer:
        code = run_command(App(task=task, config_name="train", prog="mlseg-train", **options), words)
        out, err = capfd.readouterr()
        assert "Traceback" not in err + out
        return Answer(code, out, err.splitlines())

    return call


@pytest.fixture
def compose(workplace: Path) -> Callable[..., Composition]:
    """Compose the configuration of a command line: `compose("loss=mbls", "loss.margin=5")`.

    Hydra composes the choices, which is slow and therefore done once; the values are put in here as Hydra does it.
    """

    def call(*words: str) -> Composition:
        overrides = OverridesParser.create().parse_overrides(list(words))
        chosen = [o.input_line for o in overrides if (find_config_dir() / o.key_or_group).is_dir()]
        job = compose_config(chosen)
        cfg = copy.deepcopy(job.cfg)
        for override in overrides:
            parent, _, name = override.key_or_group.rpartition(".")
            if override.input_line not in chosen and override.is_delete():
                with open_dict(cfg):
                    del OmegaConf.select(cfg, parent)[name]
            elif override.input_line not in chosen:
                extend = override.is_add() or override.is_force_add()
                OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=extend)
        cfg = complete_config(cfg)
        return dataclasses.replace(job, cfg=cfg, tree=OmegaConf.to_container(cfg, resolve=False))

    return call


@pytest.fixture
def problems_of(compose: Callable[..., Composition]) -> Callable[..., list[str]]:
    """What the preflight check says of a command line: `problems_of("loss=mbls", "loss.margin=-1")`."""

    def call(*words: str) -> list[str]:
        job = compose(*words)
        return find_config_problems(job.cfg, job.choices)

    return call


@pytest.fixture
def make_run(workplace: Path) -> Callable[..., Path]:
    """Write the records of a run, without training one: `make_run("loss=mbls", changes={"model.norm": "batch"})`.

    `changes` sets values of its configuration by dotted key; None drops the key.
    """

    def call(*words: str, name: str = "run", state: str = "done", changes: dict[str, Any] | None = None) -> Path:
        job = compose_config(["data=phantom", *words])
        config = OmegaConf.create(OmegaConf.to_container(job.cfg, resolve=True))
        for key, value in (changes or {}).items():
            OmegaConf.update(config, key, value, force_add=True)
            if value is None:
                parent, _, last = key.rpartition(".")
                del OmegaConf.select(config, parent)[last]
        folder = workplace / name
        folder.mkdir()
        parts = {"train": ["p1", "p2"], "val": ["p3"], "test": ["p4", "p5"]}
        cases = {f"{p}_{f}": [p, f"hash-{p}-{f}"] for part in parts.values() for p in part for f in ("ED", "ES")}
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
        (folder / "best.pt").write_bytes(b"best")
        (folder / "last.pt").write_bytes(b"last")
        write_json(folder / "data.json", {"fingerprint": "f", **parts})
        write_json(folder / "cases.json", cases)
        write_json(folder / "claim.json", {"seed": int(config.seed)})
        write_json(folder / "status.json", {"state": state, "epoch": 3} if state == "done" else {"state": state})
        if state == "done":
            record = {"choices": job.choices, "config": OmegaConf.to_container(config), "history": [{}, {}, {}]}
            write_json(folder / "run.json", {**record, "best_epoch": 2, "split": {"name": "random-0", **parts}})
        return folder

    return call
