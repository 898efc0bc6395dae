"""What the gates did, against NumPy on all images at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.config import Config
from mayo.session.base import Session
from mayo.session.data import epoch_of
from mayo.session.gate_use import BINS, Histogram, gate_use


@pytest.fixture
def session(config_of: Callable[..., Config]) -> Session:
    return Session(config_of('eval.batch_size=7', gated=True))


def everything(session: Session) -> tuple[Any, Any, Any]:
    """(images, labels, stats) of all validation images."""
    batches = epoch_of(session.config, 'validate').as_numpy_iterator()
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images, labels, session.network(images)[1]


def test_probabilities_counts_and_saliencies_are_those_of_numpy(session: Session) -> None:
    use = gate_use(session)
    _, labels, stats = everything(session)
    assert use.classes == ('class 0', 'class 1', 'class 2')
    assert use.images.tolist() == [np.sum(labels == label) for label in range(3)] == [17, 17, 16]
    assert [layer.name for layer in use.layers] == ['conv0', 'conv1']
    for layer in use.layers:
        mask, saliency = stats[layer.name].mask.numpy(), stats[layer.name].saliency.numpy()
        expected = [mask[labels == label].mean(0) for label in range(3)]
        np.testing.assert_allclose(layer.active, expected, atol=1e-6)
        np.testing.assert_allclose(layer.mean, saliency.mean(0), rtol=1e-5)
        np.testing.assert_array_equal(layer.counts, mask.sum(1))
        assert layer.saliency.counts.sum(1).tolist() == [np.sum(mask == 0), np.sum(mask == 1)]
        assert layer.saliency.zeros == np.sum(saliency == 0)
        assert (layer.fewest, layer.most) == ([], [])


def test_only_the_first_images_count_if_that_is_asked_for(session: Session) -> None:
    use = gate_use(session, max_images=10, examples=2)
    _, labels, stats = everything(session)
    assert use.images.tolist() == np.bincount(labels[:10]).tolist()
    mask = stats['conv1'].mask.numpy()[:10]
    np.testing.assert_array_equal(use.layers[1].counts, mask.sum(1))


def test_examples_are_the_images_at_either_end(session: Session) -> None:
    images, labels, stats = everything(session)
    layer = gate_use(session, examples=3).layers[1]
    mask, saliency = stats['conv1'].mask.numpy(), stats['conv1'].saliency.numpy()
    used = [(float(count), float(strength)) for count, strength in zip(mask.sum(1), (mask * saliency).sum(1), strict=True)]
    order = sorted(range(50), key=lambda index: used[index])
    for examples, expected in ((layer.fewest, order[:3]), (layer.most, order[::-1][:3])):
        np.testing.assert_allclose([example.used for example in examples], [used[index] for index in expected], rtol=1e-4)
    assert layer.fewest[0].label == labels[order[0]]
    np.testing.assert_array_equal(layer.fewest[0].pixels, images[order[0]])


def test_a_histogram_counts_every_value_however_far_the_range_grows() -> None:
    histogram = Histogram()
    parts = [np.array([[0.0, 0.5]]), np.array([[3.0, 100.0]]), np.array([[0.25, 99.0]])]
    for part in parts:
        histogram.add(part, (part > 1).astype('float32'))
    assert histogram.zeros == 1
    assert histogram.top == 128
    width = histogram.top / BINS
    for won, values in ((0, [0, 0.5, 0.25]), (1, [3, 100, 99])):
        expected = np.histogram(values, BINS, (0, 128))[0]
        np.testing.assert_array_equal(histogram.counts[won], expected, err_msg=f'bins of {width}')


def test_a_layer_whose_saliencies_are_all_zero_has_a_histogram() -> None:
    histogram = Histogram()
    histogram.add(np.zeros((2, 3)), np.zeros((2, 3)))
    assert (histogram.zeros, histogram.counts[0, 0], histogram.top) == (6, 6, 0)
