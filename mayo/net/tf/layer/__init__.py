"""Keras layers from YAML: a builder for each `type`."""
from mayo.net.tf.layer import activation, conv, join, norm, pool, shape
from mayo.net.tf.layer.base import Builder, Dims, Site, builders

__all__ = ['Builder', 'Dims', 'Site', 'activation', 'builders', 'conv', 'join', 'norm', 'pool', 'shape']
