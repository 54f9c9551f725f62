"""The exported file gives the network's probabilities, and one that does not is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlseg.checks import RunError
from mlseg.engine.export import TOLERANCE, ExportedNetwork, export_onnx, list_sizes, read_metadata
from mlseg.engine.inference import pad_to_stride
from mlseg.functional.posthoc import LOG_ODDS_COUNT, map_log_odds, scale_by_class_temperature, scale_by_vector
from mlseg.models.attunet import AttUNet
from mlseg.models.transunet import TransUNet
from mlseg.models.unet import UNet
from mlseg.models.unetpp import UNetPlusPlus

WHY = "install the extra `export` to run it: pip install 'mlseg[export]'"
SMALL = {"widths": (4, 8), "strides": (2,)}


@pytest.fixture
def ort():
    pytest.importorskip("onnx", reason=WHY)
    return pytest.importorskip("onnxruntime", reason=WHY)


@pytest.fixture
def export(ort, tmp_path):
    """Write a network; returns how a session of it is run, and the file."""

    def call(network, *, crop=(8, 12), channels=1, **more):
        path = tmp_path / "model.onnx"
        worst = export_onnx(network.eval(), path, channels=channels, crop=crop, metadata={"labels": {}}, **more)
        assert 0 <= worst <= TOLERANCE
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return (lambda image: torch.from_numpy(session.run(["probs"], {"image": image.numpy()})[0])), path

    return call


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: UNet(2, 3, **SMALL), (7, 10)),
        (lambda: UNet(2, 3, norm="instance", **SMALL), (7, 10)),
        (lambda: AttUNet(2, 3, **SMALL), (7, 10)),
        (lambda: UNet(2, 3, dims=3, widths=(4, 8), strides=[[1, 2, 2]], norm="batch"), (3, 7, 10)),
    ],
    ids=["unet", "instance", "attunet", "3d"],
)
def test_probabilities_are_the_networks_at_any_size(export, make, size):
    torch.manual_seed(0)
    network = make()
    run, _ = export(network, crop=(4, 8, 12)[-len(size) :], channels=2)
    stride = network.stride
    for count in (1, 4):
        image = torch.randn(count, 2, *size)
        with torch.inference_mode():
            logits = network(pad_to_stride(image, stride))
        expected = logits[(..., *(slice(0, n) for n in size))].softmax(dim=1)
        torch.testing.assert_close(run(image), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: UNetPlusPlus(1, 4), lambda: TransUNet(1, 4, image_size=(64, 64))])
def test_large_networks(export, make):
    torch.manual_seed(0)
    run, _ = export(make(), crop=(64, 64))
    assert run(torch.zeros(1, 1, 70, 50)).shape == (1, 4, 70, 50)


@pytest.mark.parametrize(
    "calibrator",
    [
        lambda logits: logits / 2.5,
        lambda logits: scale_by_class_temperature(logits, torch.tensor([0.5, 2.0, 3.0])),
        lambda logits: scale_by_vector(logits, torch.tensor([0.5, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])),
        lambda logits: map_log_odds(logits, torch.linspace(-4, 9, LOG_ODDS_COUNT).expand(3, -1)),
    ],
    ids=["temperature", "class_temperature", "vector", "isotonic"],
)
def test_the_calibrator_is_inside(export, calibrator):
    torch.manual_seed(0)
    network = UNet(1, 3, **SMALL)
    run, _ = export(network, calibrator=calibrator)
    image = 3 * torch.randn(2, 1, 8, 12)
    with torch.inference_mode():
        logits = network.eval()(image)
    torch.testing.assert_close(run(image), calibrator(logits).softmax(dim=1), atol=TOLERANCE, rtol=0)
    assert float((run(image) - logits.softmax(dim=1)).abs().max()) > 0.01


def test_the_border_is_repeated_as_in_predicting():
    image = torch.randn(2, 3, 5, 6, 7)
    seen = []

    class Network(nn.Module):
        def forward(self, padded):
            seen.append(padded)
            return padded

    probs = ExportedNetwork(Network(), (4, 1, 8))(image)
    assert torch.equal(seen[0], pad_to_stride(image, (4, 1, 8)))
    torch.testing.assert_close(probs, image.softmax(dim=1))


def test_the_metadata_are_in_the_file(export):
    _, path = export(UNet(1, 3, **SMALL))
    assert read_metadata(path) == {"labels": {}, "stride": [2, 2]}


class Fixed(nn.Module):
    """A network that the tracer takes for another one: what it does depends on sizes in Python."""

    stride = (2, 2)

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong
        self.conv = nn.Conv2d(1, 3, 1)

    def forward(self, image):
        return self.wrong(self.conv(image))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: x * (1.0 + int(x.shape[2] > 6)), "a difference of .* for images of 8 x 12"),
        (lambda x: x + torch.ones(6, 8) if x.shape[2] == 6 else x, "one that does not run for images of 8 x 12"),
        (lambda x: x.reshape(-1, 3, 6, 8) if x.shape[2] == 6 else x, r"shape \(2, 3, 6, 8\) for images of 8 x 12"),
        (lambda x: torch.special.bessel_j0(x), "the exporter's 'Exporting the operator 'aten::special_bessel_j0'"),
    ],
    ids=["baked", "fixed size", "fixed shape", "operator"],
)
def test_a_network_that_cannot_be_written_leaves_no_file(export, tmp_path, wrong, message):
    torch.manual_seed(0)
    with pytest.raises(RunError, match=message) as error:
        export(Fixed(wrong))
    assert str(error.value).startswith("Fixed: must give the same probabilities as ONNX file at every size, got ")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("crop", "stride"), [((48, 64), (16, 16)), ((96, 128), (32, 32)), ((16, 48, 64), (4, 16, 16)), ((4, 6), (2, 2))]
)
def test_the_traced_size_is_not_padded_to_the_crop(crop, stride):
    sizes = list_sizes(crop, stride)
    assert sizes[1] == crop
    padded = [[-(-n // s) for n, s in zip(size, stride, strict=True)] for size in sizes]
    assert all(new != old for new, old in zip(padded[0], padded[1], strict=True)), sizes
    assert all(new > old for new, old in zip(padded[2], padded[1], strict=True)), sizes
    assert all(n % s for n, s in zip(sizes[0], stride, strict=True) if s > 1)
