import pytest

from mlseg.data.sharing import Share


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_the_shares_are_the_batch_and_their_weighted_mean_is_its_mean(world: int, size: int) -> None:
    batch = [float(3**n) for n in range(size)]
    taken = [Share(rank=rank, world=world).take(batch) for rank in range(world)]
    assert sorted(value for values, weight in taken if weight for value in values) == batch
    mean = sum(weight * sum(values) / len(values) for values, weight in taken) / world
    assert mean == pytest.approx(sum(batch) / size)
    assert all(values for values, _ in taken)
