"""The parameters of a gate: what the YAML key `gate_params` takes, and what a gate costs.

A gate chooses, for each image, the `kept(C)` of a convolution's C output channels that are worth computing, from a saliency

    g = relu(pool(x) phi + rho)         mayo/net/tf/gate holds the formulas, docs/fbs.md explains them

Letters: C' input channels, C output channels.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any

from mayo.layers.keys import Flag, Fraction, keys_of
from mayo.layers.policy import Policy, discover, policies
from mayo.layers.tensor import Tensor
from mayo.util import kinds
from mayo.util.decimals import ceil_decimal
from mayo.util.errors import Problems, UserError, did_you_mean

REGULARIZERS = ('l1', 'l2', 'moe', 'moi')
OF_NAIVE = ('mse', 'sce')  # of policy naive in the original Mayo: how far the saliency is from the strength of a channel


class _PolicyName:
    """One of the policies there are."""

    @property
    def expected(self) -> str:
        """As a message says it."""
        return self._choice().expected

    def checked(self, value: Any, where: str) -> str:
        name: str = self._choice().checked(value, where)
        return name

    @staticmethod
    def _choice() -> kinds.Kind:
        discover()
        return kinds.choice(*sorted(policies))


class _Regularizer:
    """Names of regularizers, each with its weight in the loss; null is none."""

    expected = f'a mapping of {", ".join(REGULARIZERS)} to weights from 0 up, such as {{l1: 1.0e-8}}'

    def checked(self, value: Any, where: str) -> dict[str, float]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise UserError(f'{where} is {kinds.shown(value)}, expected a mapping such as {{l1: 1.0e-8}}.')
        problems = Problems()
        for name, weight in value.items():
            if name not in (*REGULARIZERS, *OF_NAIVE):
                hint = did_you_mean(name, REGULARIZERS) or '.'
                problems.append(f'{where}: unknown name `{name}`{hint} Known: {", ".join(REGULARIZERS)}.')
                continue
            with problems.collecting():
                kinds.AMOUNT.checked(weight, f'{where}.{name}')
        problems.raise_any()
        return dict(value)


Pool = Annotated[str, kinds.choice('avg', 'l1', 'l2', 'max')]
Granularity = Annotated[str, kinds.choice('channel', 'vector')]
Threshold = Annotated[str, kinds.choice('online', 'local', 'global', 'learned')]
Norm = Annotated[str, kinds.choice('batch', 'channel')]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateParams:
    """What a gate does. Every field is a key of `gate_params`; the comment is its effect."""

    enable: Flag = True  # false: no gate; the layer is the convolution that it is without one
    policy: Annotated[str, _PolicyName()] = 'parametric'  # parametric: FBS; squeeze: boosts late; naive, select: only suppress
    density: Fraction = 1.0  # fraction of channels kept, in (0, 1]
    pool: Pool = 'avg'  # summary of a channel: mean of x (avg), |x| (l1), x^2 (l2), or the maximum of x
    granularity: Granularity = 'channel'  # channel: one gate for each image; vector: one for each row of the output
    threshold: Threshold = (
        'online'  # online: of each image; local: moving average; global: one for the network; learned: trained
    )
    decay: Annotated[float, kinds.BELOW_ONE] = 0.99  # of that moving average, in [0, 1)
    regularizer: Annotated[Mapping[str, float], _Regularizer()] = dataclasses.field(default_factory=dict)  # weights, by name
    temperature: Annotated[float, kinds.ABOVE_ZERO] = 0.5  # of policy `select`: how near the cut saliencies learn
    factor: Annotated[float, kinds.AMOUNT] = 0.0  # f > 0: predict saliency through a hidden layer of ceil(C / f) units
    parametric_beta: Flag = False  # predict b, too, from what saliency is predicted from
    add_beta_first: Flag = False  # relu(mask g (norm + b)), the paper's equation, not relu(mask g norm + mask b)
    norm: Norm = 'batch'  # channel: normalizes each channel of each image alone, not over the batch
    trainable: Flag = True  # false: phi, rho and b stay as they are
    original: Flag = False  # true: as the original Mayo computed it, docs/mayo.md; models of its files set it
    epsilon: Annotated[float, kinds.ABOVE_ZERO] = 0.001  # added to what is divided by: in norm `channel`, moe and moi

    def __post_init__(self) -> None:
        """Errors: UserError for what no gate can be, as gates are also made and changed by code."""
        problems = Problems()
        for name, key in keys_of(GateParams).items():
            if getattr(self, name) is not key.default:
                with problems.collecting():
                    key.checked(getattr(self, name), name)
        if set(OF_NAIVE) & set(self.regularizer) and not (self.original and self.policy == 'naive'):
            problems.append(f'regularizer: {" and ".join(OF_NAIVE)} are of policy naive in models of the original Mayo.')
        problems.raise_any()

    @property
    def rule(self) -> Policy:
        """What the policy says of itself."""
        discover()
        return policies[self.policy]

    @property
    def has_shift(self) -> bool:
        """Whether the gate has b; under policy squeeze of the original Mayo the norm keeps its own."""
        return self.rule.has_shift and not (self.original and self.policy == 'squeeze')

    def kept(self, channels: int) -> int:
        """How many of `channels` stay active: ceil(density * channels), on the decimal as written.

        >>> GateParams(density=0.28).kept(100)
        28
        """
        return ceil_decimal(self.density, channels)

    def hidden(self, channels: int) -> int:
        """Units of the hidden layer that predicts saliency, ceil(C / factor); 0 without one."""
        return math.ceil(channels / self.factor) if self.factor else 0

    def gate_macs(self, channels_in: Any, channels_out: int, rows: int = 1) -> Any:
        """Multiply-accumulates of the gate's predictors. `rows` of the output count if granularity is `vector`.

        channels_in: a number, or an array [images].
        """
        hidden = self.hidden(channels_out)
        saliency = channels_in * hidden + hidden * channels_out if hidden else channels_in * channels_out
        beta = channels_in * channels_out if self.has_shift and self.parametric_beta else 0
        return (saliency + beta) * (rows if self.granularity == 'vector' else 1)

    def tensors(self, channels_in: int, channels_out: int) -> tuple[Tensor, ...]:
        """phi and rho, those of the hidden layer, and b or its predictor where the policy has b."""
        hidden = self.hidden(channels_out)
        tensors = [
            Tensor('gate/weights', (hidden or channels_in, channels_out), None if hidden else 0, 1),
            Tensor('gate/biases', (channels_out,), makes=0),
        ]
        if hidden:
            tensors += [Tensor('gate/factor/weights', (channels_in, hidden), reads=0), Tensor('gate/factor/biases', (hidden,))]
        if self.has_shift and self.parametric_beta:
            tensors += [
                Tensor('gate/beta/weights', (channels_in, channels_out), 0, 1),
                Tensor('gate/beta/biases', (channels_out,), makes=0),
            ]
        elif self.has_shift:
            tensors.append(Tensor('gate/shift', (channels_out,), makes=0))
        return tuple(tensors)

    def varies(self, channels: int) -> bool:
        """Whether the number of active channels varies from image to image: a threshold decides, not a rank."""
        is_average = self.threshold in ('local', 'global') and self.kept(channels) < channels
        return self.enable and (is_average or self.threshold == 'learned')

    @property
    def norm_has_scale(self) -> bool:
        """Whether the normalization keeps its own scale and shift, or the layer its biases: nothing takes their place."""
        return not self.has_shift

    @property
    def shift_is_scaled(self) -> bool:
        """Whether b is inside the scaling: y = f(g (n + b)) or g f(n + b)."""
        return self.add_beta_first or self.rule.boost == 'after'

    @property
    def scales(self) -> bool:
        """Whether execution multiplies features by the saliency; it has no use for multiplying by a mask."""
        return self.rule.boost != 'never'
