"""Whatever goes wrong in several processes, one of them tells, and tells the cause."""

import pytest
from torch import distributed as dist

from mlseg.checks import ConfigError, DataError, PeerError, RunError, Stopped
from mlseg.engine.distributed import Group


def fail_with(error: BaseException, group: Group) -> BaseException:
    with pytest.raises(type(error) if group.world == 1 else BaseException) as caught, group.first_fault():
        raise error
    return caught.value


def test_the_first_fault_speaks_for_all() -> None:
    store = dist.HashStore()
    first, second = (Group(rank=rank, world=2, store=store) for rank in (0, 1))
    stopped, lost = Stopped("SIGTERM"), PeerError("distributed: another process of this run has ended.")
    assert fail_with(stopped, first) is stopped  # nobody has failed yet
    bad = DataError("patient003: bad.")
    assert fail_with(bad, second) is bad
    assert fail_with(bad, second) is bad  # from an inner context to an outer one
    for error in (stopped, lost, RunError("the same, seen from elsewhere"), KeyError("x")):
        found = fail_with(error, first)
        assert isinstance(found, PeerError)
        assert str(found) == "patient003: bad."


def test_one_tells_of_a_process_that_was_killed() -> None:
    store, lost = dist.HashStore(), PeerError("distributed: another process of this run has ended.")
    told = fail_with(lost, Group(rank=2, world=3, store=store))
    assert isinstance(told, RunError)
    assert not isinstance(told, PeerError)
    assert "ended without a word" in str(told)
    assert isinstance(fail_with(lost, Group(rank=1, world=3, store=store)), PeerError)


def test_a_mistake_of_another_process_than_the_first_is_shown() -> None:
    group = Group(rank=1, world=2, store=dist.HashStore())
    found = fail_with(ConfigError("trainer.device: no GPU 1."), group)
    assert isinstance(found, RunError)
    assert str(found) == "trainer.device: no GPU 1."
