"""Losses against their formulas in NumPy."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.net.tf.loss import cross_entropy, divergence


@pytest.mark.parametrize('is_probability', [False, True])
@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_cross_entropy_with_smooth_labels(is_probability: bool, smoothing: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1], np.int32)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.full((4, 3), smoothing / 3) + np.eye(3)[labels] * (1 - smoothing)
    loss = cross_entropy(tf.constant(p if is_probability else logits), tf.constant(labels), is_probability, smoothing)
    np.testing.assert_allclose(loss, -(targets * np.log(p)).sum(1), rtol=1e-5)


def softmax(logits: Any) -> Any:
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


@pytest.mark.parametrize('is_probability', [False, True])
@pytest.mark.parametrize('temperature', [1.0, 3.0])
def test_the_divergence_from_a_teacher(is_probability: bool, temperature: float) -> None:
    taught, logits = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    p, q = softmax(taught / temperature), softmax(logits / temperature)
    outputs = [softmax(values) for values in (taught, logits)] if is_probability else [taught, logits]
    ours, theirs = (tf.constant(values) for values in outputs)
    loss = divergence(ours, theirs, is_probability, temperature)
    np.testing.assert_allclose(loss, (p * np.log(p / q)).sum(-1), rtol=1e-4, atol=1e-6)
