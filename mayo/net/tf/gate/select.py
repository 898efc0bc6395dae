"""A choice apart from the scale: y = mask relu(norm(conv(x))), where norm keeps its own scale and shift.

    in training     y = M relu(norm(conv(x)))       M = mask + u - stop(u)
                    u = sigmoid((g - cut) / (T std(g)))     cut: the largest g of the image's losers; T: gate_params.temperature

M has the values of the mask and the slope of u, which is steep near the cut: a straight-through estimate
(https://arxiv.org/abs/1308.3432). The slope of the loss in M of a channel is the sum over space of the loss's slope in y times
the features as they are without a mask, and a loser has features, too. So a channel that lost by little and would have
lowered the loss rises, which under `parametric` none does. The saliency ranks and scales nothing: at density 1.0 the network
is the dense one whatever the gates say, and no gradient reaches them. Shapes as in base.py.
"""

from typing import TYPE_CHECKING

from mayo.layers.policy import Policy, policy

if TYPE_CHECKING:
    import tensorflow as tf

    from mayo.net.tf.gate.base import Values


@policy('select')
class Select(Policy):
    """Chooses, and learns from the loss of the network which channels an image needs."""

    has_shift, boost = False, 'never'

    def apply(self, values: 'Values') -> tuple['tf.Tensor', float]:
        from mayo.net.tf.gate.kernel import silence

        gate, mask = values.gate, values.mask
        features = gate.activation(values.normalized())
        if not values.training or (gate.keep == gate.channels and not gate.params.varies(gate.channels)):
            return features * values.per_channel(mask, features), 0.0
        return silence(features, with_slope(mask, values.saliency, gate.params.temperature)), 0.0


def with_slope(mask: 'tf.Tensor', saliency: 'tf.Tensor', temperature: float) -> 'tf.Tensor':
    """M: the values of the mask with the slope of u in the saliency; both [..., C]. The cut and std(g) count as constants."""
    import tensorflow as tf

    from mayo.net.tf import replicas

    fixed = tf.stop_gradient(saliency)
    cut = tf.reduce_max(tf.where(mask > 0, 0.0, fixed), -1, keepdims=True)
    _, variance = replicas.moments(fixed, list(range(fixed.shape.rank)))
    unit = temperature * tf.sqrt(variance) + 1e-6  # saliencies that are all alike have no slope to speak of
    soft = tf.sigmoid((saliency - cut) / unit)
    return mask + soft - tf.stop_gradient(soft)
