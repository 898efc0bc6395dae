"""One training step: the loss and every way to change a variable, against NumPy and against Keras's own `apply`."""

from collections.abc import Callable
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.config.names import KNOWN
from mayo.session.base import Session
from mayo.training.optimizer import optimizer
from mayo.training.step import Distillation, Rules, Step

OPTIMIZERS = [name for name in KNOWN if name.startswith(('keras.optimizers.', 'mayo.train.'))]


def softmax(logits: Any) -> Any:
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


class Affine:
    """The smallest network: outputs = images w + b, with a penalty on w."""

    is_probability = False

    def __init__(self) -> None:
        self.w = keras.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), name='w')
        self.b = keras.Variable(np.array([0.5, -0.25, 1.0], np.float32), name='b')

    def __call__(self, images: Any, training: Any) -> tuple[Any, dict[str, Any]]:
        return tf.matmul(images, self.w.value) + self.b.value, {}

    def regularization(self, stats: Any) -> Any:
        return 0.01 * tf.reduce_sum(tf.square(self.w.value))

    def named_variables(self) -> dict[str, Any]:
        return {'fc/weights': self.w, 'gate/biases': self.b}


IMAGES = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1], np.int32)


def gradients_of(network: Any) -> tuple[Any, Any]:
    with tf.GradientTape() as tape:
        entropy = keras.losses.sparse_categorical_crossentropy(LABELS, network(IMAGES, True)[0], from_logits=True)
        loss = tf.reduce_mean(entropy) + network.regularization({})
    return loss, tape.gradient(loss, [network.w.value, network.b.value])


def make_step(rules: Rules, algorithm: Any = None) -> tuple[Step, Affine]:
    network = Affine()
    algorithm = algorithm or keras.optimizers.SGD(momentum=0.9)
    return Step(cast(Any, network), network.named_variables(), algorithm, rules, tf.distribute.get_strategy()), network


@pytest.mark.parametrize('name', OPTIMIZERS)
def test_three_steps_equal_those_of_keras(name: str) -> None:
    step, network = make_step(Rules(), optimizer(name, 'x'))
    reference, keras_optimizer = Affine(), optimizer(name, 'x')
    keras_optimizer.weight_decay = None
    keras_optimizer.build([reference.w, reference.b])
    for rate in (0.1, 0.05, 0.01):
        step(IMAGES, LABELS, rate)
        _, gradients = gradients_of(reference)
        keras_optimizer.learning_rate = rate
        keras_optimizer.apply(gradients)
    np.testing.assert_allclose(network.w.numpy(), reference.w.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.b.numpy(), reference.b.numpy(), rtol=1e-5, atol=1e-6)


def test_weight_decay_takes_weights_alone_and_the_factor_slows_gates() -> None:
    step, network = make_step(Rules(weight_decay=0.5, factor=lambda name: 0.25 if name.startswith('gate/') else 1.0))
    w, b = network.w.numpy(), network.b.numpy()
    _, (of_w, of_b) = gradients_of(network)
    step(IMAGES, LABELS, 0.1)
    np.testing.assert_allclose(network.w.numpy(), w * (1 - 0.05) - 0.1 * of_w.numpy(), rtol=1e-5)
    np.testing.assert_allclose(network.b.numpy(), b - 0.025 * of_b.numpy(), rtol=1e-5)


def test_clipping_scales_all_gradients_to_the_norm() -> None:
    step, network = make_step(Rules(clip_norm=0.1))
    w, b = network.w.numpy(), network.b.numpy()
    _, gradients = gradients_of(network)
    norm = np.sqrt(sum((gradient.numpy() ** 2).sum() for gradient in gradients))
    assert norm > 0.1
    step(IMAGES, LABELS, 1.0)
    np.testing.assert_allclose(network.w.numpy(), w - gradients[0].numpy() * 0.1 / norm, rtol=1e-4)
    moved = np.sqrt(((network.w.numpy() - w) ** 2).sum() + ((network.b.numpy() - b) ** 2).sum())
    assert moved == pytest.approx(0.1, rel=1e-4)


def test_the_moving_average_forgets_its_start() -> None:
    step, network = make_step(Rules(average=0.3))
    average = network.w.numpy()
    for n in range(1, 6):
        step(IMAGES, LABELS, 0.1)
        decay = min(0.3, n / (9 + n))
        average = decay * average + (1 - decay) * network.w.numpy()
    np.testing.assert_allclose(step.averages['fc/weights'].numpy(), average, rtol=1e-5)


def test_a_teacher_takes_its_part_of_the_loss_and_of_the_gradient() -> None:
    taught = np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32)
    taught_by = Distillation(lambda images, step: tf.constant(taught), weight=0.25, temperature=2.0)
    step, network = make_step(Rules(distillation=taught_by))
    w, b = network.w.numpy(), network.b.numpy()
    logits = IMAGES @ w + b
    p, q, soft = softmax(taught / 2), softmax(logits / 2), softmax(logits)
    entropy = -np.log(soft[np.arange(8), LABELS]).mean()
    step(IMAGES, LABELS, 0.1)
    expected = 0.75 * entropy + 0.25 * 4 * (p * np.log(p / q)).sum(-1).mean() + 0.01 * (w**2).sum()
    assert step.read_totals().loss == pytest.approx(expected, rel=1e-5)
    to_logits = (0.75 * (soft - np.eye(3)[LABELS]) + 0.25 * 2 * (q - p)) / 8  # d T^2 KL / d logits = T (q - p)
    np.testing.assert_allclose(network.b.numpy(), b - 0.1 * to_logits.sum(0), rtol=1e-4, atol=1e-6)


def test_totals_are_means_over_the_images_since_the_last_reading() -> None:
    step, network = make_step(Rules())
    loss, _ = gradients_of(network)
    correct = (network(IMAGES, True)[0].numpy().argmax(1) == LABELS).mean()
    step(IMAGES, LABELS, 0.0)
    step(IMAGES, LABELS, 0.0)
    totals = step.read_totals()
    assert (totals.images, totals.density) == (16, None)
    assert totals.loss == pytest.approx(float(loss), rel=1e-5)
    assert totals.top1 == pytest.approx(correct)
    assert step.read_totals().images == 0


def test_a_step_that_is_not_finite_changes_nothing_nor_does_any_after_it() -> None:
    step, network = make_step(Rules(weight_decay=0.1))
    step(IMAGES, LABELS, 0.1)
    before, momentum = network.w.numpy(), step.optimizer.variables[2].numpy()
    broken = IMAGES.copy()
    broken[3, 2] = np.inf
    step(broken, LABELS, 0.1)
    step(IMAGES, LABELS, 0.1)
    assert step.bad_step.numpy() == 1
    np.testing.assert_array_equal(network.w.numpy(), before)
    np.testing.assert_array_equal(step.optimizer.variables[2].numpy(), momentum)
    assert np.isfinite(step.read_totals().loss)


def test_a_loss_scale_changes_no_step_and_is_halved_by_one_that_overflows() -> None:
    plain, network = make_step(Rules())
    scaled, other = make_step(Rules(loss_scale=1024.0))
    for step in (plain, scaled):
        step(IMAGES, LABELS, 0.1)
    np.testing.assert_allclose(other.w.numpy(), network.w.numpy(), rtol=1e-5)
    before = other.w.numpy()
    scaled(IMAGES * np.float32(np.inf), LABELS, 0.1)
    assert scaled.scale.numpy() == 512
    assert scaled.bad_step.numpy() == -1
    np.testing.assert_array_equal(other.w.numpy(), before)
    scaled(IMAGES, LABELS, 0.1)
    assert not np.array_equal(other.w.numpy(), before)


def test_a_loss_scale_that_cannot_fall_further_is_the_end() -> None:
    step, _ = make_step(Rules(loss_scale=4.0))
    for _ in range(4):
        step(IMAGES * np.float32(np.nan), LABELS, 0.1)
    assert step.bad_step.numpy() == 2


def test_a_loss_scale_doubles_after_many_good_steps() -> None:
    step, _ = make_step(Rules(loss_scale=4.0))
    step.scaled_steps.assign(1999)
    step(IMAGES, LABELS, 0.1)
    assert (step.scale.numpy(), step.scaled_steps.numpy()) == (8, 0)


def test_the_state_of_another_optimizer_is_refused_and_changes_nothing() -> None:
    step, _ = make_step(Rules(), keras.optimizers.Adam())
    other, _ = make_step(Rules())
    step(IMAGES, LABELS, 0.1)
    before = [variable.numpy() for variable in other.optimizer.variables]
    assert not other.restore(step.state())
    assert not step.restore(other.state())
    for variable, value in zip(other.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_gates_report_their_density_while_training(config_of: Callable[..., Config]) -> None:
    session = Session(config_of(gated=True))
    variables = session.network.named_variables()
    trainable = {name: variable for name, variable in variables.items() if variable.trainable}
    step = Step(session.network, trainable, keras.optimizers.SGD(), Rules(), session.strategy)
    step(tf.random.stateless_normal([4, 8, 8, 1], [1, 2]), tf.constant([0, 1, 2, 0]), 0.1)
    assert step.read_totals().density == pytest.approx(0.5)


class Scaled(Affine):
    """The same with its bias called a scale of batch norm, one of which is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.b.assign([0.5, -0.25, 0.0])

    def named_variables(self) -> dict[str, Any]:
        return {'fc/weights': self.w, 'fc/BatchNorm/gamma': self.b}


def test_the_penalty_on_scales_pulls_each_to_zero_and_nothing_else() -> None:
    """d/db (l1 sum |b|) = l1 sign(b), which is 0 at 0; the loss that is shown has the penalty in it."""
    network = Scaled()
    step = Step(
        cast(Any, network), network.named_variables(), keras.optimizers.SGD(), Rules(scale_l1=0.3), tf.distribute.get_strategy()
    )
    w, b = network.w.numpy(), network.b.numpy()
    loss, (of_w, of_b) = gradients_of(network)
    step(IMAGES, LABELS, 0.1)
    np.testing.assert_allclose(network.w.numpy(), w - 0.1 * of_w.numpy(), rtol=1e-5)
    np.testing.assert_allclose(network.b.numpy(), b - 0.1 * (of_b.numpy() + 0.3 * np.sign(b)), rtol=1e-5)
    assert step.read_totals().loss == pytest.approx(float(loss) + 0.3 * 0.75, rel=1e-5)
