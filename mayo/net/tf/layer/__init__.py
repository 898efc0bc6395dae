"""Keras layers of a network: a builder for each layer type that does not compute itself (mayo.layers)."""

from mayo.net.tf.layer import activation, arrange, conv, hadamard, join, norm, pool
from mayo.net.tf.layer.base import Builder, Dims, Site, build, builders

__all__ = ['Builder', 'Dims', 'Site', 'activation', 'arrange', 'build', 'builders', 'conv', 'hadamard', 'join', 'norm', 'pool']
