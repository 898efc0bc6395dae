"""Floor 5: results in, pictures and the page that shows them out."""

from mayo.report.bars import bars
from mayo.report.curve import Point, tradeoff, training
from mayo.report.examples import examples
from mayo.report.heatmap import channels
from mayo.report.histogram import saliency
from mayo.report.page import Picture, write

__all__ = ['Picture', 'Point', 'bars', 'channels', 'examples', 'saliency', 'tradeoff', 'training', 'write']
