"""The processes that prepare cases."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Killed with -9, it cannot tell them."""
    code = tmp_path / "prepare.py"
    code.write_text(
        "import os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from mlseg.data.cache import _begin_work\n"
        "if __name__ == '__main__':\n"
        "    context = get_context('spawn')\n"
        "    own = {'initializer': _begin_work, 'initargs': (os.getpid(),)}\n"
        "    with ProcessPoolExecutor(1, mp_context=context, **own) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        pool.submit(time.sleep, 60).result()\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(code)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 10
    while _is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(worker)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
