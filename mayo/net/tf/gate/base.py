"""What every gate shares: saliency from the layer's input, the winners among the channels, and what both cost in the loss.

    s    = pool(x)                          avg: mean over H, W; l1: mean |x|; l2: mean x^2; max
    g    = relu(s phi + rho)                saliency; with a factor f, s is first relu(s phi' + rho') of ceil(C / f) units
    mask = g > (k+1)-th largest of g        k = ceil(density C); k = C: all ones

Shapes: N images, H W space, C' input channels, C output channels. s is [N, C'], g and mask are [N, C]; with granularity
`vector` each row of the output has its own: s is [N, H, C'], pooled over the rows that the convolution reads for it.
A policy that has b makes of it one number a channel, or with parametric_beta s psi + c, predicted from the same summary s as
the saliency; psi is [C', C], c and b are [C].
https://openreview.net/forum?id=BJxh2j0qYm
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import keras
import tensorflow as tf

from mayo.layers.gate import OF_NAIVE, GateParams
from mayo.layers.policy import Policy
from mayo.net.tf.gate.kernel import per_channel, with_mean
from mayo.net.tf.gate.regularizer import of_original, regularizers
from mayo.net.tf.gate.threshold import ORIGINAL_START, LearnedThreshold, Threshold, best_loser, best_loser_of_any
from mayo.net.tf.variables import Composite

STDDEV = 0.05  # of phi when training starts afresh
RHO = 1.0
BETA = 0.1  # b

Activation = Callable[[tf.Tensor], tf.Tensor]
Norm: TypeAlias = 'keras.layers.Layer | None'


class GateStats(NamedTuple):
    """What a gate did: saliency [N, C] or [N, H, C], mask of the same shape with 0 or 1, and its term of the loss."""

    saliency: tf.Tensor
    mask: tf.Tensor
    penalty: tf.Tensor


@dataclass(frozen=True)
class Values:
    """What a policy's formula is computed from: the gate, conv(x) [N, H, W, C], s, g, the mask, and what normalizes conv(x)."""

    gate: 'Gate'
    convolved: tf.Tensor
    norm: Norm
    summary: tf.Tensor
    saliency: tf.Tensor
    mask: tf.Tensor
    training: bool

    def normalized(self) -> tf.Tensor:
        """norm(conv(x))."""
        return self.convolved if self.norm is None else self.norm(self.convolved, training=self.training)

    def shift(self) -> tf.Tensor:
        """b for each image, in the shape of the saliency."""
        gate = self.gate
        return tf.broadcast_to(gate.shift, tf.shape(self.saliency)) if gate.beta is None else gate.beta(self.summary)

    @staticmethod
    def per_channel(array: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """An array in the shape of the saliency, over the positions and in the type of the features [N, H, W, C]."""
        return per_channel(array, features.dtype)


class Window(NamedTuple):
    """What a convolution reads of the rows: `kernel`, every `stride`; padding 'same', 'valid' or (rows above, below)."""

    kernel: int
    stride: int
    padding: str | tuple[int, int]


class Gate(Composite):
    """Predicts the saliency and picks the winners; its policy says what becomes of the features.

    All on [N, C] is float32. Its convolution calls `observe` and `gated`, which Keras need not see.
    """

    def __init__(
        self,
        params: GateParams,
        channels: int,
        window: Window,
        activation: Activation,
        seed: int,
        shared: Threshold | None = None,
    ) -> None:
        """channels: C; activation: 0 at 0; shared: the threshold of gates with `threshold: global`."""
        super().__init__(dtype='float32', autocast=False)
        self.params, self.channels, self.window, self.activation = params, channels, window, activation
        self.keep = params.kept(channels)
        random = keras.initializers.TruncatedNormal(stddev=STDDEV, seed=seed)
        own = activation if params.original else 'relu'  # the original's saliency goes through the layer's activation
        self.predictor = predictor(channels, own, random, RHO)
        hidden = params.hidden(channels)
        self.factor = predictor(hidden, own, random, RHO if params.original else 0.0) if hidden else None
        self.threshold: Threshold | LearnedThreshold | None = shared if params.threshold == 'global' else None
        if params.threshold == 'local' and self.keep < channels:
            self.threshold = Threshold(params.decay, ORIGINAL_START if params.original else None)
        if params.threshold == 'learned':
            self.threshold = LearnedThreshold()
        self.beta = self.shift = None
        if params.has_shift and params.parametric_beta:
            original = params.original
            self.beta = predictor(
                channels, own if original else None, random if original else 'zeros', 0.0 if original else BETA
            )
        elif params.has_shift:
            self.shift = self.add_weight(
                shape=(channels,), initializer=keras.initializers.Constant(BETA), autocast=False, name='shift'
            )

        if (generator := self.policy.seed_generator(seed)) is not None:
            self.seed_generator = generator  # by this name its state is saved with the training

    @property
    def policy(self) -> Policy:
        return self.params.rule

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        own = [('', self.predictor), ('factor', self.factor), ('beta', self.beta)]
        own.append(('', None if self.params.threshold == 'global' else self.threshold))
        return [(name, layer) for name, layer in own if layer is not None]

    def build(self, source_shape: tuple[int | None, ...]) -> None:
        inputs = source_shape[-1]
        if self.beta is not None:
            self.beta.build((None, inputs))
        if self.factor is not None:
            self.factor.build((None, inputs))
            inputs = self.factor.units
        self.predictor.build((None, inputs))
        self.built = True

    def observe(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """(x, s) as the policy wants them."""
        return self.policy.observe(self, source, training)

    def watch(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """(x, s): the source [N, H', W', C'] for the convolution to read, and the summary of its channels in float32."""
        if training and self.params.pool == 'avg' and self.params.granularity == 'channel':
            return with_mean(source)
        return source, self.summarize(source)

    def summarize(self, source: tf.Tensor) -> tf.Tensor:
        """s: [N, C'], or [N, H, C'] for a gate per row."""
        if self.params.granularity == 'channel':
            return pool(source, self.params.pool, (1, 2))
        rows = pool(source, self.params.pool, (2,))
        kernel, stride, padding = self.window
        if not isinstance(padding, str):
            rows, padding = tf.pad(rows, [(0, 0), padding, (0, 0)]), 'valid'
        return tf.nn.pool(rows, [kernel], 'MAX' if self.params.pool == 'max' else 'AVG', [stride], padding.upper())

    def predict(self, summary: tf.Tensor) -> tf.Tensor:
        """g from s."""
        return self.predictor(summary if self.factor is None else self.factor(summary))

    def winners(self, saliency: tf.Tensor, training: bool = False, keep: tf.Tensor | None = None) -> tf.Tensor:
        """The mask, 0 or 1 in float32. No gradient passes through it. keep: k, of each image, in place of the gate's own."""
        if keep is not None:
            return tf.cast(tf.stop_gradient(saliency) > best_loser_of_any(saliency, keep), tf.float32)
        if isinstance(self.threshold, LearnedThreshold):
            return tf.cast(tf.stop_gradient(saliency) > self.threshold.cut, tf.float32)
        if self.keep == self.channels:
            return tf.ones_like(saliency)
        if self.threshold is None:
            cut = best_loser(saliency, self.keep)
        elif self.params.threshold == 'local':
            cut = self.threshold.of(best_loser(saliency, self.keep), training)
        else:
            cut = self.threshold.average.value
        return tf.cast(tf.stop_gradient(saliency) > cut, tf.float32)

    def gated(
        self, convolved: tf.Tensor, norm: Norm, summary: tf.Tensor, training: bool = False, keep: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, GateStats]:
        """convolved: conv(x) [N, H, W, C]; norm: what normalizes it. Returns y of the same shape, and what the gate did."""
        saliency = self.predict(summary)
        mask = self.winners(self.policy.ranking(self, saliency, training), training, keep)
        outputs, loss = self.policy.apply(Values(self, convolved, norm, summary, saliency, mask, training))
        for name, weight in self.params.regularizer.items():
            if name in OF_NAIVE:
                continue
            terms, kept = (of_original, saliency * mask) if self.params.original else (regularizers, saliency)
            loss += weight * terms[name](kept, self.params.epsilon)
        return outputs, GateStats(saliency, mask, tf.convert_to_tensor(loss))

    def strength(self, outputs: tf.Tensor) -> tf.Tensor:
        """The summary of a value [N, H, W, C] in the shape of the saliency."""
        return pool(outputs, self.params.pool, (1, 2) if self.params.granularity == 'channel' else (2,))


def predictor(
    units: int, activation: str | Activation | None, weights: keras.Initializer | str, bias: float
) -> keras.layers.Dense:
    """A fully connected layer in float32 whatever the precision of the network."""
    biases = keras.initializers.Constant(bias)
    return keras.layers.Dense(
        units, activation, kernel_initializer=weights, bias_initializer=biases, dtype='float32', autocast=False
    )


def pool(x: tf.Tensor, kind: str, axes: tuple[int, ...]) -> tf.Tensor:
    """Summary of `x` over `axes`, in float32: its mean (avg), mean |x| (l1), mean x^2 (l2) or maximum (max)."""
    if kind == 'max':
        return tf.cast(tf.reduce_max(x, axes), tf.float32)
    x = tf.cast(x, tf.float32)
    values = {'avg': tf.identity, 'l1': tf.abs, 'l2': tf.square}[kind](x)
    return tf.reduce_mean(values, axes)
