"""One training step, on every replica of every worker, as one TensorFlow graph.

    loss = mean cross entropy + weight regularizers + gate penalties           summed gradients of all replicas
           + scale_l1 sum |gamma|, over every batch norm, and what Budget says of the executed MACs
           (of the cross entropy a part is what a teacher says, see Distillation)
    w   <- w - rate decay w                                                     decoupled weight decay, of weights only
    w   <- optimizer(w, gradient, rate)                                         rate times a factor for gate variables

The gradients are summed over replicas first, so that clipping and the check for finite numbers see the true gradient.
A step that is not finite changes no variable, nor does any after it: whoever reads `bad_step` finds the network as it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mayo.net.tf.gate.base import GateStats
from mayo.net.tf.loss import cross_entropy, divergence
from mayo.net.tf.network import Network

SCALE = 'BatchNorm/gamma'  # what the name of a scale of batch norm ends with
_GROWTH_STEPS = 2000  # good steps after which a loss scale doubles


@dataclass(frozen=True)
class Distillation:
    """What a teacher adds to the loss: (1 - w) cross entropy + w T^2 KL(teacher || student).

    teacher: images, and the number of the step, to its outputs.
    """

    teacher: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    weight: float
    temperature: float


@dataclass(frozen=True)
class Rules:
    """How a step changes the variables; `decays` and `factor` are asked by a variable's name in checkpoints."""

    label_smoothing: float = 0.0
    clip_norm: float | None = None
    weight_decay: float = 0.0
    average: float | None = None  # decay of the moving average of weights and statistics
    loss_scale: float | None = None  # the first; keeps small gradients of float16 from vanishing
    distillation: Distillation | None = None
    budget: Callable[[dict[str, GateStats]], tf.Tensor] | None = None  # a term of the loss, from what the gates did
    scale_l1: float = 0.0  # of |gamma|, as https://arxiv.org/abs/1708.06519 trains
    decays: Callable[[str], bool] = lambda name: name.endswith('weights') and '/gate/' not in name
    factor: Callable[[str], float] = lambda name: 1.0


@dataclass(frozen=True)
class Totals:
    """Sums since they were last read, as means over images; `images` says how many."""

    loss: float
    top1: float
    density: float | None
    images: int


class Step:
    """`step(images, labels, rate)` trains `variables` (by name) of the network once."""

    def __init__(
        self,
        network: Network,
        variables: dict[str, keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        rules: Rules,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.network, self.optimizer, self.rules, self.strategy = network, optimizer, rules, strategy
        self.names = list(variables)
        self.variables = [variable.value for variable in variables.values()]
        statistics = {
            name: variable.value
            for name, variable in network.named_variables().items()
            if not variable.trainable and variable.aggregation == 'none'
        }
        self._statistics = list(statistics.values())
        # Batch norm's statistics are averaged, too: averaged weights see other maps than the last weights do.
        self.averaged = dict(zip(self.names, self.variables, strict=True)) | statistics if rules.average else {}
        with strategy.scope():
            optimizer.build(list(variables.values()))
            self.averages = {name: tf.Variable(variable, trainable=False) for name, variable in self.averaged.items()}
        self.scale = tf.Variable(rules.loss_scale or 1.0)
        self.scaled_steps = tf.Variable(0)
        self.totals = tf.Variable(tf.zeros(4))  # loss, correct, density, each times images; images
        self.bad_step = tf.Variable(-1, dtype=tf.int64)  # the first that was not finite, counted as `taken` counts
        self.taken = tf.Variable(0, dtype=tf.int64)  # steps tried since this object was made
        self._step = tf.function(self._on_all, autograph=False)
        self._synchronize = tf.function(lambda: strategy.run(self._average_statistics))
        self.sum_of_workers = tf.function(
            lambda value: strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, args=(value,)), axis=None)
        )

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, rate: float) -> None:
        """images: [N, H, W, C], labels: [N], over all replicas; returns at once where the device works by itself."""
        self._step(images, labels, tf.constant(rate, tf.float32))

    def read_totals(self) -> Totals:
        """The means since the last reading, which start again from zero."""
        *sums, images = self.totals.numpy().tolist()
        self.totals.assign(tf.zeros(4))
        loss, correct, density = (value / max(images, 1) for value in sums)
        return Totals(loss, correct, density or None, int(images))

    def synchronize(self) -> None:
        """Give every replica the mean of all replicas' moving averages, such as thresholds of gates; nothing if there are none."""
        if self.strategy.num_replicas_in_sync > 1 and self._statistics:
            self._synchronize()

    def _average_statistics(self) -> None:
        everywhere = tf.distribute.get_replica_context()
        values = [tf.identity(variable) for variable in self._statistics]
        means = everywhere.all_reduce(tf.distribute.ReduceOp.MEAN, values)
        for variable, mean in zip(self._statistics, means, strict=True):
            variable.assign(mean)

    def state(self) -> dict[str, np.ndarray]:
        """What a resumed run needs beside the weights that the file has anyway, which are the averages if there are any."""
        return {name: variable.numpy() for name, variable in (self._optimizer_state() | self._more_state()).items()}

    def _optimizer_state(self) -> dict[str, Any]:
        return {f'optimizer/{index}': variable for index, variable in enumerate(self.optimizer.variables)}

    def _more_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {f'weights/{name}': variable for name, variable in self.averaged.items()}
        if self.rules.loss_scale:
            state |= {'loss_scale': self.scale, 'loss_scale_steps': self.scaled_steps}
        return state

    def restore(self, state: dict[str, np.ndarray]) -> bool:
        """Take up what `state` returned. False, with nothing changed, if it is of another optimizer or other variables."""
        mine = self._optimizer_state()
        shapes = {name: value.shape for name, value in state.items() if name.startswith('optimizer/')}
        if shapes != {name: tuple(variable.shape) for name, variable in mine.items()}:
            return False
        for name, variable in self.averaged.items():
            self.averages[name].assign(variable)
        for name, variable in (mine | self._more_state()).items():
            if name in state:
                variable.assign(state[name])
        return True

    def _on_all(self, images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> None:
        gradients, sums = self.strategy.run(self._on_replica, args=(images, labels))
        sums = self.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)
        gradients = self.strategy.extended.batch_reduce_to(
            tf.distribute.ReduceOp.SUM, list(zip(gradients, self.variables, strict=True))
        )
        local = [self.strategy.experimental_local_results(gradient)[0] for gradient in gradients]
        norm = tf.linalg.global_norm(local) / self.scale
        finite = tf.math.is_finite(norm) & tf.math.is_finite(sums[0])
        good = finite & (self.bad_step < 0)
        tf.cond(good, lambda: self._update(gradients, norm, rate), lambda: tf.constant(False))
        self.totals.assign_add(tf.where(good, sums, tf.zeros_like(sums)))
        is_bad = ~finite & (self.bad_step < 0) & (self._rescale(finite) < 1)
        self.bad_step.assign(tf.where(is_bad, self.taken, self.bad_step))
        self.taken.assign_add(1)

    def _on_replica(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients of the replica's share of the loss (scaled), and [loss, correct, density, 1] times its images."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            outputs, stats = self.network(images, training=True)
            loss = tf.reduce_mean(self._error(images, labels, outputs)) + self.network.regularization(stats)
            loss += self._scales()
            if self.rules.budget is not None:
                loss += self.rules.budget(stats)
            share = loss * self.scale / self.strategy.num_replicas_in_sync
        gradients = tape.gradient(share, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        count = tf.cast(tf.shape(labels)[0], tf.float32)
        correct = tf.reduce_mean(tf.cast(tf.argmax(outputs, -1, labels.dtype) == labels, tf.float32))
        density = [tf.reduce_mean(stat.mask) for stat in stats.values()]
        means = [loss, correct, tf.add_n(density) / len(density) if density else tf.zeros(())]
        return gradients, tf.stack([*(mean * count for mean in means), count])

    def _scales(self) -> tf.Tensor:
        """The L1 penalty on the scales of batch norm that train; its subgradient at 0 is 0."""
        gammas = [variable for name, variable in zip(self.names, self.variables, strict=True) if name.endswith(SCALE)]
        if not self.rules.scale_l1 or not gammas:
            return tf.zeros(())
        return self.rules.scale_l1 * tf.add_n([tf.reduce_sum(tf.abs(tf.cast(gamma, tf.float32))) for gamma in gammas])

    def _error(self, images: tf.Tensor, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """How far the outputs are from the labels and from what the teacher says, of each image, [N]."""
        is_probability, distillation = self.network.is_probability, self.rules.distillation
        entropy = cross_entropy(outputs, labels, is_probability, self.rules.label_smoothing)
        if distillation is None:
            return entropy
        taught = tf.stop_gradient(distillation.teacher(images, tf.convert_to_tensor(self.optimizer.iterations)))
        away = divergence(taught, outputs, is_probability, distillation.temperature)
        return (1 - distillation.weight) * entropy + distillation.weight * distillation.temperature**2 * away

    def _update(self, gradients: Sequence[tf.Tensor], norm: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        multiplier = None if self.rules.loss_scale is None else 1 / self.scale
        if self.rules.clip_norm is not None:
            clip = tf.minimum(1.0, self.rules.clip_norm / tf.maximum(norm, 1e-12))
            multiplier = clip if multiplier is None else multiplier * clip
        for name, variable, gradient in zip(self.names, self.variables, gradients, strict=True):
            decay = self.rules.weight_decay if self.rules.decays(name) else 0.0
            self.strategy.extended.update(
                variable,
                self._update_one,
                group=False,
                args=(gradient,),
                kwargs={'rate': rate * self.rules.factor(name), 'decay': decay, 'multiplier': multiplier},
            )
        for name, variable in self.averaged.items():
            self.strategy.extended.update(self.averages[name], self._average_one, args=(variable,), group=False)
        self.optimizer.iterations.assign_add(1)
        return tf.constant(True)

    def _update_one(
        self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor, decay: float, multiplier: tf.Tensor | None
    ) -> None:
        if decay:
            variable.assign_sub(variable * (rate * decay))
        self.optimizer.update_step(gradient if multiplier is None else gradient * multiplier, variable, rate)

    def _average_one(self, average: tf.Variable, variable: tf.Variable) -> None:
        """a <- d a + (1 - d) w, with d at most (1 + n) / (10 + n) at step n, so that the start is soon forgotten."""
        steps = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.rules.average, (1 + steps) / (10 + steps))
        average.assign_sub((1 - decay) * (average - variable))

    def _rescale(self, finite: tf.Tensor) -> tf.Tensor:
        """Double the loss scale after many good steps, halve it after a bad one. Returns it; 0 if there is none to lower."""
        if self.rules.loss_scale is None:
            return tf.constant(0.0)
        steps = tf.where(finite, self.scaled_steps + 1, 0)
        grown = tf.where(steps >= _GROWTH_STEPS, self.scale * 2, self.scale)
        self.scale.assign(tf.where(finite, grown, self.scale / 2))
        self.scaled_steps.assign(steps % _GROWTH_STEPS)
        return tf.identity(self.scale)
