import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from mlseg.checks import RunError
from mlseg.engine.checkpoint import bare_network, find_mismatch, load_checkpoint, save_checkpoint, settle_best


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    state = {"network": nn.Linear(2, 3).state_dict(), "progress": {"epoch": 3, "history": [{"loss": 0.5}]}}
    save_checkpoint(tmp_path / "last.pt", state)
    loaded = load_checkpoint(tmp_path / "last.pt")
    assert loaded["progress"] == state["progress"]
    assert torch.equal(loaded["network"]["weight"], state["network"]["weight"])
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_failed_write_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})

    def fail(state: object, file: Path) -> None:
        file.write_bytes(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 768 vs 662")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RunError, match=r"last.pt: cannot be written \(No space left on device\)"):
        save_checkpoint(path, {"epoch": 2})
    monkeypatch.undo()
    assert load_checkpoint(path)["epoch"] == 1
    assert [item.name for item in tmp_path.iterdir()] == ["last.pt"]


def test_an_error_that_is_not_the_disks_is_not_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: object, file: Path) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        save_checkpoint(tmp_path / "last.pt", {"epoch": 2})


def test_a_waiting_best_is_taken_only_if_it_is_the_best(tmp_path: Path) -> None:
    waiting, best = tmp_path / "best.next.pt", tmp_path / "best.pt"
    settle_best(waiting, best, epoch=1)
    assert not best.exists()
    save_checkpoint(waiting, {"epoch": 2})
    settle_best(waiting, best, epoch=1)
    assert list(tmp_path.iterdir()) == []
    save_checkpoint(waiting, {"epoch": 3})
    settle_best(waiting, best, epoch=3)
    assert load_checkpoint(best)["epoch"] == 3
    assert not waiting.exists()


def test_a_damaged_waiting_best_matters_only_if_it_is_needed(tmp_path: Path) -> None:
    waiting, best = tmp_path / "best.next.pt", tmp_path / "best.pt"
    waiting.write_bytes(b"torn")
    settle_best(waiting, best, epoch=0)  # there is no best yet
    assert not waiting.exists()
    save_checkpoint(best, {"epoch": 2})
    waiting.write_bytes(b"torn")
    with pytest.raises(RunError, match=r"best\.next\.pt: not a readable checkpoint"):
        settle_best(waiting, best, epoch=3)
    settle_best(waiting, best, epoch=2)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"last\.pt: cannot be written \(No such file or directory\)"):
        save_checkpoint(tmp_path / "gone" / "last.pt", {"epoch": 2})


class Malicious:
    def __reduce__(self) -> tuple:
        return print, ("code ran",)


def test_code_in_a_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "last.pt"
    with open(path, "wb") as file:
        pickle.dump({"version": 1, "network": Malicious()}, file, protocol=2)
    with pytest.raises(RunError, match="not a readable checkpoint"):
        load_checkpoint(path)
    torch.save({"version": 1, "network": Malicious()}, path)
    with pytest.raises(RunError, match=r"not a readable checkpoint \(it holds more .* nothing of it was executed\)"):
        load_checkpoint(path)
    assert "code ran" not in capsys.readouterr().out


def test_what_is_compressed_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for compression, names in ((zipfile.ZIP_DEFLATED, ("x/data.pkl", "x/version")), (zipfile.ZIP_STORED, ("x/a",))):
        path = tmp_path / f"{compression}.pt"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name in names:
                archive.writestr(name, b"0" * 1000)
        monkeypatch.setattr(zipfile.ZipFile, "open", None)
        with pytest.raises(RunError, match=r"an archive, but not one of torch's"):
            load_checkpoint(path)
        monkeypatch.undo()


def test_what_does_not_fit_is_one_line() -> None:
    with pytest.raises(RuntimeError) as error:
        nn.Linear(2, 3).load_state_dict(nn.Linear(2, 4).state_dict())
    assert find_mismatch(error.value).startswith("size mismatch for weight: copying a param")
    assert find_mismatch(KeyError("network")) == "'network'"
    assert find_mismatch(KeyError()) == "KeyError"
    assert len(find_mismatch(ValueError("x" * 500))) == 160


def test_a_torn_file_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"network": nn.Linear(20, 30).state_dict()})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(RunError, match="not a checkpoint of this version"):
        load_checkpoint(tmp_path / "foreign.pt")


def test_wrappers_are_taken_off() -> None:
    network = nn.Sequential(nn.Linear(1, 1))

    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module, name: str) -> None:
            super().__init__()
            setattr(self, name, module)

    assert bare_network(Wrapper(Wrapper(network, "_orig_mod"), "module")) is network
    assert bare_network(network) is network
