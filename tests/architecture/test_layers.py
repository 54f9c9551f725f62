"""Who may import whom: lower layers never import higher ones, siblings never import each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "mlseg").rglob("*.py"))

BASE = {"types", "records", "checks", "rules", "run_state", "run_identity"}
LOWER = BASE | {"functional"}
MIDDLE = LOWER | {"losses", "models", "metrics", "data"}
# Part of mlseg -> the other parts that it may import, in functions and for type checking too.
ALLOWED: dict[str, set[str]] = {
    "rules": set(),
    "checks": {"rules"},
    "types": set(),
    "records": {"checks"},
    "run_state": {"checks", "records"},
    "run_identity": set(),
    "functional": BASE,
    "losses": LOWER,
    "models": LOWER,
    "metrics": LOWER,
    "data": LOWER,
    "engine": MIDDLE,
    "report": LOWER,  # of functional only what knows no torch: a test below
    "cli": MIDDLE | {"engine", "report"},
    "__init__": MIDDLE,  # the public Python API
}
# Third party -> the files that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "hydra": ("cli/*",),
    "omegaconf": ("cli/*",),
    "nibabel": ("data/nifti.py",),
    "tensorboard": ("engine/tracking.py",),
    "torch.utils.tensorboard": ("engine/tracking.py",),
    "matplotlib": ("report/*figure*.py",),
    "timm": ("models/transunet.py",),
    "onnx": ("engine/export.py",),
    "onnxruntime": ("engine/export.py",),
}
TORCH_FREE = {"types", "records", "rules", "checks", "run_state", "run_identity", "report"}


def part_of(path: Path) -> str:
    """The top-level part of mlseg that a file belongs to: mlseg/data/cache.py -> data."""
    return path.relative_to(ROOT / "mlseg").parts[0].removesuffix(".py")


def imports(path: Path, *, type_checking: bool = True) -> Iterator[str]:
    """Dotted names of all that a file imports, at any depth; relative imports resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if not type_checking and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {inner for statement in node.body for inner in ast.walk(statement)}
        elif isinstance(node, ast.Import) and node not in skipped:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node not in skipped:
            package = path.relative_to(ROOT).parent.parts[: 1 - node.level or None] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            # `from mlseg import data` names the part only in the alias.
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_allowed_edges(path):
    part = part_of(path)
    reached = {name.split(".")[1] for name in imports(path) if name.startswith("mlseg.")} - {part, "__version__"}
    assert reached <= ALLOWED[part], f"{part} may import {sorted(ALLOWED[part])}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_third_parties_stay_at_home(path):
    relative = path.relative_to(ROOT / "mlseg")
    for name in imports(path):
        for package, homes in HOMES.items():
            if f"{name}.".startswith(f"{package}."):
                assert any(relative.match(home) for home in homes), f"{name} belongs in {', '.join(homes)}"


def find_file(name: str) -> Path | None:
    """The file of mlseg that a dotted name lives in: mlseg.records.Score -> mlseg/records.py."""
    parts = name.split(".")
    candidates = (ROOT.joinpath(*parts[:n]).with_suffix(".py") for n in range(len(parts), 1, -1))
    return next((path for path in candidates if parts[0] == "mlseg" and path.is_file()), None)


def third_parties(path: Path, seen: set[Path]) -> set[str]:
    """Packages that a file needs at some time, directly or through other files of mlseg."""
    seen.add(path)
    names = set(imports(path, type_checking=False))
    files = {file for name in names if (file := find_file(name))} - seen
    return {name.split(".")[0] for name in names}.union(*(third_parties(file, seen) for file in files))


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) in TORCH_FREE], ids=lambda path: path.stem)
def test_no_torch_where_rows_and_rules_live(path):
    assert third_parties(path, set()) & {"torch", "torchvision", "hydra", "omegaconf"} == set()


def test_torch_is_seen_through_other_files():
    assert "torch" in third_parties(ROOT / "mlseg" / "losses" / "ce.py", set())


def test_importing_them_loads_nothing_heavy():
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if part_of(path) in TORCH_FREE]
    heavy = ("torch", "hydra", "monai", "matplotlib", "scipy")
    code = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_part_has_its_rule():
    assert {part_of(path) for path in FILES} <= set(ALLOWED)
    assert len(FILES) > 20


def test_the_walk_sees_imports_wherever_they_hide(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "mlseg" / "losses" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b\nfrom mlseg import data\nfrom . import y\nfrom ..engine import z\n"
        "if TYPE_CHECKING:\n    import torch\ndef f():\n    from mlseg.cli.app import g\n"
    )
    names = {"a.b", "mlseg.data", "mlseg.losses.y", "mlseg.engine.z", "torch", "mlseg.cli.app.g"}
    assert set(imports(path)) == names
    assert set(imports(path, type_checking=False)) == names - {"torch"}
