"""The term of the loss that pulls executed MACs to a target: what it is, its slope, and that it gets there."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.estimate import executed_each
from mayo.net.gates import widths_of
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.session.spec import input_shape, model_graph
from mayo.training.budget import Budget, costs_of
from mayo.training.trainer import Trainer, train
from mayo.util.errors import UserError

LEARNED = tuple(f'model.layers.{layer}.gate_params.threshold=learned' for layer in ('conv0', 'conv1'))
MODELS = ['cifarnet', 'resnet20', 'mobilenet_v2', 'squeezenet_v11', 'densenet121']
pytestmark = [
    pytest.mark.usefixtures('eager'),
    pytest.mark.filterwarnings('ignore:Even though the .tf.config'),  # tf.data keeps its functions, as it should
]


@pytest.mark.parametrize('model', MODELS)
def test_the_polynomial_is_what_is_estimated_whatever_is_active(model: str) -> None:
    config = Config.default()
    for file in (f'models/gate/{model}.yaml', 'datasets/cifar10.yaml' if model in MODELS[:2] else 'datasets/imagenet.yaml'):
        config.merge_file(file)
    graph, shape = model_graph(config), input_shape(config)
    costs = costs_of(graph, shape)
    counts = {
        name: np.random.default_rng(0).integers(0, width + 1, 5).astype(float) for name, width in widths_of(graph).items()
    }
    expected = executed_each(graph, shape, counts)
    got = costs.of(tf.constant(np.stack([counts[name] for name in costs.layers], 1))).numpy()
    np.testing.assert_allclose(got, expected, atol=2 * len(graph.nodes))


@pytest.fixture
def session(config_of: Callable[..., Config]) -> Session:
    """The tiny network with learned thresholds, which some of its saliencies exceed."""
    random = np.random.default_rng(1)
    session = Session(config_of(*LEARNED, gated=True))
    for name, variable in session.network.named_variables().items():
        if name.endswith('gate/threshold'):
            variable.assign(1.0)
        if name.endswith('gate/biases'):
            variable.assign(random.normal(1, 0.3, variable.shape))
        if name.endswith('gate/weights'):
            variable.assign(random.normal(0, 1, variable.shape))
    return session


def images_of(count: int) -> tf.Tensor:
    random = np.random.default_rng(2)
    return tf.constant(random.normal(random.uniform(-1, 1, (count, 1, 1, 1)), 1, (count, 8, 8, 1)), tf.float32)


def test_loss_and_slope_are_those_of_the_formula(session: Session) -> None:
    network, target, weight = session.network, 3000, 0.7
    budget = Budget(network, session.input_shape, target, weight)
    images = images_of(5)
    cuts = {name: network.node_layers[name].gate.threshold.threshold for name in ('conv0', 'conv1')}
    _, stats = network(images)
    with tf.GradientTape() as tape:
        for stat in stats.values():
            tape.watch(stat.saliency)
        loss = budget(stats)
    sources = [cut.value for cut in cuts.values()] + [stat.saliency for stat in stats.values()]
    slopes = [slope.numpy() for slope in tape.gradient(loss, sources)]

    counts = {name: stat.mask.numpy().sum(1) for name, stat in stats.items()}
    assert len(set(counts['conv0'])) > 1
    executed = executed_each(session.graph, session.input_shape, counts)
    np.testing.assert_allclose(loss, weight * (executed.mean() / target - 1) ** 2, rtol=1e-4)
    outer = 2 * weight * (executed.mean() / target - 1) / target / len(executed)
    for position, (name, stat) in enumerate(stats.items()):
        more = {**counts, name: counts[name] + 1}
        by_count = executed_each(session.graph, session.input_shape, more) - executed  # E is linear in each count
        saliency = stat.saliency.numpy().astype(float)
        unit = 0.5 * saliency.std() + 1e-6
        by_saliency = outer * by_count[:, None] * unit / (2 * (1 + np.abs(saliency - 1.0) / unit) ** 2)
        np.testing.assert_allclose(slopes[2 + position], by_saliency, rtol=2e-3, atol=1e-3 * np.abs(by_saliency).max())
        np.testing.assert_allclose(slopes[position], -by_saliency.sum(), rtol=2e-3)


@pytest.mark.parametrize('share', [0.5, 0.8])
def test_steps_down_the_slope_bring_the_mean_to_the_target(session: Session, share: float) -> None:
    network = session.network
    images = images_of(32)
    cuts = [network.node_layers[name].gate.threshold.threshold for name in ('conv0', 'conv1')]

    def executed() -> float:
        counts = {name: stat.mask.numpy().sum(1) for name, stat in network(images)[1].items()}
        return float(executed_each(session.graph, session.input_shape, counts).mean())

    for cut in cuts:
        cut.assign(0.0)
    target = round(share * executed())  # of what every salient channel takes, which is the most that thresholds reach
    budget = Budget(network, session.input_shape, target, 1.0)
    for step in range(40):
        with tf.GradientTape() as tape:
            loss = budget(network(images)[1])
        for cut, slope in zip(cuts, tape.gradient(loss, [cut.value for cut in cuts]), strict=True):
            cut.assign_sub(0.15 * 0.93**step * tf.sign(slope))
    assert abs(executed() / target - 1) < 0.1


def test_training_with_a_target_lowers_what_is_executed_and_compact_execution_agrees(config_of: Callable[..., Config]) -> None:
    words = ('train.target_macs=4k', 'train.target_macs_weight=20', 'train.max_epochs=1', 'train.validate=false')
    session = Session(config_of(*LEARNED, *words, gated=True))
    train(session)
    masked, compact = (evaluate(session, quiet=True, execution=execution) for execution in ('masked', None))
    assert masked.executed is not None
    assert masked.executed.mean < 6300, 'what all channels cost'
    assert compact.executed == masked.executed


@pytest.mark.parametrize('threshold', ['online', 'local'])
def test_without_a_learned_threshold_a_target_is_refused(config_of: Callable[..., Config], threshold: str) -> None:
    words = [word.replace('learned', threshold) for word in LEARNED]
    session = Session(config_of(*words, 'train.target_macs=1M', gated=True))
    with pytest.raises(UserError, match=r'train\.target_macs moves learned thresholds, but no gate has one; set gate_params'):
        Trainer(session)
