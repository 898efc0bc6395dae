"""Layers of one function: activation, softmax, dropout, identity."""

from dataclasses import dataclass

from mayo.layers import functions
from mayo.layers.base import Weightless, layer_type
from mayo.layers.keys import Activation as ActivationFunction
from mayo.layers.keys import Flag, Fraction, Function
from mayo.layers.shape import Shape
from mayo.layers.travel import Apart, Travel, Whole


@layer_type('activation')
@dataclass(frozen=True, kw_only=True)
class Activation(Weightless):
    """relu, relu6, elu, tanh, leaky_relu, swish and hard_swish are 0 at 0; sigmoid is not."""

    mode: Function

    @property
    def travel(self) -> Travel:
        return Apart(function=self.mode) if functions.is_apart(self.mode) else Whole(zero_stays=False)

    def shape(self, source: Shape) -> Shape:
        return source


@layer_type('softmax')
@dataclass(frozen=True, kw_only=True)
class Softmax(Weightless):
    """Probabilities over the channels, none of them zero."""

    travel = Whole(zero_stays=False)

    def shape(self, source: Shape) -> Shape:
        return source


@layer_type('dropout')
@dataclass(frozen=True, kw_only=True)
class Dropout(Weightless):
    """In training each value survives with probability `keep_prob`, divided by it; otherwise nothing happens.

    whole: all values of an image share one fate, as the residuals of https://arxiv.org/abs/1603.09382 do.
    """

    keep_prob: Fraction = 0.5
    whole: Flag = False

    travel = Apart()

    def shape(self, source: Shape) -> Shape:
        return source


@layer_type('identity')
@dataclass(frozen=True, kw_only=True)
class Identity(Weightless):
    """Its input, or what `activation_fn` makes of it."""

    activation_fn: ActivationFunction = None

    @property
    def travel(self) -> Travel:
        is_apart = functions.is_apart(self.activation_fn)
        return Apart(function=self.activation_fn) if is_apart else Whole(zero_stays=False)

    def shape(self, source: Shape) -> Shape:
        return source
