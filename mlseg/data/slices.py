"""Batches of slices for 2-D training, from the device, from memory or from disk; (seed, epoch) decide their order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mlseg.checks import COUNT, ConfigError, Range, check_range
from mlseg.data.augment import Augment, NoAugmentation, SampleKey
from mlseg.data.case_folder import check_uncut
from mlseg.data.framing import check_size, crop_or_pad
from mlseg.data.residency import choose_residency
from mlseg.data.sharing import Share
from mlseg.data.windows import Windows
from mlseg.types import CaseSet, PreparedCase, SegBatch

# Cases whose memory maps stay open at a time, two or three files each; systems allow a process 1024 or more.
OPEN_CASES = 128


class SliceLoader:
    """Cropped slices (N,C,h,w) of all cases of a set, without worker processes.

    Args:
        cases: the training cases; slices without foreground are used too.
        crop: (h,w) in pixels, centred.
        jitter: largest random distance of the crop from the centre, in pixels.
        batch_size: slices per batch; the last batch may be smaller.
        seed: of the order of the slices.
        device: where batches are handed out.
        residency: "device" keeps all slices on the device, "memory" in RAM (copied over page-locked buffers if the
            device is a GPU), "disk" reads memory maps one batch ahead; "auto" takes the first that fits.
        shuffle: a new order each epoch; False keeps that of the cases.
        drop_last: leave out a last batch that is smaller, unless it is the only one. A last batch of a single slice is
            left out anyway, because batch norm cannot learn from one.
        augment: changes batches at random; None leaves them as they are.
        skip_blank: leave out slices whose image is constant, such as those beyond the brain.
        share: this process's part of every batch; None takes all of it.

    Raises:
        ConfigError: an argument is out of range, the set is empty, or "device" does not fit.
    """

    def __init__(
        self,
        cases: CaseSet,
        *,
        crop: Sequence[int],
        batch_size: int,
        seed: int,
        device: str | torch.device = "cpu",
        residency: str = "auto",
        shuffle: bool = True,
        drop_last: bool = False,
        augment: Augment | None = None,
        skip_blank: bool = False,
        share: Share | None = None,
        jitter: int = 0,
    ) -> None:
        self.crop = check_size("SliceLoader", "crop", crop)
        check_range("SliceLoader", "jitter", jitter, Range(low=0, integer=True))
        check_range("SliceLoader", "batch_size", batch_size, COUNT)
        self.batch_size, self.seed, self.shuffle, self.drop_last = batch_size, seed, shuffle, drop_last
        self.share = share or Share()
        self.device = torch.device(device)
        # One case at a time: a memory map holds a file open, and there may be more cases than files may be.
        facts = [(case.case_id, _list_slices(case, skip_blank), case.image.shape) for case in cases]
        self._case_ids = [case_id for case_id, indices, _ in facts for _ in indices]
        self._slice_indices = [index for _, indices, _ in facts for index in indices]
        self._windows = Windows(self.crop, jitter, [shape[-2:] for _, indices, shape in facts for _ in indices])
        if not self._case_ids:
            raise ConfigError("SliceLoader: cases must hold at least one slice, got none. Check data.split.")
        channels, frame = facts[0][2][1], self._windows.frame
        self.augment = augment or NoAugmentation()
        needed = len(self._case_ids) * math.prod(frame) * (4 * channels + 1)
        self.residency, self.residency_reason = choose_residency(residency, needed, self.device)
        places = [(number, index) for number, (_, indices, _) in enumerate(facts) for index in indices]
        maps = _DiskSlices(cases, frame, places=places, channels=channels)
        self._slices: _Slices = maps if self.residency == "disk" else self._load(maps)

    @property
    def num_samples(self) -> int:
        """Slices in all."""
        return len(self._case_ids)

    def __len__(self) -> int:
        whole, rest = divmod(self.num_samples, self.batch_size)
        return whole if whole and (self.drop_last or rest == 0 or rest == 1 < self.batch_size) else whole + 1

    def order(self, epoch: int) -> Tensor:
        """The slices of an epoch in the order they are taken: int64 indices on the CPU."""
        if not self.shuffle:
            return torch.arange(self.num_samples)
        # Mixed by SeedSequence, so that neighbouring seeds and epochs share no order.
        state = np.random.SeedSequence((self.seed % 2**64, epoch)).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        return torch.randperm(self.num_samples, generator=generator)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SegBatch]:
        """The batches of one epoch from number `start` on, on the device; the same ones under every residency."""
        whole = self.order(epoch).split(self.batch_size)[start : len(self)]
        shares = [self.share.take(chunk.tolist()) for chunk in whole]
        chunks = [torch.tensor(indices) for indices, _ in shares]
        batches = self._slices.batches(chunks, self.device) if chunks else ()
        for (indices, weight), (image, target) in zip(shares, batches, strict=True):
            keys = [SampleKey(self.seed, epoch, index) for index in indices]
            image, target = self.augment(*self._windows.cut(image, target, keys), keys)
            yield SegBatch(
                image=image,
                target=target.long(),
                case_id=[self._case_ids[index] for index in indices],
                slice_index=[self._slice_indices[index] for index in indices],
                weight=weight,
            )

    def _load(self, maps: _DiskSlices) -> _Slices:
        """Crop all slices once and keep them."""
        images, targets = maps.gather(torch.arange(self.num_samples))
        if self.residency == "memory":
            return _MemorySlices(images, targets)
        try:
            return _DeviceSlices(images.to(self.device), targets.to(self.device))
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                f"SliceLoader: residency device must fit on {self.device}, got {images.nbytes / 1e6:.0f} MB of slices. "
                "Say data.residency=memory."
            ) from error


def _list_slices(case: PreparedCase, skip_blank: bool) -> list[int]:
    blank = set(case.blank_slices) if skip_blank else set()
    return [index for index in range(len(case.image)) if index not in blank]


class _Slices(Protocol):
    def batches(self, chunks: Sequence[Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Image (n,C,h,w) float32 and target (n,h,w) uint8 on the device for each chunk of indices."""


class _DeviceSlices:
    """All slices on the device: a batch is an index operation that the host does not wait for."""

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images, targets

    def batches(self, chunks: Sequence[Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.cat(list(chunks))
        if device.type == "cuda":
            order = order.pin_memory().to(device, non_blocking=True)
        for chunk in order.to(device).split([len(chunk) for chunk in chunks]):
            yield self.images.index_select(0, chunk), self.targets.index_select(0, chunk)


class _MemorySlices:
    """All slices in RAM: gathered into page-locked buffers where a GPU fetches them in the background."""

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images, targets

    def batches(self, chunks: Sequence[Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in chunks:
            yield self._take(self.images, chunk, device), self._take(self.targets, chunk, device)

    def _take(self, tensor: Tensor, chunk: Tensor, device: torch.device) -> Tensor:
        pinned = device.type == "cuda"
        buffer = torch.empty((len(chunk), *tensor.shape[1:]), dtype=tensor.dtype, pin_memory=pinned)
        torch.index_select(tensor, 0, chunk, out=buffer)
        return buffer.to(device, non_blocking=True)


class _DiskSlices:
    """Slices cropped from memory maps when they are asked for, one batch ahead in a thread."""

    def __init__(
        self, cases: CaseSet, crop: tuple[int, int], *, places: Sequence[tuple[int, int]], channels: int
    ) -> None:
        self.crop, self.channels, self.places = crop, channels, places
        self.open_case = lru_cache(OPEN_CASES)(cases.__getitem__)

    def gather(self, chunk: Tensor, *, pinned: bool = False) -> tuple[Tensor, Tensor]:
        """Image (n,C,h,w) and target (n,h,w) of these slices, on the CPU."""
        places = [self.places[index] for index in chunk.tolist()]
        for number in {number for number, _ in places}:
            check_uncut(self.open_case(number))
        image = torch.empty((len(places), self.channels, *self.crop), dtype=torch.float32, pin_memory=pinned)
        target = torch.empty((len(places), *self.crop), dtype=torch.uint8, pin_memory=pinned)
        for row, (number, index) in enumerate(places):
            case = self.open_case(number)
            image.numpy()[row] = crop_or_pad(case.image[index], self.crop)
            target.numpy()[row] = crop_or_pad(case.target[index], self.crop)
        return image, target

    def batches(self, chunks: Sequence[Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        pinned = device.type == "cuda"
        with ThreadPoolExecutor(1, thread_name_prefix="slices") as pool:
            ahead = pool.submit(self.gather, chunks[0], pinned=pinned)
            for following in (*chunks[1:], None):
                image, target = ahead.result()
                if following is not None:
                    ahead = pool.submit(self.gather, following, pinned=pinned)
                yield image.to(device, non_blocking=True), target.to(device, non_blocking=True)
