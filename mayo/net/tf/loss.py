"""What outputs of a network cost: against labels, and against the outputs of a teacher.

Shapes: N images, C classes.
"""

import tensorflow as tf


def cross_entropy(outputs: tf.Tensor, labels: tf.Tensor, is_probability: bool, label_smoothing: float = 0.0) -> tf.Tensor:
    """-sum_c t_c log p_c of each image, [N]. outputs: logits or, if `is_probability`, p [N, C].

    t is 1 - a + a / C at the label and a / C elsewhere, with a the label smoothing.
    """
    if not is_probability and not label_smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
    log_p = tf.math.log(tf.maximum(outputs, 1e-12)) if is_probability else tf.nn.log_softmax(outputs)
    at_label = tf.gather(log_p, labels, axis=1, batch_dims=1)
    return -(1 - label_smoothing) * at_label - label_smoothing * tf.reduce_mean(log_p, -1)


def divergence(taught: tf.Tensor, outputs: tf.Tensor, is_probability: bool, temperature: float = 1.0) -> tf.Tensor:
    """KL(p || q) = sum_c p_c (log p_c - log q_c) of each image, [N]; p from the teacher's outputs, q from the student's.

    Both are softmax(logits / temperature); of outputs that are probabilities the logits are their logarithms.
    """
    log_p, log_q = (
        tf.nn.log_softmax((tf.math.log(tf.maximum(values, 1e-12)) if is_probability else values) / temperature)
        for values in (taught, outputs)
    )
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), -1)
