"""What is installed from a wheel works from any directory: configs, splits and command lines are all inside."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    """A folder with the contents of the wheel, as pip would lay it into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repo_root, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("mlseg-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def call(function: str, words: list[str], *, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    module, name = function.split(":")
    code = f"import sys; from {module} import {name}; sys.argv[0] = 'mlseg'; {name}()"
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)


def test_the_wheel_holds_configs_and_splits_and_no_tests(site: Path) -> None:
    assert (site / "mlseg" / "configs" / "train.yaml").exists()
    assert (site / "mlseg" / "splits" / "acdc.json").exists()
    assert (site / "mlseg" / "data" / "acdc.py").exists()
    assert (site / "mlseg" / "report" / "page" / "page.html").exists()
    assert not (site / "tests").exists()
    entry_points = next(site.glob("mlseg-*.dist-info")) / "entry_points.txt"
    assert "mlseg-train = mlseg.cli.train:main" in entry_points.read_text()
    assert "mlseg-phantom = mlseg.cli.phantom:main" in entry_points.read_text()


def test_help_and_the_phantom_demo_run_from_another_directory(site: Path, tmp_path: Path) -> None:
    help_text = call("mlseg.cli.train:main", ["--help"], site=site, cwd=tmp_path)
    assert help_text.returncode == 0, help_text.stderr
    assert "experiment" in help_text.stdout
    phantom = ["root=data/raw/phantom", "subjects=5", "shape=3,48,40"]
    written = call("mlseg.cli.phantom:main", phantom, site=site, cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    words = ["experiment=demo", "trainer.max_epochs=1", "model.widths=[4,8]", "model.strides=[2]", "data.crop=[32,32]"]
    trained = call("mlseg.cli.train:main", words, site=site, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert len(list(tmp_path.glob("outputs/phantom/unet/mbls/*/seed1/scores.csv"))) == 1
    assert "mlseg-train" in trained.stdout
