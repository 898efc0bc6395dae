"""Which channels may be non-zero after a layer."""

import numpy as np
import pytest

from mayo.config.names import KNOWN, Spec
from mayo.estimate.density import full, gathered, keeps_zero, kept, narrowest
from mayo.estimate.shape import Shape

MAP = Shape((4, 4, 8))
PER_IMAGE = np.array([3, 5])


def test_a_layer_that_mixes_channels_leaves_none_zero():
    assert full([3], [MAP], Shape((4, 4, 6))) == 6


def test_flattening_repeats_each_active_channel_for_each_position():
    assert kept([3], [MAP], Shape((128,))) == 48
    assert kept([PER_IMAGE], [MAP], Shape((2, 2, 32))).tolist() == [12, 20]


def test_concatenation_adds_the_active_channels_up():
    assert gathered([3, 8, 2], [MAP, MAP, MAP], Shape((4, 4, 24))) == 13
    assert gathered([PER_IMAGE, 8], [MAP, MAP], Shape((4, 4, 16))).tolist() == [11, 13]


def test_a_product_has_no_more_active_channels_than_either_input():
    assert narrowest([3, 8], [MAP, Shape((1, 1, 8))], MAP) == 3
    assert narrowest([PER_IMAGE, np.array([4, 4])], [MAP, MAP], MAP).tolist() == [3, 4]


def test_one_channel_that_multiplies_all_limits_nothing():
    assert narrowest([3, 1], [MAP, Shape((4, 4, 1))], MAP) == 3


@pytest.mark.parametrize('name', [name for name in KNOWN if name.startswith('keras.activations.')])
def test_whether_an_activation_is_zero_at_zero_is_what_keras_computes(name):
    import keras

    value = keras.ops.convert_to_numpy(getattr(keras.activations, name.rsplit('.', 1)[1])(keras.ops.zeros((1, 2))))
    assert keeps_zero(Spec(name)) == (not value.any())


def test_no_activation_keeps_zero():
    assert keeps_zero(None)
