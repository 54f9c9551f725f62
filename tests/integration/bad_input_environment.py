"""Bad inputs: what surrounds a run, before it starts and while it trains. `place.patch` changes it for one command."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Spoil = Callable[[Any], Any]
DISTRIBUTED = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def environment(*words: str, **values: str) -> Spoil:
    """Environment variables, and words that go with them."""

    def act(place: Any) -> list[str]:
        for name in DISTRIBUTED:
            place.patch.delenv(name, raising=False)
        for name, value in values.items():
            place.patch.setenv(name, value)
        return list(words)

    return act


def make_file(place: Any) -> None:
    (place.folder / "file").write_text("in the way")


def another_is_training(place: Any) -> None:
    """The lock of a living process; this very one will do, for the kernel locks open files."""
    lock = open(place.run / ".lock", "a+")  # noqa: SIM115  (held until the test ends)
    place.close.append(lock.close)
    fcntl.flock(lock, fcntl.LOCK_EX)


def after_first_epoch(act: Callable[[Any], Any]) -> Spoil:
    """Do something while a run trains."""

    def spoil(place: Any) -> None:
        from mlseg.engine.trainer import Trainer

        run_epoch = Trainer._run_epoch

        def run_and_act(trainer: Trainer, epoch: Any, *rest: Any) -> None:
            run_epoch(trainer, epoch, *rest)
            if epoch.number == 0:
                act(place)

        place.patch.setattr(Trainer, "_run_epoch", run_and_act)

    return spoil


def remove(name: str) -> Callable[[Any], None]:
    return lambda place: shutil.rmtree(place.folder / name)


def own_cache(place: Any) -> list[str]:
    return ["data.cache_dir={folder}/cache"]


def both(*spoils: Spoil) -> Spoil:
    def spoil(place: Any) -> list[str]:
        return [word for one in spoils for word in one(place) or ()]

    return spoil


def cut_cache(place: Any) -> None:
    for path in (place.folder / "cache").rglob("image.npy"):
        os.truncate(path, path.stat().st_size // 2)


def lose_data(place: Any) -> None:
    shutil.rmtree(place.data)


def own_data(place: Any) -> None:
    assert place.data.is_dir()


def full_disk(place: Any) -> None:
    """torch reports a full disk by an error of its own."""
    save, count = torch.save, 0

    def save_twice(*args: Any) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
        save(*args)

    place.patch.setattr(torch, "save", save_twice)


def full_at_sync(after: int) -> Spoil:
    """Bytes that are written, and do not fit when they must go to the disk."""

    def spoil(place: Any) -> None:
        sync, count = os.fsync, 0

        def fail_later(descriptor: int) -> None:
            nonlocal count
            count += 1
            if count > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(descriptor)

        place.patch.setattr(os, "fsync", fail_later)

    return spoil


def read_only(place: Any) -> None:
    """Root writes where it likes, so the kernel's answer is made up."""
    make = Path.mkdir

    def refuse(path: Path, *args: Any, **options: Any) -> None:
        if path.is_relative_to(place.folder / "outputs"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        make(path, *args, **options)

    place.patch.setattr(Path, "mkdir", refuse)


def no_tensorboard(place: Any) -> None:
    from mlseg.engine import tracking

    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    place.patch.setattr(tracking, "SummaryWriter", refuse)


TORCHRUN = "Start them with torchrun, or unset WORLD_SIZE."
OUTSIDE: dict[str, tuple[Spoil, str, int]] = {
    "MLSEG_DATA of nowhere": (
        environment("data=acdc", "data.root=${oc.env:MLSEG_DATA}/acdc", MLSEG_DATA="/nowhere"),
        "data.root: no such folder '/nowhere/acdc'. Give data.root=/path/to/ACDC, or write a phantom *",
        2,
    ),
    "WORLD_SIZE alone": (
        environment(WORLD_SIZE="2"),
        f"WORLD_SIZE: 2 processes need RANK and LOCAL_RANK too, got RANK=nothing. {TORCHRUN}",
        2,
    ),
    "WORLD_SIZE of a word": (
        environment(WORLD_SIZE="two"),
        f"WORLD_SIZE: must be a whole number, got WORLD_SIZE=two. {TORCHRUN}",
        2,
    ),
    "nobody to meet": (
        environment(WORLD_SIZE="2", RANK="0", LOCAL_RANK="0"),
        f"WORLD_SIZE: 2 processes cannot find each other (*MASTER_ADDR*). {TORCHRUN}",
        1,
    ),
    "no such GPU": (
        environment("trainer.device=cuda", "run_dir={folder}/new", CUDA_VISIBLE_DEVICES=""),
        "trainer.device: 'cuda' is not there (0 GPUs found). Use trainer.device=auto or cpu.",
        2,
    ),
    "HYDRA_FULL_ERROR": (
        environment("+optimizer.x=1", "run_dir={folder}/new", HYDRA_FULL_ERROR="1"),
        "optimizer or scheduler: cannot be built (*unexpected keyword argument 'x'). Check their settings.",
        2,
    ),
    "a cache that is a file": (
        both(make_file, environment("data.cache_dir={folder}/file", "run_dir={folder}/new")),
        "data.cache_dir: {folder}/file must be a folder with room that can be written, got *Not a directory*",
        1,
    ),
    "outputs that are a file": (
        both(make_file, environment("run_dir=null", "output_root={folder}/file")),
        "{folder}/file/phantom/*: cannot write the run directory (Not a directory). Free space or give run_dir=..., *",
        1,
    ),
    "outputs that cannot be": (
        environment("run_dir=/proc/run"),
        "/proc/run: cannot write the run directory (No such file or directory). Free space or give run_dir=..., *",
        1,
    ),
    "outputs to be read only": (
        both(read_only, environment("run_dir={folder}/outputs/run")),
        "{folder}/outputs/run: cannot write the run directory (Read-only file system). Free space or give *",
        1,
    ),
    "a device that is full": (
        environment("run_dir=/dev/full"),
        "/dev/full: cannot write the run directory (File exists). Free space or give run_dir=..., *",
        1,
    ),
    "a long name": (environment(f"run_dir={'a' * 300}"), "a*: cannot write the run directory (File name too long*", 1),
    "another is training": (
        another_is_training,
        "{run}: process * on * is training here. Wait for it, or give run_name=... for a second run.",
        1,
    ),
}
NOT_WHOLE = "{folder}/cache/*: the prepared case must be whole, got missing or cut files. Start the run again."
NO_ROOM = ": cannot be written (No space left on device). Free space or choose another place, then type the *"
# While a run trains.
WITHIN: dict[str, tuple[Spoil, str, str]] = {
    "a full disk": (full_disk, "{folder}/new/last.pt" + NO_ROOM, ""),
    "a disk that is full later": (full_at_sync(5), "{folder}/new/*" + NO_ROOM, ""),
    "the run's directory gone": (
        after_first_epoch(remove("new")),
        "{folder}/new/status.json: cannot be written (No such file or directory). *",
        "",
    ),
    "the cache gone": (both(own_cache, after_first_epoch(remove("cache"))), NOT_WHOLE, "data.residency=disk"),
    "the cache cut": (both(own_cache, after_first_epoch(cut_cache)), NOT_WHOLE, "data.residency=disk"),
    "the cache cut below patches": (
        both(own_cache, after_first_epoch(cut_cache)),
        NOT_WHOLE,
        "data.residency=disk data.dims=3 data.crop=[2,32,32] model.strides=[[1,2,2]]",
    ),
    "TensorBoard's folder forbidden": (
        no_tensorboard,
        "{folder}/new/tensorboard: cannot write TensorBoard events (Permission denied). *",
        "",
    ),
}
# Of these the same command comes to its end, once all is repaired; the others end in the same way.
REPAIRED = ("a full disk", "the cache gone")
# It goes on, and says so once.
WARNED: dict[str, tuple[Spoil, str]] = {
    "TensorBoard's folder gone": (
        after_first_epoch(remove("new/tensorboard")),
        "warning: {folder}/new/tensorboard: no more TensorBoard events (No such file or directory); the training *",
    ),
    "the data gone": (both(own_data, after_first_epoch(lose_data)), ""),
}

ENTRIES = [
    *({"name": name, "spoil": spoil, "says": says, "code": code} for name, (spoil, says, code) in OUTSIDE.items()),
    *(
        {"name": name, "spoil": spoil, "says": says, "words": words, "fresh": True, "resumes": name in REPAIRED}
        for name, (spoil, says, words) in WITHIN.items()
    ),
    *({"name": name, "spoil": spoil, "says": says, "code": 0, "fresh": True} for name, (spoil, says) in WARNED.items()),
]
