"""PyTorch's names and layout, turned into those of layers here."""

import numpy as np
import pytest

from mayo.checkpoint.torch_layers import layers
from mayo.util.errors import UserError


def test_kernels_have_their_channels_last_and_a_batch_norm_is_told_by_its_mean() -> None:
    kernel, rows, ones = np.arange(120.0).reshape(5, 4, 3, 2), np.arange(6.0).reshape(2, 3), np.ones(4)
    by_name = layers(
        {
            'a.b.conv.weight': kernel,
            'a.b.conv.bias': ones,
            'fc.weight': rows,
            'n.weight': ones * 2,
            'n.bias': ones * 3,
            'n.running_mean': ones * 4,
            'n.running_var': ones * 5,
            'n.num_batches_tracked': np.array(7),
            'scale': ones,
        },
        'x',
    )
    assert {layer: list(variables) for layer, variables in by_name.items()} == {
        'a.b.conv': ['kernel', 'bias'],
        'fc': ['kernel'],
        'n': ['gamma', 'beta', 'moving_mean', 'moving_variance'],
        '': ['scale'],
    }
    assert by_name['a.b.conv']['kernel'].shape == (3, 2, 4, 5)
    assert by_name['a.b.conv']['kernel'][2, 1, 3, 4] == kernel[4, 3, 2, 1]
    np.testing.assert_array_equal(by_name['fc']['kernel'], rows.T)


def test_whole_numbers_are_no_weights_and_all_of_them_are_told() -> None:
    with pytest.raises(UserError) as error:
        layers({'a.weight': np.ones((2, 2), np.int8), 'b.bias': np.ones(2, np.int32), 'b.steps': np.ones(2, int)}, 'x.pth')
    assert str(error.value) == (
        'x.pth: a.weight is of int8 numbers, expected floating-point; a quantized network is not imported.\n'
        'x.pth: b.bias is of int32 numbers, expected floating-point; a quantized network is not imported.'
    )
