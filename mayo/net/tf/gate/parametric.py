"""Feature Boosting and Suppression: saliency scales winning channels, losers are silent.

    y = relu(mask g norm(conv(x)) + mask b)
    y = relu(mask g (norm(conv(x)) + b))        with add_beta_first: the paper's equation
                                                https://openreview.net/forum?id=BJxh2j0qYm

b is one number a channel; with parametric_beta it is s psi + c, predicted from the same summary s as the saliency.
Shapes: N images, H W space, C' input channels, C output channels; psi is [C', C], c and b are [C].
"""
import keras
import tensorflow as tf

from mayo.net.tf.batch_norm import BatchNormalization
from mayo.net.tf.gate.base import BETA, Gate, normalized
from mayo.net.tf.gate.kernel import boost, per_channel


class BoostingGate(Gate):
    """Abstract: a gate that has b."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.beta = None
        constant = keras.initializers.Constant(BETA)
        if self.params.parametric_beta:
            self.beta = keras.layers.Dense(self.channels, kernel_initializer='zeros', bias_initializer=constant,
                                           dtype='float32', autocast=False, trainable=self.params.trainable)
        else:
            self.shift = self.add_weight(shape=(self.channels,), initializer=constant, name='shift')

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        return super().parts() + ([('beta', self.beta)] if self.beta is not None else [])

    def build(self, source_shape: tuple[int | None, ...]) -> None:
        super().build(source_shape)
        if self.beta is not None:
            self.beta.build((None, source_shape[-1]))

    def shift_of(self, summary: tf.Tensor) -> tf.Tensor:
        """b: [C], or [N, C] where it is predicted."""
        return self.shift if self.beta is None else self.beta(summary)


class ParametricGate(BoostingGate):
    """The gate of the paper."""

    def apply(self, convolved, norm, summary, saliency, mask, training):
        scale = mask * saliency
        shift = self.shift_of(summary) * (scale if self.params.add_beta_first else mask)
        if training and self._fuses(norm):
            outputs, *moments = boost(convolved, scale, shift, norm.epsilon)
            norm.learn(*moments)
            return outputs, 0.
        features = normalized(convolved, norm, training)
        boosted = features * per_channel(scale, features.dtype) + per_channel(shift, features.dtype)
        return self.activation(boosted), 0.

    def _fuses(self, norm: keras.layers.Layer | None) -> bool:
        """Whether kernel.boost computes this gate: the usual case."""
        return (isinstance(norm, BatchNormalization) and norm.trainable and not norm.scale and not norm.center
                and self.activation is keras.activations.relu and self.params.granularity == 'channel')
