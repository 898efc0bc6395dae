"""Every picture is written, in both formats, and the page shows each with its caption."""

import html.parser
import pathlib
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint.history import read
from mayo.estimate.liveliness import Liveliness
from mayo.report.histogram import _shown_bins
from mayo.util import picture
from mayo.util.errors import RunError

LIVELY = Liveliness(turnover=0.12, always=0.3, sometimes=0.3, never=0.4)


class Cost:
    """What a layer costs."""

    def __init__(self, name: Any, dense: Any, executed: Any) -> None:
        self.name, self.dense, self.executed = name, dense, executed


class Example:
    """An image that used so much."""

    def __init__(self, label: Any, active: Any, strength: Any) -> None:
        self.pixels = np.full((4, 4, 1), strength)
        self.label, self.active, self.strength = label, active, strength


class Page(html.parser.HTMLParser):
    """The pictures and headings of a page."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.images: list[Any] = []
        self.links: list[Any] = []
        self.data = ''
        self.feed(text)

    def handle_starttag(self, tag: Any, attributes: Any) -> None:
        if tag == 'img':
            self.images.append(dict(attributes)['src'])
        if tag == 'a':
            self.links.append(dict(attributes)['href'])

    def handle_data(self, data: Any) -> None:
        self.data += data


def pictures() -> list[Any]:
    pytest.importorskip('matplotlib')
    from mayo.report import Point, bars, channels, examples, features, parameters, saliency, tradeoff, training

    counts = np.array([[5, 3, 0, 0], [0, 1, 4, 2]])
    return [
        channels('conv0', np.array([[0.2, 1.0], [0.9, 1.0]]), ('a<b', 'c & d'), LIVELY),
        saliency([('conv0', counts, 2.0, 5), ('conv1', counts, 1.0, 0)]),
        bars([Cost('conv0', 2_000_000, 500_000), Cost('pool', 0, 0)], 'as configured'),
        tradeoff([Point('gate50', 44e6, 0.93), Point('dense', 174e6, 0.94)], 10_000, [Point('paper', 57e6, 0.91, True)]),
        training(
            'gate50',
            [
                {'epoch': 1, 'rate': 0.1, 'loss': 2.0, 'top1': 0.3},
                {'epoch': 2, 'rate': 0.0, 'loss': 1.0, 'top1': 0.6, 'validation_top1': 0.5},
            ],
        ),
        examples('conv0', 2, [Example(0, 1, 0.5)], [Example(1, 2, 1.5)], ('a<b', 'c & d')),
        features('fire/conv', np.zeros((2, 4, 4, 1)), np.arange(2 * 3 * 3 * 20.0).reshape(2, 3, 3, 20)),
        parameters({'conv0/weights': np.array([[0.0, 0.5]]), 'b': np.zeros(3)}, {'conv0/weights': np.array([[0.1, 0.6]])}),
    ]


def test_every_picture_is_a_png_and_an_svg_that_the_page_shows(tmp_path: pathlib.Path) -> None:
    from mayo.report import write

    drawn = pictures()
    index = write(drawn, tmp_path / 'plots', 'LeNet & co', 'Checkpoint <none>.')
    page = Page(index.read_text())
    names = [picture_drawn.name for picture_drawn in drawn]
    assert page.images == [f'{name}.svg' for name in names]
    assert page.links == [f'{name}.{ending}' for name in names for ending in ('png', 'svg')]
    for link in page.links:
        assert (index.parent / link).read_bytes()[:5] in (b'\x89PNG\r', b'<?xml')
    assert 'LeNet & co' in page.data
    assert 'Checkpoint <none>.' in page.data
    for picture_drawn in drawn:
        assert picture_drawn.caption in page.data


def test_captions_say_the_figures() -> None:
    captions = {picture_drawn.name: picture_drawn.caption for picture_drawn in pictures()}
    assert '4.00 times fewer' in captions['macs']
    assert 'gate50 93.00 % at 44.0M; dense 94.00 % at 174M' in captions['tradeoff']
    assert 'in the accounting of the paper' in captions['tradeoff']
    assert captions['training-gate50'].endswith(
        'After epoch 2: training loss 1.0000, training top-1 60.00 %, validation top-1 50.00 %.'
    )
    assert 'ordered by how many of its channels are active' in captions['examples-conv0']
    assert captions['features-fire.conv'] == (
        'fire/conv, the first 16 of 20 channels: its output for 2 validation images, a row each, channels across. '
        'Black is 0, white 355.'
    )
    assert 'grey is what the layer computes with' in captions['parameters']


def test_where_all_images_use_as_many_channels_the_caption_says_what_orders_them() -> None:
    pytest.importorskip('matplotlib')
    from mayo.report import examples

    pictured = examples('conv0', 8, [Example(0, 4, 0.5)], [Example(0, 4, 1.5)], ('cat',))
    assert 'by the sum of the saliencies of the active channels, as every one of them used 4 of 8 channels' in pictured.caption


def test_the_published_points_are_those_of_the_paper() -> None:
    pytest.importorskip('matplotlib')
    from mayo.report.curve import PUBLISHED

    points = PUBLISHED['cifarnet', 'cifar10']
    assert [(point.macs, point.top1) for point in points] == [(174e6, 0.9137), (57e6, 0.9054)]


def test_the_few_values_at_either_end_are_left_out_of_a_histogram() -> None:
    counts = np.zeros((2, 100), np.int64)
    counts[0, 40:50] = counts[1, 50:60] = 1_000
    counts[:, 0] = counts[:, 99] = 1
    assert _shown_bins(counts) == (40, 60)


def test_the_same_figure_gives_the_same_file(tmp_path: pathlib.Path) -> None:
    picture_drawn = pictures()[2].figure
    for name in ('a.svg', 'b.svg'):
        picture.save(picture_drawn, tmp_path / name)
    assert (tmp_path / 'a.svg').read_bytes() == (tmp_path / 'b.svg').read_bytes()


def test_without_matplotlib_there_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, 'missing', lambda packages: packages)
    with pytest.raises(RunError, match=r'^`plot` needs matplotlib, which is not installed; pip install \.\[plot\]$'):
        picture.check('`plot`', 'plot')


def test_a_record_that_is_not_there_has_no_lines(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path / 'training.jsonl') == []


def test_the_smallest_of_many_layers_are_left_out_and_the_title_says_so() -> None:
    pytest.importorskip('matplotlib')
    from mayo.report import bars

    many = bars([Cost(f'conv{index}', 1000 * (index + 1), 500) for index in range(100)], 'as configured')
    assert many.title == 'MACs of each layer, densities as configured; only layers of 41.0k or more'
    assert len(many.figure.axes[0].get_yticks()) == 60
    assert 'densities as configured; only layers of 41.0k or more: white' in many.caption
    assert 'dense, 5.05M in all' in [text.get_text() for text in many.figure.legends[0].get_texts()]


def test_every_bar_says_its_macs() -> None:
    texts = [text.get_text() for text in pictures()[2].figure.axes[0].texts]
    assert texts == ['2.00M', '500k, 4.0\u00d7 fewer']


def test_epochs_start_at_zero_and_a_record_of_one_epoch_can_be_drawn() -> None:
    pytest.importorskip('matplotlib')
    from mayo.report import training

    axes = training('one', [{'epoch': 1.0, 'rate': 0.1, 'loss': 2.0, 'top1': 0.3}]).figure.axes[-1]
    assert axes.get_xlim() == pytest.approx((0, 1.03))
    assert [tick for tick in axes.get_xticks() if tick <= 1.03] == [0, 1]
