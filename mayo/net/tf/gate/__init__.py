"""Gates: which channels of a convolution an image needs. Adding a policy is adding a class and a line here."""

from mayo.net.tf.gate.base import Gate, GateStats, Window
from mayo.net.tf.gate.naive import NaiveGate
from mayo.net.tf.gate.parametric import ParametricGate
from mayo.net.tf.gate.regularizer import regularizers
from mayo.net.tf.gate.squeeze import SqueezeGate
from mayo.net.tf.gate.threshold import Threshold, best_loser_of_all
from mayo.util.registry import Registry

policies: Registry[type[Gate]] = Registry('gate policy')
policies.register('parametric')(ParametricGate)
policies.register('squeeze')(SqueezeGate)
policies.register('naive')(NaiveGate)

__all__ = ['Gate', 'GateStats', 'Threshold', 'Window', 'best_loser_of_all', 'policies', 'regularizers']
