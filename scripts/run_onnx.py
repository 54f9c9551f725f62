"""Segments a scan with a network that `mlseg-export` wrote; needs numpy, nibabel and onnxruntime, but not mlseg.

python run_onnx.py model.onnx scan.nii.gz seg.nii.gz [--probs probs.nii.gz]
python run_onnx.py model.onnx t1.nii.gz flair.nii.gz seg.nii.gz     # the channels of one case, in the model's order
"""

import argparse
import itertools
import json

import nibabel
import numpy as np
import onnxruntime


def normalise(volume, facts, inside):
    """Clip a channel to percentiles of the voxels `inside`, subtract their mean and divide by their deviation."""
    low, high = np.percentile(volume[inside], facts["clip_percentiles"])
    clipped = np.clip(volume[inside], low, high, dtype=np.float64)
    if not (high > low and clipped.std() > 0):
        return np.zeros(volume.shape, np.float32)
    result = np.full(volume.shape, low)
    result[inside] = clipped
    return ((result - clipped.mean()) / clipped.std()).astype(np.float32)


def linear_weights(old, new):
    """(new, old) weights of linear interpolation; the triangle is widened where an axis shrinks, against aliasing."""
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    centres = np.clip(centres, 0, old - 1) if old < new else centres
    weights = np.clip(1 - np.abs(np.arange(old) - centres[:, None]) / max(old / new, 1.0), 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def resample(array, size):
    """The last two axes, brought to `size`."""
    if array.shape[-2:] == tuple(size):
        return array
    rows, columns = (linear_weights(*pair) for pair in zip(array.shape[-2:], size, strict=True))
    return (rows @ array.astype(np.float64) @ columns.T).astype(np.float32)


def pad(image, crop):
    """(C,D,h,w) padded around its middle to at least the crop, and where it lies in there."""
    wanted = image.shape[1 : 4 - len(crop)] + tuple(crop)
    missing = [max(0, new - old) for old, new in zip(image.shape[1:], wanted, strict=True)]
    places = tuple(slice(m // 2, m // 2 + n) for m, n in zip(missing, image.shape[1:], strict=True))
    # The darkest value around it: of each slice alone where the network sees slices, of the volume where volumes.
    lowest = image.min(axis=(2, 3) if len(crop) == 2 else (1, 2, 3), keepdims=True)
    padded = np.empty((len(image), *(n + m for n, m in zip(image.shape[1:], missing, strict=True))), np.float32)
    padded[...] = lowest
    padded[(slice(None), *places)] = image
    return padded, places


def predict(run, image, facts):
    """(K,D,h,w) probabilities of (C,D,h,w): slice by slice, or in overlapping windows with Gaussian weights."""
    crop = facts["crop"]
    if facts["inference"] == "full":
        return np.stack([run(image[None, :, d])[0] for d in range(image.shape[1])], axis=1)
    if len(crop) == 2:
        return np.stack([_windows(run, image[:, d], facts) for d in range(image.shape[1])], axis=1)
    return _windows(run, image, facts)


def _windows(run, image, facts):
    starts, weight = [], np.ones(())
    for n, c in zip(image.shape[1:], facts["crop"], strict=True):
        step = max(1, int(c * (1 - facts["overlap"]))) if n > c else c
        starts.append(sorted({min(start, n - c) for start in range(0, n - c + step, step)}))
        axis = np.exp(-((np.arange(c) - (c - 1) / 2) ** 2) / (2 * (facts["sigma"] * c) ** 2))
        weight = weight[..., None] * axis
    weight = np.maximum(weight, max(weight.min(), 1e-3))
    total = np.zeros((len(facts["labels"]), *image.shape[1:]))
    for corner in itertools.product(*starts):
        place = (slice(None), *(slice(s, s + c) for s, c in zip(corner, facts["crop"], strict=True)))
        total[place] += run(image[place][None])[0] * weight
    return (total / total.sum(axis=0)).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("scans", nargs="+")
    parser.add_argument("output")
    parser.add_argument("--probs", help="write the probabilities too, as 4-D float32 NIfTI")
    words = parser.parse_args()
    session = onnxruntime.InferenceSession(words.model, providers=onnxruntime.get_available_providers())
    facts = json.loads(session.get_modelmeta().custom_metadata_map["mlseg"])
    if facts["version"] != 1 or len(words.scans) != len(facts["channels"]):
        parser.error(
            f"needs a model of version 1 and one scan for each of {', '.join(facts['channels'])}, in this order"
        )

    # Axes are (d,h,w) = the stored (k,j,i), after the flips and the permutation that lead to the model's orientation.
    scans = [nibabel.load(path) for path in words.scans]
    there = back = nibabel.orientations.axcodes2ornt("RAS")
    if facts["orientation"] != "native":
        own, wanted = nibabel.io_orientation(scans[0].affine), nibabel.orientations.axcodes2ornt(facts["orientation"])
        there, back = (nibabel.orientations.ornt_transform(*pair) for pair in ((own, wanted), (wanted, own)))
    arrays = [np.asanyarray(scan.dataobj).reshape(scan.shape[:3]) for scan in scans]
    turned = [nibabel.orientations.apply_orientation(array, there) for array in arrays]
    image = np.ascontiguousarray(np.stack([array.transpose(2, 1, 0) for array in turned]), dtype=np.float32)
    zooms = [float(scans[0].header.get_zooms()[int(axis)]) for axis in np.argsort(there[:, 0])][::-1]

    native = image.shape[2:]
    inside = (image != 0).any(axis=0)
    if facts["normalise_over"] == "volume" or not inside.any():
        inside[...] = True
    image = np.stack([normalise(channel, facts, inside) for channel in image])
    if facts["spacing_mm"]:
        lengths = zip(native, zooms[1:], facts["spacing_mm"], strict=True)
        size = [max(1, int(np.floor(n * old / new + 0.5))) for n, old, new in lengths]
        image = resample(image, size)
    framed, places = pad(image, facts["crop"])
    probs = predict(lambda batch: session.run(["probs"], {"image": batch})[0], framed, facts)[(slice(None), *places)]
    probs = resample(probs, native)
    probs = probs / probs.sum(axis=0)

    values = np.array(list(facts["labels"].values()))
    labels = values.astype(np.uint8 if values.max() < 256 else np.uint16)[probs.argmax(axis=0)]
    for path, array in ((words.output, labels), (words.probs, probs)):
        if path is not None:
            stored = array.transpose(2, 1, 0) if array.ndim == 3 else array.transpose(3, 2, 1, 0)
            stored = nibabel.orientations.apply_orientation(stored, back)
            header = scans[0].header.copy()
            header.set_data_dtype(array.dtype)
            header.set_slope_inter(1, 0)
            nibabel.save(nibabel.Nifti1Image(stored, scans[0].affine, header), path)


if __name__ == "__main__":
    main()
