"""Floor 5: Network Slimming, which removes channels with a small batch-norm scale for real: a smaller model and its weights.

Z. Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017, https://arxiv.org/abs/1708.06519
"""
from mayo.slim.channels import Channels, channels_of
from mayo.slim.choose import Choice, Limits, choose_density, choose_macs
from mayo.slim.record import Slimmed
from mayo.slim.shrink import kept_of, smaller_graph, smaller_tensors
from mayo.slim.write import MARK, Model, gate_text, gated_graph, model_text

__all__ = ['MARK', 'Channels', 'Choice', 'Limits', 'Model', 'Slimmed', 'channels_of', 'choose_density', 'choose_macs',
           'gate_text', 'gated_graph', 'kept_of', 'model_text', 'smaller_graph', 'smaller_tensors']
