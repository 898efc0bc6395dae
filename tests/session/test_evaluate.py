"""Evaluation: every image once whatever the batch, and the numbers against NumPy."""

import csv
import logging
import pathlib
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.actions import Run, actions
from mayo.checkpoint import bundle
from mayo.config import Config
from mayo.estimate.liveliness import Liveliness, liveliness, mean_liveliness
from mayo.session.base import Session
from mayo.session.data import epoch_of
from mayo.session.evaluate import Evaluation, evaluate, evaluate_all
from mayo.util.errors import RunError, UserError


@pytest.fixture(scope='module')
def answers() -> dict[str, Any]:
    """What batch sizes gave before, for comparison."""
    return {}


@pytest.mark.parametrize('batch_size', [50, 1, 7, 1000])
def test_every_image_counts_once_whatever_the_batch_size(
    config_of: Callable[..., Config], batch_size: int, answers: dict[str, Any]
) -> None:
    result = evaluate(Session(config_of(f'eval.batch_size={batch_size}', gated=True)), quiet=True)
    assert result.images == 50
    assert [counts.shape for counts in result.counts.values()] == [(50,), (50,)]
    expected = answers.setdefault('first', result)
    assert (result.top1, result.top5) == (expected.top1, expected.top5)
    assert result.loss == pytest.approx(expected.loss, rel=1e-5)


def test_the_numbers_are_those_of_numpy(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('dataset.task.num_classes=7', gated=True))
    result = evaluate(session, quiet=True)
    batches = epoch_of(session.config, 'validate').as_numpy_iterator()
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    logits, stats = session.network(images)
    logits = logits.numpy()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind='stable')
    assert result.top1 == pytest.approx((order[:, 0] == labels).mean())
    assert result.top5 == pytest.approx((order[:, :5] == labels[:, None]).any(1).mean())
    assert result.loss == pytest.approx(-np.log(p[np.arange(50), labels]).mean(), rel=1e-5)
    for name, stat in stats.items():
        np.testing.assert_array_equal(result.counts[name], stat.mask.numpy().sum(1))
        assert result.density[name] == pytest.approx(stat.mask.numpy().mean())
        measured, expected = astuple(result.liveliness[name]), astuple(liveliness(stat.mask.numpy()))
        assert measured == pytest.approx(expected, abs=1e-6)
    assert result.mean_liveliness == mean_liveliness(result.liveliness.values())
    assert result.mean_density == pytest.approx(0.5)


def test_a_dense_network_has_no_density(config_of: Callable[..., Config]) -> None:
    result = evaluate(Session(config_of()), quiet=True)
    assert (result.density, result.counts, result.mean_density) == ({}, {}, None)
    assert result.mean_liveliness is None
    assert 'density' not in result.render()


def test_a_softmax_layer_gives_the_same_loss(config_of: Callable[..., Config]) -> None:
    plain = Session(config_of())
    words = ('model.layers.prob.type=softmax', 'model.graph.with+=[prob]')
    soft = Session(config_of(*words))
    assert soft.network.is_probability
    assert evaluate(soft, quiet=True).loss == pytest.approx(evaluate(plain, quiet=True).loss, rel=1e-4)


def test_the_result_is_rendered_in_a_few_lines() -> None:
    live = {'conv0': Liveliness(0.0, 0.5, 0.0, 0.5), 'conv1': Liveliness(0.25, 0.25, 0.5, 0.25)}
    result = Evaluation(0.9153, 0.9987, 0.2501, 10000, 512.6, {'conv0': 0.5, 'conv1': 0.25}, {}, live)
    assert result.render() == (
        'top-1 91.53 %, top-5 99.87 %, loss 0.2501, of 10,000 images at 513 images/s\n'
        'measured density 0.3750: conv0 0.500, conv1 0.250\n'
        'turnover 0.1250: conv0 0.000, conv1 0.250\n'
        'channels always/sometimes/never active 0.38/0.25/0.38: conv0 0.50/0.00/0.50, conv1 0.25/0.50/0.25'
    )


def test_weights_without_a_checkpoint_are_said_to_be_random(
    config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        evaluate(Session(config_of()), quiet=True)
    assert 'system.checkpoint.load is not set: the weights of tiny are random' in caplog.text


def test_eval_all_is_a_line_for_each_checkpoint_that_fits_and_tells_of_others(config_of: Callable[..., Config]) -> None:
    session = Session(config_of())
    session.images_seen = 192
    session.save('one')
    for variable in session.named().values():
        variable.assign(tf.zeros_like(variable))
    session.save('zero')
    bundle.write(session.store.folder / 'alien', {'other/weights': np.ones(3)})
    results = evaluate_all(Session(config_of()))
    rows = list(csv.DictReader(results.text.splitlines()))
    assert [(row['checkpoint'], row['epochs'], row['images']) for row in rows] == [('one', '2', '50'), ('zero', '2', '50')]
    assert float(rows[1]['loss']) == pytest.approx(np.log(3), rel=1e-4)
    (left_out,) = results.left_out
    assert left_out.startswith('left out: ')
    assert 'checkpoint of `other`' in left_out


def test_eval_all_that_leaves_one_out_writes_the_others_and_fails(
    config_of: Callable[..., Config], tmp_path: pathlib.Path
) -> None:
    session = Session(config_of())
    session.save('one')
    bundle.write(session.store.folder / 'alien', {'other/weights': np.ones(3)})
    with pytest.raises(RunError, match=r'left out: .*alien'):
        actions['eval-all'].run(Run(config_of(f'eval.path={tmp_path}/all.csv')))
    assert (tmp_path / 'all.csv').read_text().splitlines()[1].startswith('one,')


def test_eval_all_without_checkpoints_says_so(config_of: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r'`eval-all` found no checkpoint in \S+tiny/pictures\.'):
        evaluate_all(Session(config_of()))
