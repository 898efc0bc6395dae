"""The same words give the same bits."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from mayo.checkpoint import bundle
from mayo.config import Config
from mayo.session.base import Session
from mayo.training.trainer import train


@pytest.mark.train
def test_the_same_seed_gives_the_same_bits(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> None:
    for run, seed in (('first', 7), ('second', 7), ('other', 8)):
        train(
            Session(
                config_of(f'system.seed={seed}', f'system.checkpoint.save={run}', 'system.precision=mixed_bfloat16', gated=True)
            )
        )
    first, second, other = (bundle.read(tmp_path / f'tiny/pictures/{run}-epoch-2') for run in ('first', 'second', 'other'))
    assert first.keys() == second.keys()
    values = [name for name in first if name != 'mayo/config']  # which holds the name of the run
    assert [name for name in values if not np.array_equal(first[name], second[name])] == []
    assert not np.array_equal(first['tiny/conv0/weights'], other['tiny/conv0/weights'])
