"""Keras layers from YAML: a builder for each `type`."""

from mayo.net.tf.layer import activation, conv, join, norm, pool, shape
from mayo.net.tf.layer.base import Builder, Dims, Params, Site, builders

__all__ = ['Builder', 'Dims', 'Params', 'Site', 'activation', 'builders', 'conv', 'join', 'norm', 'pool', 'shape']
