"""One list of models, dense and gated, many questions."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.checkpoint.warm_start import warm_start
from mayo.estimate import estimate
from mayo.estimate.cost import output_of
from mayo.layers import GateParams
from mayo.layers.functions import keeps_scale
from mayo.layers.travel import active_after
from mayo.net.gates import at_density as with_density
from mayo.net.gates import without_gates
from mayo.net.tf.compact import CompactNetwork, lower, lower_graph, program, unsupported
from mayo.net.tf.compact.native import NativeNetwork, library
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.network import Network
from mayo.slim import MARK

from .conftest import Small

MODELS = pathlib.Path(__file__).parents[2] / 'models'
FILES = [path for path in (*MODELS.glob('*.yaml'), *MODELS.glob('gate/*.yaml')) if MARK not in path.read_text(encoding='utf-8')]
NAMES = sorted(str(path.relative_to(MODELS).with_suffix('')) for path in FILES)  # of slim's, the layers are among them
GATED = [name for name in NAMES if name.startswith('gate/')]
NOT_BUILT = 'the native engine was not built: there is no C compiler'

built = pytest.mark.skipif(library() is None, reason=NOT_BUILT)
every = pytest.mark.parametrize('small', NAMES, indirect=True, scope='module')
gated = pytest.mark.parametrize('small', GATED, indirect=True, scope='module')
in_every_engine = pytest.mark.parametrize('engine', [CompactNetwork, pytest.param(NativeNetwork, marks=built)])


@every
def test_a_model_has_the_parameters_that_info_counts_layer_by_layer(small: Small) -> None:
    for cost in estimate(small.graph, small.shape):
        layer = small.network.node_layers[cost.name]
        counted = cost.name, count(layer.trainable_weights), count(layer.non_trainable_weights)
        assert counted == (cost.name, cost.trainable, cost.state)


def count(variables: Any) -> Any:
    return sum(int(np.prod(variable.shape)) for variable in variables)


@every
def test_a_training_step_is_finite_and_moves_every_trainable_variable(small: Small) -> None:
    assert small.bad_step == -1
    assert np.isfinite(small.loss)
    assert all(np.isfinite(weight).all() for weight in small.weights.values())
    assert [name for name, before in small.before.items() if (small.after[name] == before).all()] == []


@every
def test_a_model_gives_finite_logits_that_depend_on_the_image(small: Small) -> None:
    outputs, _, values = small.outcome
    assert outputs.shape == (4, 5)
    assert np.isfinite(outputs).all()
    assert np.ptp(outputs, axis=0).max() > 1e-3
    assert all(np.isfinite(value).all() for value in values.values())


@every
def test_a_model_saves_and_loads(small: Small, tmp_path: pathlib.Path) -> None:
    variables = names.prefixed('zoo', small.network.named_variables())
    bundle.write(tmp_path / 'saved', {name: variable.numpy() for name, variable in variables.items()})
    for variable in variables.values():
        variable.assign(variable + 1)
    match = names.load_into(variables, bundle.read(tmp_path / 'saved'))
    assert (match.missing, match.unused, match.differing) == ((), (), ())
    for name, variable in small.network.named_variables().items():
        np.testing.assert_array_equal(variable, small.weights[name])


@gated
def test_a_gate_keeps_its_share_of_channels_and_silences_the_others(small: Small) -> None:
    _, stats, values = small.outcome
    assert set(stats) == {node.name for node in small.graph if node.type == 'gated_convolution'}
    for name, stat in stats.items():
        mask = stat.mask.numpy()
        assert mask.sum(1).max() <= small.network.node_layers[name].gate.keep
        assert not values[name].numpy()[np.broadcast_to(mask[:, None, None] == 0, values[name].shape)].any()
    if small.shape.channels > 1:  # the mean of a grey image tells little apart
        assert any(np.ptp(stat.mask, axis=0).any() for stat in stats.values())


@gated
def test_no_layer_has_more_active_channels_than_costs_are_counted_for(small: Small) -> None:
    """Through add, concat, pooling, depthwise convolutions and the products of squeeze and excite."""
    _, stats, values = small.outcome

    def visit(node: Any, sources: Any) -> tuple[Any, Any]:
        shapes = [shape for shape, _ in sources]
        shape = output_of(node, shapes)
        if node.name in stats:
            return shape, stats[node.name].mask.numpy().sum(1)
        return shape, active_after(node.params.travel, [active for _, active in sources], shapes, shape)

    allowed = small.graph.walk({'input': (small.shape, small.shape.channels)}, visit)
    for name, value in values.items():
        active = np.any(value != 0, axis=tuple(range(1, len(value.shape) - 1))).sum(-1)
        assert (active <= allowed[name][1]).all(), name


@in_every_engine
@every
def test_compact_execution_equals_the_masked_network(small: Small, engine: Any) -> None:
    assert unsupported(small.graph) == []
    chosen = clearest(small, small.outcome[1])[: 2 if small.name in GATED else 1]
    images, expected = tf.gather(small.images, chosen), small.outcome[0].numpy()[chosen]
    outputs, masks = engine(lower(small.network, small.shape))(images)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    for name, stat in small.outcome[1].items():
        np.testing.assert_array_equal(masks[name], stat.mask.numpy()[chosen] > 0)


def clearest(small: Small, stats: Any) -> Any:
    """The images in the order of how far every gate's last winner is above its best loser: rounding must not choose others."""
    margins = np.full(len(small.images), np.inf)
    for stat in stats.values():
        saliency, won = stat.saliency.numpy(), stat.mask.numpy() > 0
        gap = np.where(won, saliency, np.inf).min(1) - np.where(won, -np.inf, saliency).max(1)
        margins = np.minimum(margins, gap / saliency.max(1))
    return np.argsort(-margins)


def at_two_densities(models: Sequence[str]) -> list[Any]:
    """(model, density): every model with all its channels, and with the next of a few shares; DENSITY is that of the others."""
    shares = itertools.cycle([0.7, 0.28, 0.1])
    return [(name, density) for name in models for density in (1.0, next(shares))]


@pytest.mark.parametrize(('small', 'density'), at_two_densities(GATED), indirect=['small'], scope='module')
def test_compact_execution_equals_the_masked_network_at_another_density(small: Small, density: float) -> None:
    with at_density(small, density) as graph:
        outputs, stats = small.network(small.images)
        chosen = clearest(small, stats)[:2]
        two, expected = tf.gather(small.images, chosen), outputs.numpy()[chosen]
        weights = {name: variable.numpy() for name, variable in small.network.named_variables().items()}
        compact = lower_graph(graph, small.shape, weights)
        networks: list[Any] = [CompactNetwork(compact), *([NativeNetwork(compact)] if library() else [])]
        for network, images in itertools.product(networks, (two[:1], two)):  # one alone; two with masks of their own
            outputs, masks = network(images)
            np.testing.assert_allclose(outputs, expected[: len(images)], rtol=0, atol=1e-4 * np.abs(expected).max())
            for name, stat in stats.items():
                np.testing.assert_array_equal(masks[name], stat.mask.numpy()[chosen[: len(images)]] > 0)
    if library() is None:  # calibrating takes too long to do it for each engine in a test of its own
        pytest.skip(f'TensorFlow agrees; {NOT_BUILT}')


@contextlib.contextmanager
def at_density(small: Small, density: float) -> Iterator[Any]:
    """The gates of the masked network at another density, with batch norms to match, until the end; the graph that says so."""
    gates = {name: small.network.node_layers[name].gate for name in small.outcome[1]}
    before = {name: (gate.params, gate.keep) for name, gate in gates.items()}
    for gate in gates.values():
        gate.params = dataclasses.replace(gate.params, density=density)
        gate.keep = gate.params.kept(gate.channels)
    small.calibrate()

    try:
        yield with_density(small.graph, density)
    finally:
        for name, gate in gates.items():
            gate.params, gate.keep = before[name]
        for name, variable in small.network.named_variables().items():
            variable.assign(small.weights[name])


@gated
def test_a_warm_start_gives_the_outputs_of_the_dense_network(small: Small) -> None:
    """Some scales negative; the layers take turns with the forms of a gate: b outside, b inside, and squeeze."""
    draw, changed, inside = np.random.default_rng(2), [], []
    for index, node in enumerate(node for node in small.graph if node.name in small.outcome[1]):
        squeezes = index % 3 == 2 and keeps_scale(node.params.activation_fn)  # as `squeeze` needs it
        form = {'policy': 'squeeze'} if squeezes else {'add_beta_first': index % 3 == 1}
        changed.append(
            dataclasses.replace(node, params=dataclasses.replace(cast(Any, node.params), gate_params=GateParams(**form)))
        )
        inside += [node.name] if index % 3 == 1 or squeezes else []
    by_name = {node.name: node for node in changed}
    graph = dataclasses.replace(small.graph, nodes=tuple(by_name.get(node.name, node) for node in small.graph))
    dense, warm = (Network(form, small.shape, 'model', seed=seed) for seed, form in enumerate((without_gates(graph), graph)))
    for name, variable in dense.named_variables().items():
        if name.endswith('BatchNorm/gamma'):
            variable.assign(draw.permutation(np.linspace(-0.5, 1.5, variable.shape[0])))
        elif name.endswith('BatchNorm/beta'):
            variable.assign(draw.normal(0, 0.3, variable.shape))
        elif name in small.weights:
            variable.assign(small.weights[name])
    variables = warm.named_variables()
    tensors, warmed = warm_start(
        {name: variable.numpy() for name, variable in dense.named_variables().items()},
        {name: tuple(variable.shape) for name, variable in variables.items()},
        inside,
    )
    assert warmed == list(small.outcome[1])
    names.load_into(variables, tensors)
    expected = dense(small.images)[0].numpy()
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(warm(small.images)[0], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@every
def test_compact_execution_does_the_operations_that_info_counts(small: Small) -> None:
    """From the shapes of the program's values; tests/net/tf/compact counts those of a traced function.

    A little less where the activation happens to take every channel's shift back to zero.
    """
    compact = lower(small.network, small.shape)
    done = sum(operations(compact, operation) for operation in compact.operations)
    counted = sum(cost.executed for cost in estimate(small.graph, small.shape))
    assert 0.99 * counted < done <= counted


@built
@every
def test_the_native_engine_does_no_more_operations_than_its_program_has(small: Small) -> None:
    """Fewer where winners tie at the cut, and in products of a vector, which leave out what meets a zero."""
    compact = lower(small.network, small.shape)
    done = sum(operations(compact, operation) for operation in compact.operations)
    engine = NativeNetwork(compact)
    _, masks = engine(small.images[:1])
    assert 0 < engine.macs <= done
    if all(masks[name].numpy()[0].sum() == gate.gate.keep for name, gate in compact.gated.items()):  # no ties
        assert engine.macs >= done - sum(products(compact, operation) for operation in compact.operations)


def operations(compact: Any, operation: Any) -> Any:
    """Multiply-accumulates of one operation of a program, with those of its gate."""
    if not isinstance(operation, program.Conv | program.Depthwise | program.Dense):
        return 0
    size, read = int(np.prod(compact.values[operation.output].dims)), compact.values[operation.source].channels
    if isinstance(operation, program.Dense):
        return read * size
    done = int(np.prod(operation.kernel)) * size * (1 if isinstance(operation, program.Depthwise) else read // operation.groups)
    if isinstance(operation, program.Depthwise) or operation.gate is None:
        return done
    return done + products(compact, operation) + size  # the saliency, and the scaling by it


def products(compact: Any, operation: Any) -> Any:
    """Those of a vector with a matrix: of a fully connected layer, of a convolution of one pixel, or of a gate."""
    pixel = isinstance(operation, program.Conv) and compact.values[operation.source].dims[:2] == (1, 1) and not operation.gate
    if pixel or isinstance(operation, program.Dense):
        return operations(compact, operation)
    gate = getattr(operation, 'gate', None)
    return compact.values[operation.source].channels * gate.layers[0].bias.size if gate else 0


@every
def test_the_onnx_network_equals_the_masked_one(small: Small) -> None:
    model = onnx_model(lower(small.network, small.shape))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    expected = small.outcome[0].numpy()
    for image, wanted in zip(small.images.numpy(), expected, strict=True):
        (outputs,) = session.run(None, {'images': image[None]})
        np.testing.assert_allclose(outputs[0], wanted, rtol=0, atol=1e-4 * np.abs(expected).max())
