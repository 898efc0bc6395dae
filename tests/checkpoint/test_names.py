"""Names: what fits is loaded, and what does not is listed by kind."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import names
from mayo.util.errors import UserError


@pytest.fixture
def variables() -> dict[str, Any]:
    return {'net/conv/weights': tf.Variable(tf.zeros([2, 2])), 'net/conv/biases': tf.Variable(tf.zeros([2]))}


def test_everything_that_matches_is_loaded_and_cast(variables: dict[str, Any]) -> None:
    match = names.load_into(
        variables,
        {
            'net/conv/weights': np.ones((2, 2), np.float64),
            'net/conv/biases': np.ones(2, np.float16),
            'imgs_seen': np.array(3),
            'mayo/training/optimizer/0': np.zeros(1),
        },
    )
    assert (match.missing, match.unused, match.differing) == ((), (), ())
    assert all(tf.reduce_all(variable == 1) for variable in variables.values())
    assert str(match) == ''


def test_a_file_of_another_network_lists_missing_unused_and_shapes_apart(variables: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        names.load_into(variables, {'net/conv/weights': np.ones((3, 2)), 'net/fc/weights': np.ones(2)}, where='gate50')
    assert str(error.value).splitlines() == [
        'gate50: the checkpoint is of another network, 0 of 2 variables match.',
        '  1 missing in the file: net/conv/biases',
        '  1 unused in the file: net/fc/weights',
        '  1 of another shape: net/conv/weights is [3, 2] in the file, [2, 2] in the network',
        '  system.checkpoint.strict=false loads what matches.',
    ]
    assert not tf.reduce_any(variables['net/conv/weights'] != 0)


def test_the_network_that_a_checkpoint_is_of_is_named_if_all_its_names_say_so(variables: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r'0 of 2 variables match\. It is a checkpoint of `other`, the network is `net`\.\n'):
        names.load_into(variables, {'other/a': np.ones(1), 'other/b': np.ones(1)})
    with pytest.raises(UserError, match=r'0 of 2 variables match\.\n'):
        names.load_into(variables, {'a/kernel': np.ones(1), 'b/kernel': np.ones(1)})


def test_a_long_list_is_cut(variables: dict[str, Any]) -> None:
    tensors = {f'other/{index}': np.ones(1) for index in range(20)}
    with pytest.raises(UserError, match=r'20 unused in the file: .* and 8 more'):
        names.load_into(variables, tensors)


def test_without_strict_what_matches_is_loaded(variables: dict[str, Any]) -> None:
    match = names.load_into(variables, {'net/conv/weights': np.ones((2, 2)), 'net/conv/biases': np.ones(5)}, strict=False)
    assert match.loaded == ('net/conv/weights',)
    assert not tf.reduce_any(variables['net/conv/biases'] != 0)


def test_without_strict_a_file_with_nothing_in_common_is_still_an_error(variables: dict[str, Any]) -> None:
    with pytest.raises(UserError, match='0 of 2 variables match'):
        names.load_into(variables, {'x': np.ones(1)}, strict=False)


def test_an_optional_variable_may_be_missing(variables: dict[str, Any]) -> None:
    match = names.load_into(variables, {'net/conv/weights': np.ones((2, 2))}, optional=lambda name: name.endswith('biases'))
    assert match.missing == ('net/conv/biases',)


def test_pruning_masks_of_the_original_multiply_their_weights() -> None:
    tensors = names.adapt(
        {
            'n/c/weights': np.array([[1.0, 2], [3, 4]], np.float32),
            'n/c/weights/DynamicNetworkSurgeryPruner.mask': np.array([[True, False], [False, True]]),
        }
    )
    assert list(tensors) == ['n/c/weights']
    np.testing.assert_array_equal(tensors['n/c/weights'], [[1, 0], [0, 4]])
    assert tensors['n/c/weights'].dtype == np.float32


def test_a_pruning_mask_of_another_shape_than_its_weights_is_said() -> None:
    with pytest.raises(UserError, match=r'old: c/weights/P\.mask is \[2\], but the weights that it prunes are \[2, 3\]\.'):
        names.adapt({'c/weights': np.ones((2, 3)), 'c/weights/P.mask': np.ones(2, bool)}, 'old')


def test_a_mask_of_whole_kernels_multiplies_them() -> None:
    weights, mask = np.arange(1.0, 9.0).reshape(2, 1, 2, 2), np.array([[True, False], [False, True]])
    tensors = names.adapt({'c/weights': weights, 'c/weights/FilterPruner.mask': mask})
    assert tensors['c/weights'].tolist() == (weights * mask).tolist()


def test_masks_that_the_network_has_itself_stay_as_they_are() -> None:
    mask = 'c/weights/DynamicNetworkSurgeryPruner.mask'
    tensors = {'c/weights': np.ones(2), mask: np.array([True, False])}
    assert names.adapt(tensors, kept=[mask]).keys() == tensors.keys()
    assert names.adapt(tensors, kept=[mask])['c/weights'].tolist() == [1, 1]


def test_what_is_quantized_by_and_by_is_no_pruning_mask() -> None:
    tensors = {'c/weights': np.ones(2), 'c/weights/IncrementalQuantizer.mask': np.array([True, False])}
    assert names.adapt(tensors)['c/weights'].tolist() == [1, 1]


def test_the_state_of_an_overrider_may_be_lacking_but_not_of_another_shape() -> None:
    state = 'n/c/weights/MeanStdPruner.mask'
    variables = {'n/c/weights': tf.Variable([0.0]), state: tf.Variable([True, False])}
    match = names.load_into(variables, {'n/c/weights': np.ones(1, np.float32)})
    assert (match.missing, match.fresh) == ((), (state,))
    assert str(match) == '  1 overriders start as configured: n/c/weights'
    with pytest.raises(UserError, match=r'MeanStdPruner\.mask is \[3\] in the file, \[2\] in the network'):
        names.load_into(variables, {'n/c/weights': np.ones(1, np.float32), state: np.ones(3, bool)})


def test_a_pruning_mask_without_weights_stays_to_be_listed() -> None:
    assert list(names.adapt({'c/weights/P.mask': np.ones(2, bool)})) == ['c/weights/P.mask']
