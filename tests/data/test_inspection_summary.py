"""What an inspection adds up to, and whether what a training will need is what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.data.acdc import ACDCSource
from mlseg.data.cache import prepare_cases
from mlseg.data.inspection import CaseFacts, Inspector, inspect_cases
from mlseg.data.inspection_summary import describe_layout, summarise_cases, summarise_needs
from mlseg.data.preprocess import Preprocessing
from mlseg.data.slices import SliceLoader
from mlseg.data.splits import Split
from mlseg.types import CaseFiles

SPLIT = Split(name="mine", train=("patient001", "patient003"), val=("patient002",), test=("patient004",))


@pytest.fixture(scope="module")
def source(acdc_root: Path) -> ACDCSource:
    return ACDCSource(acdc_root)


@pytest.fixture(scope="module")
def facts(source: ACDCSource) -> list[CaseFacts]:
    inspector = Inspector(source=source, preprocessing=Preprocessing(), crop=(32, 32))
    return inspect_cases(inspector, source.list_cases(), workers=1, progress=False)


def test_counts_of_the_whole(source: ACDCSource, facts: list[CaseFacts]) -> None:
    files = source.list_cases()
    found = summarise_cases(files, facts, source, root=source.root, split=SPLIT)
    assert found["layout"] == [{"place": "training/*", "folders": 5, "images": 10, "references": 10}]
    assert (found["cases"], found["cases_read"], found["subjects"]) == (10, 10, 5)
    assert found["frames"] == {"ED": 5, "ES": 5}
    assert sum(found["groups"].values()) == 5
    assert found["orientations"] == {"LPS": 10}
    assert found["corner_distance_mm"] == 0
    lowest = min(case.ranges[0][0] for case in facts)
    highest = max(case.ranges[0][1] for case in facts)
    assert found["channels"] == [{"name": "MR", "min": lowest, "max": highest}]
    assert found["split"] == {
        "name": "mine",
        "train": {"subjects": 2, "cases": 4},
        "val": {"subjects": 1, "cases": 2},
        "test": {"subjects": 1, "cases": 2},
        "unused": {"subjects": 1, "cases": 2},
    }
    assert [case["part"] for case in found["case_list"]][::2] == ["train", "val", "train", "test", None]
    assert found["case_list"][3]["case_id"] == files[3].case_id
    assert found["case_list"][3]["reference"] == str(files[3].target)


def test_grids_and_classes(source: ACDCSource, facts: list[CaseFacts]) -> None:
    found = summarise_cases(source.list_cases(), facts, source, root=source.root, split=SPLIT)
    heights = sorted(case.shape[1] for case in facts)
    assert [found["shape"][name][1] for name in ("min", "median", "max")] == [
        heights[0],
        (heights[4] + heights[5]) / 2,
        heights[-1],
    ]
    assert found["shape"]["different"] == len({case.shape for case in facts})
    total = sum(sum(case.voxels) for case in facts)
    for index, row in enumerate(found["classes"]):
        assert row["name"] == source.labels[index]
        assert row["voxels"] == sum(case.voxels[index] for case in facts)
        assert row["share"] == pytest.approx(row["voxels"] / total)
        having = [case for case in facts if case.voxels[index]]
        assert (row["cases_with"], row["cases_without"]) == (len(having), 10 - len(having))
        trained = {case.subject_id for case in having} & {"patient001", "patient003"}
        assert row["training_subjects"] == len(trained)


def test_what_could_not_be_read_is_null(source: ACDCSource, facts: list[CaseFacts]) -> None:
    files = source.list_cases()[:1]
    broken = [CaseFacts(case_id=files[0].case_id, subject_id="patient001", problems=("bad",))]
    found = summarise_cases(files, broken, source, root=source.root, split=None)
    assert (found["cases_read"], found["shape"], found["spacing_mm"], found["split"]) == (0, None, None, None)
    assert (found["corner_distance_mm"], found["orientations"]) == (None, {})
    assert found["classes"][0] == {
        "name": "background",
        "voxels": 0,
        "share": None,
        "cases_with": 0,
        "cases_without": 0,
        "training_subjects": None,
    }
    assert found["case_list"][0]["problems"] == ["bad"]
    assert found["case_list"][0]["shape"] is None


def test_needs_are_what_cache_and_loader_take(source: ACDCSource, facts: list[CaseFacts], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    needs = summarise_needs(facts, SPLIT, crop=(32, 32), channels=1, cache_dir=cache)
    assert not cache.exists()
    used = {*SPLIT.train, *SPLIT.val, *SPLIT.test}
    cases = [files for files in source.list_cases() if files.subject_id in used]
    prepared = prepare_cases(source, cases, Preprocessing(), cache_dir=cache, workers=1, progress=False)
    sizes = [path.stat().st_size for folder in prepared.folders for path in folder.iterdir()]
    assert sum(sizes) <= needs["cache_bytes"] <= sum(sizes) + 4096 * len(sizes)
    loader = SliceLoader(prepared.subset(SPLIT.train), crop=(32, 32), batch_size=64, seed=0, residency="memory")
    images = [batch["image"] for batch in loader.epoch(0)]
    voxels = sum(image.numel() for image in images)
    assert needs["memory_bytes"] == 4 * voxels + voxels  # float32 image and uint8 target
    assert needs["disk_free_bytes"] > 0
    volumes = summarise_needs(facts, SPLIT, crop=(4, 32, 32), channels=1, cache_dir=cache)
    own = list(prepared.subset(SPLIT.train))
    assert volumes["memory_bytes"] == sum(case.image.nbytes + case.target.nbytes for case in own)
    everything = summarise_needs(facts, None, crop=(32, 32), channels=1, cache_dir=cache)
    assert everything["cache_bytes"] == sum(case.cache_bytes for case in facts)


def make_files(root: Path, *places: str) -> list[CaseFiles]:
    """One case for each place, with an image and a reference beside it."""
    cases = []
    for number, place in enumerate(places):
        folder = root / place
        folder.mkdir(parents=True, exist_ok=True)
        image, target = folder / f"{number}.nii", folder / f"{number}_seg.nii"
        image.touch()
        target.touch()
        cases.append(CaseFiles(case_id=f"c{number}", subject_id=f"s{number}", images=(image,), target=target))
    return cases


def test_the_layout_hides_names_and_misses_what_is_missing(tmp_path: Path) -> None:
    files = make_files(tmp_path, "HGG/c0", "HGG/c1", "LGG/s2/pre")
    files[1].images[0].unlink()
    assert describe_layout(tmp_path, files) == [
        {"place": "HGG/*", "folders": 2, "images": 1, "references": 2},
        {"place": "LGG/*/pre", "folders": 1, "images": 1, "references": 1},
    ]
    assert describe_layout(tmp_path / "elsewhere", files[:1])[0]["place"] == str(tmp_path / "HGG/c0")


def test_many_names_of_ones_own_are_told_as_one(tmp_path: Path) -> None:
    files = make_files(tmp_path, *(f"all/name{n}" for n in range(9)))
    assert describe_layout(tmp_path, files) == [{"place": "all/*", "folders": 9, "images": 9, "references": 9}]
