"""Gates: which channels of a convolution an image needs. Adding a policy is adding a class and a line here."""
from mayo.net.tf.gate.base import Gate, GateStats, Threshold, Window, network_cut
from mayo.net.tf.gate.naive import NaiveGate
from mayo.net.tf.gate.parametric import ParametricGate
from mayo.net.tf.gate.squeeze import SqueezeGate
from mayo.util.registry import Registry

policies: Registry[type[Gate]] = Registry('gate policy')
policies.register('parametric')(ParametricGate)
policies.register('squeeze')(SqueezeGate)
policies.register('naive')(NaiveGate)

__all__ = ['Gate', 'GateStats', 'Threshold', 'Window', 'network_cut', 'policies']
