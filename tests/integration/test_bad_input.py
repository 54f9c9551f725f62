"""A corpus of bad inputs: each gets one clear line, none a traceback, and none alters a finished run.

The entries stand in bad_input_*.py beside this file, as dicts; `Bad` says what they may hold.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from mlseg.cli import compare
from mlseg.cli.app import App, run_command
from mlseg.cli.evaluate import evaluate
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.preflight import find_config_problems
from mlseg.cli.run_base import find_base
from mlseg.cli.train import train
from mlseg.report import judgement

HERE = Path(__file__).resolve().parent
SMALL = ("model.widths=[4,8]", "model.strides=[2]", "data.crop=[32,32]")
USUAL = ("data=phantom", "loss=mbls", "data.batch_size=6", "data.workers=1", "trainer.max_epochs=2")
USUAL += ("trainer.amp=off", "optimizer.lr=0.01", "trainer.image_every=0")
LEAST = 60
RAN: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One bad input.

    Args:
        says: the message after the command's name, whole, with * for anything; several are a list of problems.
        name: of the test; the words if it has none of its own.
        words: of the command line, behind those of a small run.
        command: "train", "evaluate" or "compare".
        code: the exit status; with 0, `says` is all that stands on stderr, or nothing.
        spoil: changes copies of the data or of a finished run, or the process; may return more words.
        fresh: trains in a new directory, not in that of the finished run.
        small: with the words of the small network.
        resumes: the same command comes to its end once `spoil` is undone.
    """

    says: str | tuple[str, ...]
    name: str = ""
    words: str = ""
    command: str = "train"
    code: int = 1
    spoil: Callable[[Place], list[str] | None] | None = None
    fresh: bool = False
    small: bool = True
    resumes: bool = False


@dataclass
class Place:
    """Where a bad input is tried: phantom and finished run are shared until someone asks for a copy to spoil."""

    folder: Path
    phantom: Path
    finished: Path
    patch: pytest.MonkeyPatch
    close: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def data(self) -> Path:
        """A copy of the phantom."""
        return Path(shutil.copytree(self.phantom, self.folder / "data"))

    @cached_property
    def run(self) -> Path:
        """A copy of the finished run."""
        return Path(shutil.copytree(self.finished, self.folder / "run"))

    def fill(self, text: str) -> str:
        """Put the paths in."""
        run = self.__dict__.get("run", self.finished)
        text = text.replace("{data}", str(self.data)) if "{data}" in text else text
        for name, path in {"run": run, "folder": self.folder, "phantom": self.phantom}.items():
            text = text.replace(f"{{{name}}}", str(path))
        return text


def load(name: str) -> list[Bad]:
    """The entries of a file beside this one, which no import finds."""
    path = HERE / f"bad_input_{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [Bad(**{**entry, "name": entry.get("name", entry.get("words"))}) for entry in module.ENTRIES]


PARTS = ("config", "files", "runs", "environment")
CORPUS = {f"{part}: {bad.name}": bad for part in PARTS for bad in load(part)}


@pytest.fixture(scope="module", autouse=True)
def in_short() -> Iterator[None]:
    """Without figures, which take longer than all else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_calibration", "draw_cases"):
            patch.setattr(judgement, name, lambda *args, **options: [])
        yield


@pytest.fixture(scope="module")
def finished(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has come to its end."""
    folder = tmp_path_factory.mktemp("finished")
    words = [*USUAL, *SMALL, f"data.root={phantom}", f"data.cache_dir={folder / 'cache'}", f"run_dir={folder / 'run'}"]
    assert call("train", words) == 0
    return folder / "run"


@pytest.fixture
def place(tmp_path: Path, phantom: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    place = Place(tmp_path, phantom, finished, monkeypatch)
    yield place
    for close in place.close:
        close()


def call(command: str, words: list[str]) -> int:
    if command == "compare":
        return compare.run(words)
    if command == "evaluate":
        options: dict[str, Any] = {"check": find_evaluate_problems, "find_base": find_base}
        return run_command(App(task=evaluate, config_name=command, prog=f"mlseg-{command}", **options), words)
    return run_command(App(task=train, config_name=command, prog=f"mlseg-{command}", check=find_config_problems), words)


def build_words(bad: Bad, place: Place, more: list[str], *, root: Path) -> list[str]:
    """The command line."""
    run = place.__dict__.get("run", place.finished)
    own = [place.fill(word) for word in [*bad.words.split(), *more]]
    if bad.command == "compare":
        return [str(place.finished), str(run), *own]
    if bad.command == "evaluate":
        return [f"run={run}", *own]
    paths = (f"data.root={root}", f"data.cache_dir={place.finished.parent / 'cache'}")
    small = SMALL if bad.small else ()
    return [*USUAL, *small, *paths, f"run_dir={place.folder / 'new' if bad.fresh else run}", *own]


def hash_files(folder: Path) -> dict[str, str]:
    """Every file of a run by what it holds."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def matches(line: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), line) is not None


@pytest.mark.parametrize("name", CORPUS)
def test_one_clear_line_and_no_harm(name: str, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    bad = CORPUS[name]
    RAN.add(name)
    more = (bad.spoil(place) if bad.spoil else None) or []
    runs = {place.finished, place.__dict__.get("run", place.finished)}
    before = {run: hash_files(run) for run in runs}
    words = build_words(bad, place, more, root=place.__dict__.get("data", place.phantom))
    capfd.readouterr()
    code = call(bad.command, words)
    out, err = capfd.readouterr()
    assert code == bad.code, err
    check_lines(bad, place, err.splitlines())
    for sign in ("Traceback", "internal error", "please report it"):
        assert sign not in out + err
    assert not list(place.folder.rglob("mlseg-error.log"))
    assert not (place.folder / "executed").exists(), "code of a file was executed"
    assert {run: hash_files(run) for run in runs} == before
    if bad.resumes:
        place.patch.undo()
        place.patch.chdir(place.folder)
        assert call(bad.command, build_words(bad, place, more, root=place.phantom)) == 0, capfd.readouterr().err


def check_lines(bad: Bad, place: Place, lines: list[str]) -> None:
    """All that stands on stderr is what was expected."""
    expected = [bad.says] if isinstance(bad.says, str) else list(bad.says)
    if bad.code:
        expected = [f"mlseg-{bad.command}: {expected[0]}", *(f"  {line}" for line in expected[1:])]
    expected = [place.fill(line) for line in expected if line]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert matches(line, pattern), f"{line}\nis not\n{pattern}"


def test_the_corpus_is_large_and_all_of_it_ran(request: pytest.FixtureRequest) -> None:
    assert len(CORPUS) >= LEAST
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = {item.callspec.params["name"] for item in items if item.originalname == TRIED}
    if chosen < set(CORPUS):
        pytest.skip(f"only {len(chosen)} of {len(CORPUS)} bad inputs were chosen")
    assert set(CORPUS) == RAN


TRIED = test_one_clear_line_and_no_harm.__name__
