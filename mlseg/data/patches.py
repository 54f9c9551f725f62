"""Batches of patches for 3-D training, part of them around the foreground; (seed, epoch) decide where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mlseg.checks import COUNT, FRACTION, ConfigError, check_range
from mlseg.data.augment import Augment, NoAugmentation, SampleKey
from mlseg.data.case_folder import check_uncut
from mlseg.data.residency import choose_residency
from mlseg.data.sharing import Share
from mlseg.types import CaseSet, PreparedCase, SegBatch

# Cases whose memory maps stay open at a time, three files each.
OPEN_CASES = 128
# Keeps the draws of places apart from those of the order and of the augmentation.
_PLACES = 1


class PatchLoader:
    """Patches (N,C,d,h,w) at random places of the training cases, without worker processes.

    Every case gives `patches_per_case` patches an epoch. A share of them is centred on a voxel of the foreground, first
    a class drawn evenly from those in the case, then one of its voxels; the others lie anywhere. A case smaller than
    the patch is padded: each channel with its minimum, the target with background.

    Args:
        cases: the training cases.
        crop: patch (d,h,w) in voxels of the working grid.
        batch_size: patches per batch; the last batch may be smaller.
        seed: of order and places.
        device: where batches are handed out.
        residency: "device" keeps all cases on the device, "memory" in RAM, "disk" reads memory maps one batch ahead;
            "auto" takes the first that fits.
        patches_per_case: patches of each case in an epoch.
        foreground_share: share of the patches that are centred on the foreground, where there is any.
        augment: changes batches at random; None leaves them as they are.
        share: this process's part of every batch; None takes all of it.

    Raises:
        ConfigError: an argument is out of range, or the set is empty.

    Source: oversampling of the foreground as in Isensee et al., Nature Methods 2021.
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
        patches_per_case: int = 4,
        foreground_share: float = 0.33,
        augment: Augment | None = None,
        share: Share | None = None,
    ) -> None:
        self.crop = tuple(int(size) for size in crop)
        for size in self.crop:
            check_range("PatchLoader", "crop", size, COUNT)
        check_range("PatchLoader", "batch_size", batch_size, COUNT)
        check_range("PatchLoader", "patches_per_case", patches_per_case, COUNT)
        check_range("PatchLoader", "foreground_share", foreground_share, FRACTION)
        if len(self.crop) != 3 or not len(cases):
            raise ConfigError(
                f"PatchLoader: needs a crop of three axes and at least one case, got crop {list(self.crop)} and "
                f"{len(cases)} cases. Check data.crop and data.split."
            )
        self.batch_size, self.seed, self.device = batch_size, seed, torch.device(device)
        self.patches_per_case, self.foreground_share = patches_per_case, foreground_share
        self.augment, self.share = augment or NoAugmentation(), share or Share()
        self._case_ids = [case.case_id for case in cases]
        needed = sum(case.image.nbytes + case.target.nbytes for case in cases)
        self.residency, self.residency_reason = choose_residency(residency, needed, self.device)
        self._open = lru_cache(OPEN_CASES if self.residency == "disk" else None)(self._read(cases))

    @property
    def num_samples(self) -> int:
        """Patches of an epoch."""
        return len(self._case_ids) * self.patches_per_case

    def __len__(self) -> int:
        return -(-self.num_samples // self.batch_size)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SegBatch]:
        """The batches of one epoch from number `start` on, on the device; the same ones under every residency."""
        order = np.random.default_rng([self.seed % 2**64, epoch]).permutation(self.num_samples).tolist()
        whole = [order[first : first + self.batch_size] for first in range(0, len(order), self.batch_size)][start:]
        shares = [self.share.take(chunk) for chunk in whole]
        with ThreadPoolExecutor(1, thread_name_prefix="patches") as pool:
            futures = [pool.submit(self._gather, epoch, chunk) for chunk, _ in shares[:1]]
            for number, (chunk, weight) in enumerate(shares):
                parts, depths = futures.pop().result()
                if number + 1 < len(shares):
                    futures.append(pool.submit(self._gather, epoch, shares[number + 1][0]))
                image, target = (part.to(self.device, non_blocking=True) for part in parts)
                keys = [SampleKey(self.seed, epoch, sample) for sample in chunk]
                image, target = self.augment(image, target, keys)
                yield SegBatch(
                    image=image,
                    target=target.long(),
                    case_id=[self._case_ids[sample // self.patches_per_case] for sample in chunk],
                    slice_index=depths,
                    weight=weight,
                )

    def _gather(self, epoch: int, samples: Sequence[int]) -> tuple[tuple[Tensor, Tensor], list[int]]:
        """Image (n,C,d,h,w), target (n,d,h,w) and the first slices of these samples."""
        images, targets, depths = [], [], []
        for sample in samples:
            case, image, target = self._open(sample // self.patches_per_case)
            check_uncut(case)
            draw = np.random.default_rng([self.seed % 2**64, epoch, sample, _PLACES])
            start = choose_place(case, self.crop, draw, foreground_share=self.foreground_share)
            # (D,C,h,w): channels lie behind slices.
            images.append(_cut(image.movedim(1, 0), start, self.crop, pad_with_minimum=True))
            targets.append(_cut(target, start, self.crop, pad_with_minimum=False))
            depths.append(start[0])
        return (torch.stack(images), torch.stack(targets)), depths

    def _read(self, cases: CaseSet):  # type: ignore[no-untyped-def]
        """How a case is opened: kept on the device or in memory, or mapped from disk."""
        place = self.device if self.residency == "device" else torch.device("cpu")

        def read(number: int) -> tuple[PreparedCase, Tensor, Tensor]:
            case = cases[number]
            keep = self.residency != "disk"
            image, target = (np.array(part) if keep else part for part in (case.image, case.target))
            return case, _wrap(image).to(place), _wrap(target).to(place)

        return read


def choose_place(
    case: PreparedCase, crop: Sequence[int], draw: np.random.Generator, *, foreground_share: float
) -> tuple[int, ...]:
    """The first voxel (d,h,w) of a patch; negative where the case is smaller than the patch, which lies around it.

    Args:
        case: its landmarks tell where the foreground is.
        crop: patch (d,h,w).
        draw: the random generator of this sample.
        foreground_share: probability of a patch centred on the foreground, as far as the border allows.
    """
    shape, landmarks = case.target.shape, case.landmarks
    wanted = draw.random() < foreground_share
    # As many draws either way, so that one sample's place does not depend on what is in the case.
    first, second = draw.random(), draw.random()
    free = draw.random(3)
    room = [n - size for n, size in zip(shape, crop, strict=True)]
    if wanted and landmarks is not None and len(landmarks):
        classes = np.unique(landmarks[:, 0])
        own = landmarks[landmarks[:, 0] == classes[int(first * len(classes))]]
        centre = own[int(second * len(own)), 1:]
        start = [int(place) - size // 2 for place, size in zip(centre, crop, strict=True)]
    else:
        start = [int(share * (more + 1)) for share, more in zip(free, room, strict=True)]
    return tuple(min(max(0, s), more) if more >= 0 else -(-more // 2) for s, more in zip(start, room, strict=True))


def _wrap(array: np.ndarray) -> Tensor:
    """A tensor over the array's memory, which a memory map only lends for reading."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.asarray(array))


def _cut(volume: Tensor, start: Sequence[int], crop: Sequence[int], *, pad_with_minimum: bool) -> Tensor:
    """A patch of the last three axes; outside the volume it has the channel's minimum, or 0."""
    ends = [first + size for first, size in zip(start, crop, strict=True)]
    inside = [slice(max(0, first), min(end, n)) for first, end, n in zip(start, ends, volume.shape[-3:], strict=True)]
    d, h, w = inside
    taken = volume[..., d, h, w]
    if tuple(taken.shape[-3:]) == tuple(crop):
        return taken.clone(memory_format=torch.contiguous_format)
    patch = torch.zeros((*volume.shape[:-3], *crop), dtype=volume.dtype, device=volume.device)
    if pad_with_minimum:
        patch += volume.amin(dim=(-3, -2, -1), keepdim=True)
    d, h, w = (slice(s.start - first, s.stop - first) for s, first in zip(inside, start, strict=True))
    patch[..., d, h, w] = taken
    return patch
