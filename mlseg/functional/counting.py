"""One pass over the probabilities of a case, in chunks, on the device that holds them.

Each voxel adds to one cell per class: (code of its regions, is the class its top label, is it its reference, bin of its
probability). Regions overlap, so a voxel's code says in which of them it lies; codes are put together to regions at the
end. One integer holds a cell's number of voxels and its sum of fixed-point probabilities, so that counting is a single
scatter per class; and integers add up to the same in any order of chunks, threads or devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.functional.bins import FINE_BINS, SCALE, THRESHOLD, compute_edges

# The 301 stored columns, and one for what falls in no bin.
COLUMNS = FINE_BINS + 2
OUTSIDE = FINE_BINS + 1
# The low bits of a packed cell hold the sum of round(p * 2^28), the high ones the number of voxels; neither overflows
# within 2^16 voxels.
COUNT_SHIFT = 45
PACKED_VOXELS = 2**16
# Voxels at a time. torch works on up to 2^15 elements in the calling thread alone, so that its threads do not multiply
# with the ones here; a GPU wants more at once.
CHUNK_CPU, CHUNK_DEVICE = 2**15, 2**22
# The smallest normal float32: a probability of 0 costs 87.3 nats instead of infinity.
FLOOR = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """What one pass over n voxels found, on the CPU but for `label`.

    Args:
        label: (n,) uint8 top label; the lowest class wins a tie.
        counts: (K,codes,2,2,302) int64 voxels by class, code, is top label, is reference, and column.
        sums: the same of round(p * 2^28).
        proper: (2,codes) float64 sums of -log p_y and of sum_k (p_k - [y = k])^2.
        extremes: smallest and largest probability, smallest and largest sum over the classes; NaN if any is NaN.
    """

    label: Tensor
    counts: Tensor
    sums: Tensor
    proper: Tensor
    extremes: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class VoxelPass:
    """A pass over the voxels of one case.

    Args:
        probs: (K,n) probabilities, or logits.
        target: (n,) integer classes 0..K-1.
        code: (n,) uint8 codes below `codes`, or None if all are 0.
        codes: number of codes.
        edges: see `mlseg.functional.bins.compute_edges`.
        from_logits: True takes the softmax of each chunk first.
        skip_zero: True counts no voxel of code 0.
    """

    probs: Tensor
    target: Tensor
    code: Tensor | None = None
    codes: int = 1
    edges: str = "exact"
    from_logits: bool = False
    skip_zero: bool = False

    def run(self) -> PassResult:
        """Look at every voxel once."""
        device, voxels = self.probs.device, self.target.numel()
        on_cpu = device.type == "cpu"
        label = torch.empty(voxels, dtype=torch.uint8, device=device)
        fine = torch.from_numpy(compute_edges(self.edges)).to(device)
        step = PACKED_VOXELS if on_cpu else CHUNK_DEVICE
        blocks = [slice(start, min(start + step, voxels)) for start in range(0, voxels, step)]
        shape = (len(self.probs), self.codes, 2, 2, COLUMNS)
        counts, sums = (torch.zeros(shape, dtype=torch.int64, device=device) for _ in range(2))
        proper = torch.zeros(2, self.codes, dtype=torch.float64, device=device)
        extremes = []
        threads = torch.get_num_threads() if on_cpu else 1
        # In the order of the blocks, so that the float sums do not depend on the number of threads.
        for cells, part, found in _map(lambda block: self._count_block(block, label, fine), blocks, threads=threads):
            counts += (cells >> COUNT_SHIFT).sum(1).view(shape)
            sums += (cells & (2**COUNT_SHIFT - 1)).sum(1).view(shape)
            proper += part
            extremes.append(found)
        widest = tuple(_widest(extremes).tolist()) if extremes else (0.0, 1.0, 1.0, 1.0)
        return PassResult(label=label, counts=counts.cpu(), sums=sums.cpu(), proper=proper.cpu(), extremes=widest)

    def _count_block(self, block: slice, label: Tensor, fine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Packed cells (K, tables, cells), a table for each 2^16 voxels; sums (2,codes); extremes (4,) of one block."""
        device = label.device
        tables, size = -(-(block.stop - block.start) // PACKED_VOXELS), self.codes * 4 * COLUMNS
        cells = torch.zeros(len(self.probs), tables * size, dtype=torch.int64, device=device)
        proper = torch.zeros(2, self.codes, dtype=torch.float64, device=device)
        found = []
        step = CHUNK_CPU if device.type == "cpu" else CHUNK_DEVICE
        for start in range(block.start, block.stop, step):
            part = slice(start, min(start + step, block.stop))
            # The first cell of each voxel's table.
            place = torch.arange(start - block.start, part.stop - block.start, device=device) if tables > 1 else None
            origin = None if place is None else place.div_(PACKED_VOXELS, rounding_mode="floor").mul_(size)
            found.append(self._count_chunk(part, label[part], cells, proper, fine, origin=origin))
        return cells.view(len(self.probs), tables, size), proper, _widest(found)

    def _count_chunk(
        self, part: slice, label: Tensor, cells: Tensor, proper: Tensor, fine: Tensor, *, origin: Tensor | None
    ) -> Tensor:
        """Add one chunk to cells and sums, write its label; returns its extremes before rounding errors are clamped."""
        probs, target = self.probs[:, part], self.target[part].to(torch.uint8)
        probs = probs if probs.dtype == torch.float64 else probs.float()
        probs = probs.softmax(0) if self.from_logits else probs
        extremes = find_extremes(probs)
        label.copy_(find_top_label(probs)[1])
        # What is not a number is reported at the end; until then it must not index a table.
        if not bool((extremes[0] >= 0) & (extremes[1] <= 1)):
            probs = probs.nan_to_num(0.0).clamp(0.0, 1.0)
        code = torch.zeros_like(target, dtype=torch.int64) if self.code is None else self.code[part].long()
        first = code * (4 * COLUMNS) if origin is None else origin.add_(code, alpha=4 * COLUMNS)
        if self.skip_zero:
            kept = code.nonzero().squeeze(1)
            probs, target, label, code, first = (values[..., kept] for values in (probs, target, label, code, first))
        first = first.int()
        squares = torch.zeros(target.numel(), dtype=torch.float64, device=probs.device)
        for index, row in enumerate(probs):
            wide = row.double()
            cell = find_columns(wide, fine, kind=self.edges, was_float32=row.dtype == torch.float32)
            cell.add_(first).add_(target == index, alpha=COLUMNS).add_(label == index, alpha=2 * COLUMNS)
            packed = (wide * SCALE).round_().int().long().add_(1 << COUNT_SHIFT)
            cells[index].scatter_add_(0, cell.long(), packed)
            squares.addcmul_(wide, wide)
        chosen = probs.gather(0, target.long().unsqueeze(0)).squeeze(0).double()
        proper[0].scatter_add_(0, code, chosen.clamp_min(FLOOR).log_().neg_())
        proper[1].scatter_add_(0, code, squares.sub_(chosen, alpha=2).add_(1))
        return extremes


def find_extremes(probs: Tensor) -> Tensor:
    """(4,) float64: smallest and largest probability of (K,n), smallest and largest sum over the classes."""
    total = torch.zeros_like(probs[0], dtype=torch.promote_types(probs.dtype, torch.float32))
    bounds: list[Tensor] = []
    for row in probs:
        total.add_(row)
        bounds += torch.aminmax(row)
    rows = torch.stack(bounds)
    return torch.stack([rows.amin(), rows.amax(), *torch.aminmax(total)]).double()


def _widest(extremes: Sequence[Tensor]) -> Tensor:
    """The extremes of several parts together."""
    low, high, least, most = torch.stack(list(extremes)).T
    return torch.stack([low.amin(), high.amax(), least.amin(), most.amax()])


def find_top_label(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Largest probability (*S) and its class (*S, uint8) of probs (K,*S); the lowest class wins a tie.

    Example:
        >>> confidence, label = find_top_label(torch.tensor([[0.5, 0.25], [0.5, 0.75]]))
        >>> confidence.tolist(), label.tolist()
        ([0.5, 0.75], [0, 1])
    """
    confidence, label = probs[0], torch.zeros(probs.shape[1:], dtype=torch.uint8, device=probs.device)
    # A running maximum is several times faster on a CPU than max over the first axis, and its ties are defined.
    for index in range(1, probs.shape[0]):
        label.masked_fill_(probs[index] > confidence, index)
        confidence = torch.maximum(confidence, probs[index])
    return confidence, label


def find_columns(wide: Tensor, fine: Tensor, *, kind: str, was_float32: bool) -> Tensor:
    """Stored column, int32, of each probability in [0,1]; p = 0 is in the first for "exact" edges, outside for "paper".

    Args:
        wide: (n,) float64.
        fine: the 302 edges.
        kind: "exact" or "paper".
        was_float32: True if the values came from float32.
    """
    if kind == "exact" and was_float32:
        # Such a value times 300 is exact in float64, so its bin between multiples of 1/300 follows without a search.
        column = (wide * FINE_BINS).ceil_().clamp_(min=1).int()
        return column.add_(wide <= THRESHOLD, alpha=-1)
    zero = OUTSIDE if kind == "paper" else 0
    column = torch.bucketize(wide, fine, right=False, out_int32=True).sub_(1)
    # At the lowest edge: p = 0.
    return column.masked_fill_(column < 0, zero)


def _map(
    function: Callable[[slice], tuple[Tensor, Tensor, Tensor]], blocks: Sequence[slice], *, threads: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Results in the order of the blocks; torch lets go of Python's lock while it computes, so threads pay."""
    if min(threads, len(blocks)) < 2:
        yield from map(function, blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, blocks)
