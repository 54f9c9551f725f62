import subprocess
from importlib import metadata
from pathlib import Path

from mlseg.engine.provenance import describe_software, find_commit


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_versions_are_those_that_are_installed() -> None:
    software = describe_software()
    assert software["packages"]["torch"] == metadata.version("torch")
    assert software["threads"] >= 1
    assert None not in software["packages"].values()


def test_the_commit_says_when_files_differ_from_it(tmp_path: Path) -> None:
    assert find_commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert find_commit(tmp_path) is None
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert find_commit(tmp_path) == commit
    (tmp_path / "notes.txt").write_text("untracked\n")
    assert find_commit(tmp_path) == commit
    (tmp_path / "code.py").write_text("a = 2\n")
    assert find_commit(tmp_path) == f"{commit}-dirty"
