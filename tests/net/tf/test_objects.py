"""Objects from YAML names."""

from typing import Any

import keras

from mayo.config.names import object_spec
from mayo.net.tf import objects
from mayo.net.tf.batch_norm import BatchNormalization
from mayo.net.tf.objects import seed_of


def instantiate(value: Any, seed: int | None = None) -> Any:
    return objects.instantiate(None if value is None else object_spec(value, 'x.yaml:3'), seed)


def test_nothing_gives_nothing() -> None:
    assert instantiate(None) is None


def test_a_class_is_made_with_its_arguments_and_a_function_keeps_its_own() -> None:
    assert instantiate({'type': 'keras.regularizers.L2', 'l2': 0.5}).l2 == 0.5
    assert instantiate('relu') is keras.activations.relu
    assert float(instantiate({'type': 'leaky_relu', 'negative_slope': 0.5})(-2.0)) == -1


def test_a_random_initializer_gets_the_seed_unless_it_names_one() -> None:
    assert instantiate('keras.initializers.HeNormal', seed=5).seed == 5
    assert instantiate({'type': 'keras.initializers.HeNormal', 'seed': 7}, seed=5).seed == 7
    assert isinstance(instantiate('keras.initializers.Zeros', seed=5), keras.initializers.Zeros)


def test_batch_norm_is_the_fast_one_by_either_name() -> None:
    assert type(instantiate('keras.layers.BatchNormalization')) is BatchNormalization
    assert type(instantiate('tensorflow.contrib.slim.batch_norm')) is BatchNormalization


def test_seeds_differ_by_part_and_stay_the_same() -> None:
    assert seed_of(0, 'conv0', 'weights') == seed_of(0, 'conv0', 'weights') == 425164574
    assert len({seed_of(0, 'a', 'b'), seed_of(1, 'a', 'b'), seed_of(0, 'a', 'c')}) == 3
