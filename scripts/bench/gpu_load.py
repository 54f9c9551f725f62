"""How busy the GPU is while something runs, as nvidia-smi sees it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from types import TracebackType

QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200")


class GpuLoad:
    """A context that samples the share of time in which the first GPU had work, five times a second.

    `share` is the mean of the samples in 0..1; None where there is no nvidia-smi or nothing was sampled.
    """

    def __init__(self) -> None:
        self.share: float | None = None
        self._samples: list[float] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> GpuLoad:
        if shutil.which(QUERY[0]):
            command = [*QUERY, "--id=0"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True)
            self._thread.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if line.strip().isdigit():
                self._samples.append(int(line) / 100)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._thread.join()
        if self._samples:
            self.share = sum(self._samples) / len(self._samples)
