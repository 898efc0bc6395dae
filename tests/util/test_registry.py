"""Things by name."""

from typing import Any

import pytest

from mayo.util.errors import UserError
from mayo.util.registry import Registry


@pytest.fixture
def pools() -> Registry[Any]:
    registry: Registry[Any] = Registry('pool')
    registry.register('avg')(sum)
    registry.register('max')(max)
    return registry


def test_what_is_registered_is_found_by_its_name(pools: Registry[Any]) -> None:
    assert (pools['avg'], list(pools), len(pools), 'max' in pools, 'min' in pools) == (sum, ['avg', 'max'], 2, True, False)


def test_an_unknown_name_is_the_users_mistake_and_the_known_ones_are_told(pools: Registry[Any]) -> None:
    with pytest.raises(UserError) as caught:
        pools['agv']
    assert str(caught.value) == 'unknown pool `agv`; did you mean avg? Known: avg, max.'
    with pytest.raises(UserError) as caught:
        pools['median']
    assert str(caught.value) == 'unknown pool `median`. Known: avg, max.'


def test_a_name_registered_twice_is_a_mistake_of_ours(pools: Registry[Any]) -> None:
    with pytest.raises(ValueError, match="pool 'avg' is registered twice"):
        pools.register('avg')(min)
