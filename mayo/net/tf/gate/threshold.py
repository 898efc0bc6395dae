"""Where the winners end: the saliency that a channel must exceed to be computed.

    online      the (k+1)-th largest saliency of the image itself: never more than k win
    local       the layer's own moving average of that: k win in the mean over images, some images need more than others
    global      one moving average for the network: layers share the sum of their k as their saliencies tell
    learned     a variable of the layer, which the loss of train.target_macs moves (mayo/training/budget.py)

Shapes: N images, C channels; saliency is [N, C], or [N, H, C] with a gate for each row.
"""

import math

import keras
import tensorflow as tf

from mayo.net.tf import replicas

ORIGINAL_START = -0.1  # of the moving average in the original Mayo


def best_loser(saliency: tf.Tensor, keep: int) -> tf.Tensor:
    """The (keep + 1)-th largest saliency of each row, [..., 1]: what exceeds it wins, a tie with it loses.

    >>> best_loser(tf.constant([[1., 9., 5., 3.]]), keep=2).numpy().tolist()
    [[3.0]]
    """
    top = tf.math.top_k(tf.stop_gradient(saliency), keep + 1, sorted=False).values
    return tf.reduce_min(top, -1, keepdims=True)


def best_loser_of_any(saliency: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """The same for a `keep` that is a tensor and may be all the channels, which no value then stops from winning.

    >>> [best_loser_of_any(tf.constant([[1., 9., 5., 3.]]), tf.constant(keep)).numpy().item() for keep in (2, 4)]
    [3.0, -inf]
    """
    ordered = tf.sort(tf.stop_gradient(saliency), direction='DESCENDING')
    below = tf.fill(tf.shape(ordered[..., :1]), -math.inf)
    return tf.gather(tf.concat([ordered, below], -1), keep[None], axis=-1)


def best_loser_of_all(saliencies: list[tf.Tensor], keeps: list[int]) -> tf.Tensor:
    """The best loser, [N, 1], when the channels (and rows) of all layers compete for the sum of what the layers would keep."""
    each = [tf.reshape(saliency, [-1, math.prod(saliency.shape[1:])]) for saliency in saliencies]
    keep = sum(math.prod(saliency.shape[1:-1]) * keep for saliency, keep in zip(saliencies, keeps, strict=True))
    together = tf.concat(each, 1)
    return best_loser(together, min(keep, together.shape[1] - 1))


class Threshold(keras.layers.Layer):
    """A moving average of cuts. As in batch norm, training uses the batch's own mean, evaluation the average.

    It starts at 0, which everything salient exceeds; the first batch sets it, so that no trace of the 0 stays in the average.
    With a `start` it starts there, moves from there, and training uses it, too, as the original Mayo did.
    """

    def __init__(self, decay: float, start: float | None = None) -> None:
        super().__init__(dtype='float32', autocast=False)
        self.decay, self.start = decay, start
        self.average = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(start or 0.0),
            trainable=False,
            autocast=False,
            aggregation='mean',
            name='threshold',
        )
        self.built = True

    def of(self, cuts: tf.Tensor, training: bool) -> tf.Tensor:
        """The threshold to use now, a scalar. cuts: the best losers of a batch, which in training move the average."""
        mean = self.learn(cuts) if training else None
        return self.average.value if mean is None or self.start is not None else mean

    def learn(self, cuts: tf.Tensor) -> tf.Tensor:
        """Move the average towards the mean of the batch's `cuts`, which is returned."""
        mean = replicas.mean(tf.reduce_mean(cuts))
        moved = self.average * self.decay + mean * (1 - self.decay)
        is_first = tf.equal(self.average, 0.0) if self.start is None else False
        self.average.assign(tf.where(is_first, mean, moved))
        return mean


class LearnedThreshold(keras.layers.Layer):
    """A threshold that trains. It starts at 0, which every salient channel exceeds."""

    def __init__(self) -> None:
        super().__init__(dtype='float32', autocast=False)
        self.threshold = self.add_weight(shape=(), initializer='zeros', autocast=False, name='threshold')
        self.built = True

    @property
    def cut(self) -> tf.Tensor:
        """A scalar."""
        return self.threshold.value
