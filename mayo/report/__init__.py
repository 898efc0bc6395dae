"""Floor 5: results in, pictures and the page that shows them out."""

from mayo.report.bars import bars
from mayo.report.curve import Point, tradeoff, training
from mayo.report.examples import examples
from mayo.report.features import features
from mayo.report.heatmap import channels
from mayo.report.histogram import saliency
from mayo.report.page import Picture, write
from mayo.report.parameters import parameters

__all__ = [
    'Picture',
    'Point',
    'bars',
    'channels',
    'examples',
    'features',
    'parameters',
    'saliency',
    'tradeoff',
    'training',
    'write',
]
