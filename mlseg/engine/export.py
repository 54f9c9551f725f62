"""A trained network as one ONNX file that needs neither mlseg nor torch, compared with it before it is kept."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlseg.checks import RunError
from mlseg.engine.inference import find_stride
from mlseg.records import replacing

# The entry of the file's metadata that holds all as JSON.
METADATA = "mlseg"
# Read by onnxruntime 1.14 and newer.
OPSET = 18
# How far probabilities of the file may lie from the network's.
TOLERANCE = 1e-4
IMAGE, PROBS = "image", "probs"
_AXES = ("depth", "height", "width")


class ExportedNetwork(nn.Module):
    """Padding to the stride, a network, its calibrator and the softmax: all that stands in the file.

    Padding repeats the border at the far ends, as `mlseg.engine.inference.pad_to_stride` does, written so that sizes
    stay open when the graph is traced; the result is cut back to the size of the image.

    Args:
        network: gives logits (N,K,*S).
        stride: per axis, what the network wants sizes to be multiples of.
        calibrator: maps logits to calibrated ones; None leaves them alone.

    Shape:
        (N,C,*S) to probabilities (N,K,*S), float32.

    Example:
        >>> ExportedNetwork(nn.Identity(), (4, 4))(torch.zeros(1, 2, 3, 5)).shape
        torch.Size([1, 2, 3, 5])
    """

    def __init__(
        self, network: nn.Module, stride: Sequence[int], calibrator: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.network, self.stride, self.calibrator = network, tuple(stride), calibrator

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities of normalised images."""
        padded = image
        for axis, stride in enumerate(self.stride, start=2):
            size = image.shape[axis]
            places = torch.arange((size + stride - 1) // stride * stride, device=image.device)
            padded = padded.index_select(axis, places.clamp(max=size - 1))
        logits = self.network(padded).float()
        for axis in range(2, image.dim()):
            logits = logits.narrow(axis, 0, image.shape[axis])
        return (logits if self.calibrator is None else self.calibrator(logits)).softmax(dim=1)


def export_onnx(
    network: nn.Module,
    path: Path,
    *,
    channels: int,
    crop: Sequence[int],
    metadata: Mapping[str, Any],
    calibrator: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Write a network as ONNX: input `image` (N,C,*S), output `probs` (N,K,*S), batch and sizes open.

    The file is run with onnxruntime at several sizes and takes its name only if its probabilities are the network's.

    Args:
        network: on the CPU, in eval mode.
        path: the file; one that is there is replaced.
        channels: of an image.
        crop: training crop (h,w) or patch (d,h,w), one of the sizes that are tried.
        metadata: what a user of the file must know, kept in it as JSON under the name `mlseg`; `stride` is added.
        calibrator: maps logits to calibrated ones; it goes into the file.

    Returns:
        The largest difference of a probability.

    Raises:
        RunError: the network has an operation that ONNX has not, the file's probabilities are others, or it cannot
            be written.
    """
    stride = find_stride(network, len(crop))
    graph = ExportedNetwork(network, stride, calibrator).eval()
    sizes = list_sizes(crop, stride)
    name = type(network).__name__
    with replacing(path) as temporary:
        _trace(graph, temporary, torch.randn(2, channels, *sizes[0], generator=_seed()), name)
        _add_metadata(temporary, {**metadata, "stride": list(stride)})
        return compare(graph, temporary, name=name, channels=channels, sizes=sizes)


def compare(graph: nn.Module, path: Path, *, name: str, channels: int, sizes: Sequence[tuple[int, ...]]) -> float:
    """The largest difference between the probabilities of a graph and of its file, over images of noise.

    Voxels whose two most likely classes are within the tolerance are left out: a calibrator may treat either class in
    another way, and rounding decides which it is.

    Raises:
        RunError: a difference is above 1e-4, or the file does not run at some size.
    """
    import onnxruntime

    failures = _list_failures(onnxruntime)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is told below
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise _refuse(name, "one that does not load") from error
    worst = 0.0
    for image in _draw_images(channels, sizes):
        with torch.inference_mode():
            expected = graph(image).numpy()
        try:
            (found,) = session.run([PROBS], {IMAGE: image.numpy()})
        except failures as error:
            raise _refuse(name, f"one that does not run for images of {_show(image)}") from error
        if found.shape != expected.shape:
            raise _refuse(name, f"an output of shape {found.shape} for images of {_show(image)}")
        first, second = np.sort(expected, axis=1)[:, :-3:-1].swapaxes(0, 1)
        clear = np.broadcast_to((first - second > TOLERANCE)[:, None], expected.shape)
        difference = float(np.abs(found - expected).max(where=clear, initial=0.0)) if clear.any() else 0.0
        if not difference <= TOLERANCE:
            raise _refuse(name, f"a difference of {difference:.2g} for images of {_show(image)}")
        worst = max(worst, difference)
    return worst


def list_sizes(crop: Sequence[int], stride: Sequence[int]) -> list[tuple[int, ...]]:
    """Sizes that a file is tried at: two that fit no stride, and the training crop.

    The first, which the graph is traced at, is never padded to the crop: a network may leave out what is only needed at
    other sizes.

    Example:
        >>> list_sizes((48, 64), (16, 16))
        [(49, 65), (48, 64), (57, 73)]
    """
    traced = [(2 + axis) * step + 1 for axis, step in enumerate(stride)]
    traced = [
        size + step if -(-size // step) == -(-old // step) else size
        for size, old, step in zip(traced, crop, stride, strict=True)
    ]
    larger = [old + step // 2 + 1 for old, step in zip(crop, stride, strict=True)]
    return [tuple(traced), tuple(crop), tuple(larger)]


def read_metadata(path: Path) -> dict[str, Any]:
    """What a file says of itself."""
    import onnx

    found = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    return dict(json.loads(found[METADATA]))


def _trace(graph: nn.Module, path: Path, image: Tensor, name: str) -> None:
    open_axes = {0: "batch", **dict(enumerate(_AXES[5 - image.dim() :], start=2))}
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Tracing warns of every check of a size in Python; whether sizes stay open is tried out afterwards.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.register_custom_op_symbolic("aten::expm1", _write_expm1, OPSET)
            torch.onnx.export(
                graph,
                (image,),
                str(path),
                input_names=[IMAGE],
                output_names=[PROBS],
                dynamic_axes={IMAGE: open_axes, PROBS: open_axes},
                opset_version=OPSET,
                # The exporter by torch.export takes many times as long, minutes for a transformer.
                dynamo=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise _refuse(name, f"the exporter's '{str(error).splitlines()[0][:120]}'") from error
    finally:
        logger.setLevel(before)


def _write_expm1(graph: Any, value: Any) -> Any:
    """exp(x) - 1, which ONNX has not, as tanh(x/2) (exp(x) + 1): exact near 0 too, where isotonic maps need it."""
    half = graph.op("Mul", value, graph.op("Constant", value_t=torch.tensor(0.5)))
    above = graph.op("Add", graph.op("Exp", value), graph.op("Constant", value_t=torch.tensor(1.0)))
    return graph.op("Mul", graph.op("Tanh", half), above)


def _add_metadata(path: Path, metadata: Mapping[str, Any]) -> None:
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {METADATA: json.dumps(metadata)})
    model.producer_name = "mlseg"
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _list_failures(onnxruntime: Any) -> tuple[type[Exception], ...]:
    """The errors of onnxruntime, which have no base of their own."""
    names = ("Fail", "InvalidArgument", "InvalidGraph", "NotImplemented", "RuntimeException")
    return tuple(getattr(onnxruntime.capi.onnxruntime_pybind11_state, name) for name in names)


def _draw_images(channels: int, sizes: Sequence[tuple[int, ...]]) -> Iterator[Tensor]:
    """Noise with another number of images at each size."""
    generator = _seed()
    for count, size in zip((2, 1, 3), sizes, strict=False):
        yield torch.randn(count, channels, *size, generator=generator)


def _seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _show(image: Tensor) -> str:
    return " x ".join(map(str, image.shape[2:]))


def _refuse(name: str, what: str) -> RunError:
    return RunError(
        f"{name}: must give the same probabilities as ONNX file at every size, got {what}. "
        "Export a run of another network; docs/export.md names those that are known to work."
    )
