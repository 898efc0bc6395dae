"""What convolutions and fully connected layers share: weights, then a normalizer or biases, then an activation."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayo.config.names import KNOWN, Spec
from mayo.layers.base import Weighted
from mayo.layers.functions import RELU
from mayo.layers.keys import Activation, Flag, Initializer, Normalizer, Regularizer
from mayo.layers.shape import Shape
from mayo.layers.tensor import Tensor, untrained

ZEROS = Spec('keras.initializers.Zeros')


@dataclass(frozen=True, kw_only=True)
class Linear(Weighted):
    """Abstract: activation(norm(x W)), or activation(x W + biases) without a normalizer."""

    activation_fn: Activation = RELU
    normalizer_fn: Normalizer = None
    weights_initializer: Initializer = None
    weights_regularizer: Regularizer = None
    biases_initializer: Initializer = ZEROS
    biases_regularizer: Regularizer = None
    force_biases: Flag = False  # biases before a normalizer, too

    @property
    def has_biases(self) -> bool:
        """Whether biases are added to x W."""
        return self.biases_initializer is not None and (self.normalizer_fn is None or self.force_biases)

    @property
    def shifts(self) -> bool:
        """Whether a norm or biases add to each channel."""
        return self.normalizer_fn is not None or self.biases_initializer is not None

    @abc.abstractmethod
    def weights(self, channels: int) -> Tensor:
        """W, for an input of so many channels."""

    @abc.abstractmethod
    def outputs(self, channels: int) -> int:
        """Output channels, of an input of so many."""

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        outputs = self.outputs(channels)
        own = (self.weights(channels), *(biases(self.biases_initializer, outputs) if self.has_biases else ()))
        own = untrained(own) if self.trainable == 'norm' else own
        return own if self.normalizer_fn is None else (*own, *normalization(self.normalizer_fn.kwargs, outputs))

    def macs(self, sources: Sequence[Shape]) -> int:
        """One for each weight at each position of the output; a bias or a norm is none."""
        return self.weights(sources[0].channels).size * self.output(sources).positions


def biases(initializer: Spec | None, channels: int) -> Iterator[Tensor]:
    """None without an initializer."""
    if initializer is not None:
        yield Tensor('biases', (channels,), makes=0)


def epsilon_of(normalizer: Spec) -> float:
    """What a normalizer adds to the variance."""
    epsilon: Any = normalizer.kwargs.get('epsilon', KNOWN[normalizer.name]['epsilon'])
    return float(epsilon)


def normalization(
    arguments: Mapping[str, Any], channels: int, statistics: bool = True, above: str = 'BatchNorm/'
) -> Iterator[Tensor]:
    """Of a normalizer with these arguments, by Keras's names; statistics: of the batches, as batch norm keeps them.

    above: what stands before the names.
    """
    for name, key in (('gamma', 'scale'), ('beta', 'center')):
        if arguments.get(key, True):
            yield Tensor(f'{above}{name}', (channels,), makes=0)
    for name in ('moving_mean', 'moving_variance') if statistics else ():
        yield Tensor(f'{above}{name}', (channels,), makes=0, trained=False)
