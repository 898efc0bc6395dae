"""Means over the whole batch of a training step, of which every device, a replica, sees its own equal share.

    mean_n v = mean over replicas of mean_n v of each          with one replica, or outside of a step, the value itself

The gradient flows to every replica, so that a loss that is made of such a mean trains as it does on one device.
"""

import tensorflow as tf


def count() -> int:
    """How many replicas take this step together; 1 where no step of several is being computed."""
    replica = tf.distribute.get_replica_context()
    return 1 if replica is None else int(replica.num_replicas_in_sync)


def mean(value: tf.Tensor) -> tf.Tensor:
    """The mean of the replicas' values, in the shape of `value` on every replica."""
    if count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)


def moments(values: tf.Tensor, axes: list[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance over `axes` of the whole batch's values. Deviations are summed in a second pass, for precision."""
    middle = mean(tf.reduce_mean(values, axes, keepdims=True))
    variance = mean(tf.reduce_mean(tf.square(values - middle), axes))
    return tf.squeeze(middle, axes), variance
