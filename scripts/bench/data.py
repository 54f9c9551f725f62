"""Reading training slices: our memory-mapped cache against an HDF5 volume that is opened and read whole for each slice.

    python scripts/bench/data.py --folder bench_data    # 40 full-size BraTS phantoms, 4 minutes to write
    python scripts/bench/data.py --folder bench_data --quick    # 4 small ones, to see that it runs

Prints one table from one run on one machine: seconds to decompress the files, to write what a cache holds, and to
prepare them, all with all cores; slices per second each way, and the anonymous memory of an epoch that reads from disk.
Needs h5py for the second way.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mlseg.data.brats import BraTSSource
from mlseg.data.cache import PreparedSet, prepare_cases
from mlseg.data.phantom import write_phantom
from mlseg.data.preprocess import Preprocessing
from mlseg.types import CaseFiles

CROP = (192, 192)
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    arguments = parse_arguments()
    shape, cases = ((24, 64, 64), 4) if arguments.quick else ((155, 240, 240), arguments.cases)
    root = arguments.folder / f"phantom-{cases}-{shape[0]}"
    if not root.exists():
        print(f"writing {cases} phantoms of {shape} to {root}")
        write_phantom("brats", root, subjects=cases, shape=shape)
    source = BraTSSource(root)
    files = source.list_cases()
    table = Table("what", "figure", "ratio", title=f"{len(files)} BraTS phantoms of {shape}, 4 channels; {CORES} cores")
    decompressing = clock(lambda: decompress(files))
    cache = arguments.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    prepared: list[PreparedSet] = []
    preparing = clock(lambda: prepared.append(prepare(source, files, cache)))
    sizes = [path.stat().st_size for path in cache.rglob("*") if path.is_file()]
    writing = clock(lambda: write_files(sizes, arguments.folder / "written"))
    floor = decompressing + writing
    table.add_row("decompress all files, all cores", f"{decompressing:.1f} s", f"{decompressing / floor:.2f}")
    table.add_row(f"write {sum(sizes) / 1e9:.1f} GB to disk, as preparing does", f"{writing:.1f} s", "")
    table.add_row("both, the floor of preparing", f"{floor:.1f} s", "1")
    table.add_row("prepare them (read, check, normalise, write)", f"{preparing:.1f} s", f"{preparing / floor:.2f}")
    theirs = read_hdf5(prepared[0], arguments.folder / "hdf5", arguments.slices)
    ours, memory = read_cache(prepared[0], arguments.slices * 20)
    if theirs is None:
        table.add_row("slices from whole HDF5 volumes", "h5py is not installed (pip install h5py)", "")
    else:
        table.add_row("slices from whole HDF5 volumes", f"{theirs:.1f} slices/s", "1")
    table.add_row(
        "slices from our cache, data.residency=disk", f"{ours:.0f} slices/s", f"{ours / theirs:.0f}" if theirs else ""
    )
    table.add_row("anonymous memory while reading from disk, at most", f"{memory / 1e9:.2f} GB", "")
    Console().print(table)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where phantoms and caches are kept")
    parser.add_argument("--cases", type=int, default=40, help="full-size cases")
    parser.add_argument("--slices", type=int, default=60, help="slices to read from HDF5; ours reads 20 times as many")
    parser.add_argument("--quick", action="store_true", help="small phantoms")
    return parser.parse_args()


def clock(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def decompress(files: list[CaseFiles]) -> None:
    """The floor of any preparation: the files' bytes, uncompressed."""
    paths = [path for case in files for path in (*case.images, case.target) if path is not None]
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(decompress_one, paths, chunksize=4))


def decompress_one(path: Path) -> int:
    return len(gzip.decompress(path.read_bytes()))


def write_files(sizes: list[int], folder: Path) -> None:
    """The other floor: as many bytes in as many files, each on the disk before the next of its process."""
    folder.mkdir(exist_ok=True)
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(write_one, [folder / str(number) for number in range(len(sizes))], sizes))
    shutil.rmtree(folder)


def write_one(path: Path, size: int) -> None:
    block = b"mlseg" * (1 << 18)
    with open(path, "wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
        file.flush()
        os.fsync(file.fileno())


def prepare(source: BraTSSource, files: list[CaseFiles], cache: Path) -> PreparedSet:
    return prepare_cases(source, files, Preprocessing(normalise_over="nonzero"), cache_dir=cache, workers=CORES)


def read_hdf5(cases: PreparedSet, folder: Path, count: int) -> float | None:
    """Slices per second where each opens its case's file, reads the whole volume and takes one slice."""
    try:
        import h5py
    except ImportError:
        return None
    folder.mkdir(exist_ok=True)
    paths = []
    for case in list(cases)[:8]:
        paths.append(folder / f"{case.case_id}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["image"], file["target"] = np.asarray(case.image), np.asarray(case.target)
    draw = np.random.default_rng(0)
    started = time.perf_counter()
    for _ in range(count):
        with h5py.File(paths[draw.integers(len(paths))], "r") as file:
            image, target = file["image"][:], file["target"][:]
        index = draw.integers(len(image))
        np.ascontiguousarray(image[index, :, : CROP[0], : CROP[1]]), np.ascontiguousarray(target[index])
    return count / (time.perf_counter() - started)


def read_cache(cases: PreparedSet, count: int) -> tuple[float, int]:
    """Slices per second of the loader that trains, from disk, and the most anonymous memory on the way."""
    from mlseg.data.slices import SliceLoader

    loader = SliceLoader(cases, crop=CROP, batch_size=16, seed=0, residency="disk", skip_blank=True)
    seen, memory, started = 0, 0, time.perf_counter()
    for batch in loader.epoch(0):
        seen += len(batch["image"])
        memory = max(memory, measure_anonymous())
        if seen >= count:
            break
    return seen / (time.perf_counter() - started), memory


def measure_anonymous() -> int:
    """Bytes of anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
