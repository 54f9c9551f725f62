"""Commands as they can be typed here."""

from __future__ import annotations

import sys
from pathlib import Path

from mlseg.cli.programs import find_beside_python, find_typed, shorten


def test_a_script_is_typed_with_its_python(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setattr(sys, "argv", ["train.py", "loss=mbls"])
    assert find_typed("mlseg-train") == (".venv/bin/python", "train.py")
    assert find_beside_python("tensorboard") == ".venv/bin/tensorboard"


def test_an_installed_command_is_typed_by_its_path_or_its_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "mlseg-train")])
    assert find_typed("mlseg-train") == ("bin/mlseg-train",)
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert find_typed("mlseg-train") == ("mlseg-train",)


def test_what_the_path_finds_needs_no_place(monkeypatch, tmp_path):
    program = tmp_path / "mlseg-this"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert shorten(Path("/nowhere/else")) == "/nowhere/else"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shorten(program) == "mlseg-this"
