"""What every gate shares: saliency from the layer's input, the winners among the channels, and what both cost in the loss.

    s    = pool(x)                          avg: mean over H, W; l1: mean |x|; l2: mean x^2; max
    g    = relu(s phi + rho)                saliency; with a factor, s becomes relu(s phi' + rho') of ceil(C / f) units first
    mask = g > (k+1)-th largest of g        k = ceil(density C); k = C: all ones

Shapes: N images, H W space, C' input channels, C output channels. s is [N, C'], g and mask are [N, C]; with granularity
`vector`, a row r of the output has its own: [N, H, C'] and [N, H, C], pooled over the rows of x that the convolution reads for r.
https://openreview.net/forum?id=BJxh2j0qYm
"""
import math
from typing import NamedTuple

import keras
import tensorflow as tf

from mayo.estimate.gate import GateParams
from mayo.net.tf.gate.kernel import with_mean
from mayo.net.tf.variables import Composite

STDDEV = 0.05           # of phi when training starts afresh
RHO = 1.0
BETA = 0.1


class GateStats(NamedTuple):
    """What a gate did: saliency [N, C] or [N, H, C], mask of the same shape with 0 or 1, and its term of the loss."""
    saliency: tf.Tensor
    mask: tf.Tensor
    penalty: tf.Tensor


class Window(NamedTuple):
    """What a convolution reads for one output row: `kernel` rows, every `stride` rows, padding 'same' or 'valid'."""
    kernel: int
    stride: int
    padding: str


class Gate(Composite):
    """Abstract: predicts the saliency, picks the winners; a policy says what they do to the features in `apply`.

    Everything on [N, C] is float32; what is applied to the features has the features' type.
    """

    def __init__(self, params: GateParams, channels: int, window: Window, activation, seed: int,
                 shared: 'Threshold | None' = None, name: str | None = None) -> None:
        super().__init__(name=name, dtype='float32', autocast=False, trainable=params.trainable)
        self.params = params
        self.channels = channels
        self.window = window
        self.activation = activation
        self.keep = params.kept(channels)
        random = keras.initializers.TruncatedNormal(stddev=STDDEV, seed=seed)
        hidden = params.hidden(channels)
        common = {'dtype': 'float32', 'autocast': False, 'trainable': params.trainable}
        self.factor = keras.layers.Dense(hidden, 'relu', kernel_initializer=random, **common) if hidden else None
        self.predictor = keras.layers.Dense(
            channels, 'relu', kernel_initializer=random, bias_initializer=keras.initializers.Constant(RHO), **common)
        self.threshold = shared
        if params.threshold == 'local' and self.keep < channels:
            self.threshold = Threshold(params.decay)

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        own = [('', self.predictor)]
        if self.factor is not None:
            own.append(('factor', self.factor))
        if self.params.threshold == 'local' and self.threshold is not None:
            own.append(('', self.threshold))
        return own

    def build(self, source_shape: tuple[int | None, ...]) -> None:
        inputs = (None, source_shape[-1])
        if self.factor is not None:
            self.factor.build(inputs)
            inputs = (None, self.factor.units)
        self.predictor.build(inputs)
        self.built = True

    def observe(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """(x, s): the source [N, H', W', C'] for the convolution to read, and the summary of its channels in float32."""
        if training and self.params.pool == 'avg' and self.params.granularity == 'channel':
            return with_mean(source)
        return source, self.summarize(source)

    def summarize(self, source: tf.Tensor) -> tf.Tensor:
        """s: [N, C'], or [N, H, C'] for a gate per row."""
        if self.params.granularity == 'channel':
            return pool(source, self.params.pool, (1, 2))
        rows = pool(source, self.params.pool, (2,))
        kind = 'MAX' if self.params.pool == 'max' else 'AVG'
        return tf.nn.pool(rows, [self.window.kernel], kind, [self.window.stride], self.window.padding.upper())

    def gated(self, convolved: tf.Tensor, norm: keras.layers.Layer | None, summary: tf.Tensor,
              training: bool = False) -> tuple[tf.Tensor, GateStats]:
        """convolved: conv(x) [N, H, W, C]; norm: what normalizes it. Returns y of the same shape, and what the gate did."""
        saliency = self.predict(summary)
        mask = self.winners(saliency, training)
        outputs, loss = self.apply(convolved, norm, summary, saliency, mask, training)
        return outputs, GateStats(saliency, mask, loss + self.regularization(saliency))

    def predict(self, summary: tf.Tensor) -> tf.Tensor:
        """g from s."""
        return self.predictor(summary if self.factor is None else self.factor(summary))

    def winners(self, saliency: tf.Tensor, training: bool) -> tf.Tensor:
        """The mask, 0 or 1 in float32. No gradient passes through it."""
        if self.keep == self.channels:
            return tf.ones_like(saliency)
        cut = best_loser(saliency, self.keep)
        if self.params.threshold == 'local':
            cut = self.threshold(cut, training)
        elif self.params.threshold == 'global':
            cut = self.threshold.value
        return tf.cast(tf.stop_gradient(saliency) > cut, tf.float32)

    def apply(self, convolved: tf.Tensor, norm: keras.layers.Layer | None, summary: tf.Tensor, saliency: tf.Tensor,
              mask: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor | float]:
        """(y, the policy's own term of the loss). Where the mask is 0, so is y."""
        raise NotImplementedError

    def regularization(self, saliency: tf.Tensor) -> tf.Tensor:
        """The regularizers, each times its weight in the loss."""
        terms = [weight * REGULARIZERS[name](saliency, self.params.epsilon)
                 for name, weight in self.params.regularizer.items()]
        return tf.add_n(terms) if terms else tf.zeros(())


def normalized(convolved: tf.Tensor, norm: keras.layers.Layer | None, training: bool) -> tf.Tensor:
    """norm(conv(x))."""
    return convolved if norm is None else norm(convolved, training=training)


def pool(x: tf.Tensor, kind: str, axes: tuple[int, ...]) -> tf.Tensor:
    """Summary of `x` over `axes`, in float32: its mean (avg), mean |x| (l1), mean x^2 (l2) or maximum (max)."""
    if kind == 'max':
        return tf.cast(tf.reduce_max(x, axes), tf.float32)
    x = tf.cast(x, tf.float32)
    values = {'avg': tf.identity, 'l1': tf.abs, 'l2': tf.square}[kind](x)
    return tf.reduce_mean(values, axes)


def best_loser(saliency: tf.Tensor, keep: int) -> tf.Tensor:
    """The (keep + 1)-th largest saliency of each row, [..., 1]; what exceeds it wins, a tie with it loses.

    >>> best_loser(tf.constant([[.1, .9, .5, .3]]), keep=2).numpy().tolist()
    [[0.30000001192092896]]
    """
    top = tf.math.top_k(tf.stop_gradient(saliency), keep + 1, sorted=False).values
    return tf.reduce_min(top, -1, keepdims=True)


def network_cut(saliencies: list[tuple[Gate, tf.Tensor]]) -> tf.Tensor:
    """The best loser when all channels of several layers compete: the mean over images of a cut for the sum of their k."""
    flat = [tf.reshape(saliency, [tf.shape(saliency)[0], math.prod(saliency.shape[1:])]) for _, saliency in saliencies]
    keep = sum(gate.keep * math.prod(saliency.shape[1:-1]) for gate, saliency in saliencies)
    together = tf.concat(flat, 1)
    return tf.reduce_mean(best_loser(together, min(keep, together.shape[1] - 1)))


class Threshold(keras.layers.Layer):
    """A moving average of the cut between winners and losers, [1]: as batch norm, the batch's own in training, the average after it."""

    def __init__(self, decay: float, name: str | None = None) -> None:
        super().__init__(name=name, dtype='float32', autocast=False)
        self.decay = decay
        self.value = self.add_weight(shape=(), initializer='zeros', trainable=False, aggregation='mean', name='threshold')

    def call(self, cuts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """cuts: the best losers [N, ..., 1]. Returns the scalar threshold to use now."""
        return self.update(tf.reduce_mean(cuts)) if training else self.value

    def update(self, cut: tf.Tensor) -> tf.Tensor:
        """Move the average towards this batch's `cut`, which is returned."""
        self.value.assign(self.value * self.decay + cut * (1 - self.decay))
        return cut


def l1(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """mean over images of sum_c |g_c|: fewer and weaker channels; the paper's regularizer."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(saliency), -1))


def l2(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """mean over images of sum_c g_c^2."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(saliency), -1))


def moe(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Mixture of experts: Var_c(m) / (Mean_c(m)^2 + epsilon) of m_c = mean of g_c over images; 0 if channels share the work evenly.

    The importance loss of https://arxiv.org/abs/1701.06538, equation 6.
    """
    mean, variance = tf.nn.moments(_images_mean(saliency), [0])
    return variance / (tf.square(mean) + epsilon)


def moi(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Mixture of inputs: mean over c of (mean g_c)^2 / (mean g_c^2 + epsilon) over images, in [0, 1); 1 if images look all the same."""
    return tf.reduce_mean(tf.square(_images_mean(saliency)) / (_images_mean(tf.square(saliency)) + epsilon))


def _images_mean(values: tf.Tensor) -> tf.Tensor:
    """Mean over images, and rows if there are any: [C]."""
    return tf.reduce_mean(values, list(range(values.shape.rank - 1)))


REGULARIZERS = {'l1': l1, 'l2': l2, 'moe': moe, 'moi': moi}
