"""A gated model that starts from its dense one equals it at density 1.0, with batch norm or without, for any activation."""
import numpy as np
import pytest

from mayo.checkpoint import names
from mayo.checkpoint.warm_start import warm_start
from mayo.net.tf.network import Network


@pytest.mark.parametrize('small', ['resnet18', 'densenet121', 'mobilenet_v3_large'], indirect=True)
def test_a_gated_model_equals_the_dense_one_that_it_starts_from(small, graph_of):
    for name, variable in small.network.named_variables().items():
        if name.endswith('gamma'):
            variable.assign(variable * np.linspace(-0.3, 1, variable.shape[0]))         # some are negative
    gated = Network(graph_of(f'gate/{small.name}', 1.0), small.shape, 'gated', seed=1)
    variables = gated.named_variables()
    dense = {name: variable.numpy() for name, variable in small.network.named_variables().items()}
    tensors, _ = warm_start(dense, {name: tuple(variable.shape) for name, variable in variables.items()})
    names.load_into(variables, tensors)
    expected = small.network(small.images)[0]
    np.testing.assert_allclose(gated(small.images)[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())
