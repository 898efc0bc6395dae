"""Shapes, and the map that a window gives, against counting the windows one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.layers.shape import Shape, clip, need_map, slide
from mayo.util.errors import UserError

SIDE = st.integers(1, 40)


def test_a_vector_counts_as_a_map_of_one_position() -> None:
    vector = Shape((10,))
    assert (vector.is_map, vector.height, vector.width, vector.channels, vector.size) == (False, 1, 1, 10, 10)


def test_a_map_has_height_width_and_channels() -> None:
    shape = Shape((5, 4, 3))
    assert (shape.height, shape.width, shape.channels, shape.size, str(shape)) == (5, 4, 3, 60, '5x4x3')
    assert shape.with_channels(7) == Shape((5, 4, 7))


def windows(side: Any, kernel: Any, stride: Any, pad: Any) -> list[Any]:
    """Positions at which a window of `kernel` lies wholly within the padded side."""
    return [start for start in range(0, side + 2 * pad, stride) if start + kernel <= side + 2 * pad]


@given(SIDE, st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))
def test_a_window_gives_as_many_positions_as_it_fits_in(side: Any, kernel: Any, stride: Any, pad: Any) -> None:
    expected = len(windows(side, kernel, stride, pad))
    if not expected:
        with pytest.raises(UserError, match='does not fit'):
            slide(Shape((side, 50, 3)), (kernel, 1), (stride, 1), (pad, 0), 8)
        return
    assert slide(Shape((side, 50, 3)), (kernel, 1), (stride, 1), (pad, 0), 8) == Shape((expected, 50, 8))


@given(SIDE, st.integers(1, 7), st.integers(1, 4))
def test_valid_padding_is_none_and_same_padding_starts_a_window_every_stride(side: Any, kernel: Any, stride: Any) -> None:
    source = Shape((50, side, 3))
    assert slide(source, (1, kernel), (1, stride), 'same', 8).width == len(range(0, side, stride))
    if kernel <= side:
        assert slide(source, (1, kernel), (1, stride), 'valid', 8).width == len(windows(side, kernel, stride, 0))


@pytest.mark.parametrize(('padding', 'sizes'), [('valid', 'valid'), ((1, 0), '1x0')])
def test_a_window_that_does_not_fit_is_told_with_both_sizes(padding: str | tuple[int, int], sizes: str) -> None:
    with pytest.raises(UserError) as error:
        slide(Shape((4, 3, 2)), (7, 7), (1, 1), padding, 8)
    assert str(error.value) == f'a window of 7x7 with padding {sizes} does not fit into the 4x3 map it reads.'


def test_a_pooling_window_is_no_larger_than_the_map() -> None:
    assert clip((3, 9), Shape((5, 4, 1))) == (3, 4)
    assert clip(None, Shape((5, 4, 1))) == (5, 4)


def test_what_needs_a_map_refuses_a_vector() -> None:
    with pytest.raises(UserError) as error:
        need_map(Shape((9,)))
    assert str(error.value) == 'needs a map of height, width and channels, gets a vector of 9.'
