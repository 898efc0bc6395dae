"""Floor 5: Network Slimming, which removes channels for good and leaves a smaller model and its weights.

It removes channels with a small scale in batch norm, or those that gates hardly pick.

Z. Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017, https://arxiv.org/abs/1708.06519
"""

from mayo.slim.channels import Channels, channels_of
from mayo.slim.choose import Choice, Limits, choose_density, choose_macs, choose_masked, choose_widths
from mayo.slim.record import Slimmed
from mayo.slim.shrink import kept_of, silenced, smaller_graph
from mayo.slim.write import MARK, Model, gate_text, gated_graph, in_one_line, model_text, ungated_graph

__all__ = [
    'MARK',
    'Channels',
    'Choice',
    'Limits',
    'Model',
    'Slimmed',
    'channels_of',
    'choose_density',
    'choose_macs',
    'choose_masked',
    'choose_widths',
    'gate_text',
    'gated_graph',
    'in_one_line',
    'kept_of',
    'model_text',
    'silenced',
    'smaller_graph',
    'ungated_graph',
]
