"""The overriders of a session: states in checkpoints both ways, updates, training, what is assigned."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.session import overriders
from mayo.session.base import Session
from mayo.session.execution import execution_of, runner
from mayo.session.spec import model_graph, model_problems
from mayo.training.trainer import train
from mayo.util.errors import UserError

PRUNE = 'model.overrider={weights: {prune: {type: mayo.override.DynamicNetworkSurgeryPruner, alpha: 0.0}}}'
FIXED = 'model.overrider={weights: {fixed: {type: mayo.override.FixedPointQuantizer, width: 4, point: 1}}}'
MASK = 'tiny/conv1/weights/DynamicNetworkSurgeryPruner.mask'
WEIGHTS = 'tiny/conv1/weights'
Make = Callable[..., Config]


@pytest.fixture
def dense(config_of: Make) -> Config:
    """A configuration whose checkpoint `dense` is there."""
    config = config_of()
    Session(config).save('dense')
    return config


def updated(config_of: Make, *words: str, **options: Any) -> Session:
    session = Session(config_of('system.checkpoint.load=dense', *words, **options))
    overriders.update(session)
    return session


def test_states_are_saved_under_the_names_of_the_original_and_come_back(dense: Config, config_of: Make) -> None:
    session = updated(config_of, PRUNE)
    mask = session.named()[MASK].numpy()
    assert 0.2 < mask.mean() < 0.9
    session.save('pruned')
    stored = bundle.read(session.store.folder / 'pruned')
    assert stored[MASK].dtype == bool
    assert stored[MASK].tolist() == mask.tolist()
    again = Session(config_of('system.checkpoint.load=pruned', PRUNE))
    again.load()
    assert again.named()[MASK].numpy().tolist() == mask.tolist()


def test_a_stored_number_beats_the_one_of_the_configuration(dense: Config, config_of: Make) -> None:
    updated(config_of, PRUNE).save('pruned')
    session = Session(config_of('system.checkpoint.load=pruned', PRUNE.replace('alpha: 0.0', 'alpha: 1.5')))
    session.load()
    alpha = session.named()['tiny/conv1/weights/DynamicNetworkSurgeryPruner.alpha']
    assert alpha.numpy() == 0
    overriders.reset(session)
    assert alpha.numpy() == 1.5
    assert session.named()[MASK].numpy().all()


def test_without_overriders_the_masks_of_a_file_multiply_the_weights(dense: Config, config_of: Make) -> None:
    session = updated(config_of, PRUNE)
    session.save('pruned')
    mask, weights = session.named()[MASK].numpy(), session.named()[WEIGHTS].numpy()
    assert weights[~mask].all()
    plain = Session(config_of('system.checkpoint.load=pruned'))
    plain.load()
    assert plain.named()[WEIGHTS].numpy().tolist() == (weights * mask).tolist()


@pytest.mark.parametrize(('words', 'text'), [([], 'more overriders than here'), ([FIXED], 'other overriders than here')])
def test_overriders_of_the_checkpoint_that_differ_are_told_in_words(
    words: list[str], text: str, dense: Config, config_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    updated(config_of, PRUNE).save('pruned')
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(config_of('system.checkpoint.load=pruned', *words)).load()
    assert f'was made with {text} (conv0 and 2 more)' in caplog.text


def test_a_dense_checkpoint_gives_the_weights_and_the_configuration_the_states(
    dense: Config, config_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, 'mayo'):
        session = Session(config_of('system.checkpoint.load=dense', FIXED))
        session.load()
    assert '  3 overriders start as configured: tiny/conv0/weights, tiny/conv1/weights, tiny/logits/weights' in caplog.text
    assert session.named()['tiny/conv0/weights/FixedPointQuantizer.width'].numpy() == 4


def test_a_state_of_another_shape_is_told(dense: Config, config_of: Make) -> None:
    session = updated(config_of, PRUNE)
    tensors = session.tensors() | {MASK: np.ones((2, 2), bool)}
    bundle.write(session.store.folder / 'wrong', tensors)
    with pytest.raises(UserError, match=r'conv1/weights/DynamicNetworkSurgeryPruner\.mask is \[2, 2\] in the file'):
        Session(config_of('system.checkpoint.load=wrong', PRUNE)).load()


def test_assigned_weights_are_those_that_the_network_computed_with(dense: Config, config_of: Make) -> None:
    session = updated(config_of, FIXED)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    before, _ = session.network(images)
    overriders.assign(session)
    plain = Session(config_of('system.checkpoint.load=assigned'))
    plain.load()
    weights = plain.named()[WEIGHTS].numpy()
    assert np.array_equal(weights * 8, np.round(weights * 8))
    np.testing.assert_allclose(plain.network(images)[0], before, atol=1e-6)


def test_training_keeps_pruned_weights_at_zero_and_states_as_they_are(dense: Config, config_of: Make) -> None:
    session = updated(config_of, PRUNE, 'train.max_epochs=1')
    mask, before = session.named()[MASK].numpy(), session.named()[WEIGHTS].numpy()
    train(session)
    assert session.named()[MASK].numpy().tolist() == mask.tolist()
    after = session.named()[WEIGHTS].numpy()
    assert (after[mask] != before[mask]).all()
    assert after[~mask].tolist() == before[~mask].tolist()
    stored = names.adapt(bundle.read(session.store.folder / 'epoch-1'))
    assert not stored[WEIGHTS][~mask].any()


def test_trainable_states_train(dense: Config, config_of: Make) -> None:
    ternary = FIXED.replace('FixedPointQuantizer, width: 4, point: 1', 'TernaryQuantizer, base: 0')
    session = Session(config_of('system.checkpoint.load=dense', ternary, 'train.max_epochs=1'))
    train(session)
    assert session.named()['tiny/conv1/weights/TernaryQuantizer.scale'].numpy() != 1


def test_activations_and_gradients_update_from_a_batch_of_training_images(dense: Config, config_of: Make) -> None:
    dynamic = '{d: {type: mayo.override.DGQuantizer, width: 6, overflow_rate: 0.0}}'
    session = updated(
        config_of, f'model.overrider={{activation: {dynamic}, gradient: {{error: {dynamic}, weights: {dynamic}}}}}'
    )
    points = {name: part.numpy() for name, part in session.named().items() if name.endswith('.point')}
    assert len(points) == 9
    assert all(point < 8 for point in points.values())
    assert len({name for name in points if '/activations/' in name}) == 3


@pytest.mark.parametrize('action', ['update', 'assign'])
def test_random_weights_are_neither_updated_from_nor_saved_as_assigned(config_of: Make, action: str) -> None:
    session = Session(config_of(PRUNE))
    with pytest.raises(UserError, match=rf'`overriders-{action}` reads the weights, but those of tiny are random; set'):
        getattr(overriders, action)(session)
    assert overriders.ASSIGNED not in session.store.names()


def test_without_overriders_there_is_nothing_to_update(dense: Config, config_of: Make) -> None:
    with pytest.raises(UserError, match=r'no layer of tiny has an `overrider`; docs/overriders\.md shows'):
        overriders.update(Session(config_of('system.checkpoint.load=dense')))


def test_the_rows_tell_bits_density_and_state(dense: Config, config_of: Make) -> None:
    rows = overriders.rows(updated(config_of, PRUNE))
    assert [(row.layer, row.target, row.overriders, row.bits) for row in rows] == [
        (layer, 'weights', ('DynamicNetworkSurgeryPruner',), 32) for layer in ('conv0', 'conv1', 'logits')
    ]
    assert [row.values for row in rows] == [54, 324, 18]
    assert all(row.density is not None and 0 < row.density < 1 for row in rows)
    assert rows[0].state == {'alpha': '0'}


def test_what_is_dumped_is_what_the_network_computes_with_and_the_states(dense: Config, config_of: Make) -> None:
    session = updated(config_of, FIXED)
    contents = overriders.contents(session)
    assert set(contents) == {
        f'{layer}/weights{state}'
        for layer in ('conv0', 'conv1', 'logits')
        for state in ('', *(f'/FixedPointQuantizer.{part}' for part in ('enable', 'width', 'point')))
    }
    steps = contents['conv0/weights'] * 8
    assert np.array_equal(steps, np.round(steps))


def test_compact_execution_of_a_gated_network_computes_with_overridden_weights(config_of: Make) -> None:
    Session(config_of(gated=True)).save('dense')
    session = updated(config_of, FIXED, gated=True)
    assert execution_of(session) == 'compact'
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(runner(session, 'compact')(images)[0], session.network(images)[0], atol=1e-4)


def test_an_overrider_of_all_layers_gives_way_to_a_layers_own(config_of: Make) -> None:
    config = config_of(FIXED, 'model.layers.logits.overrider=null')
    assert [node.name for node in model_graph(config) if any(node.overriders.values())] == ['conv0', 'conv1']


def test_a_fault_in_many_layers_is_told_once(config_of: Make) -> None:
    wrong = FIXED.replace('width: 4', 'width: 400')
    assert model_problems(config_of(wrong)) == [
        'command line: model.overrider.weights.fixed.width is 400, expected a whole number from 1 to 64.'
    ]
    own = [wrong.replace('model.overrider', f'model.layers.{layer}.overrider') for layer in ('conv0', 'conv1')]
    problem = 'overrider.weights.fixed.width is 400, expected a whole number from 1 to 64. Likewise in 1 more layer.'
    assert model_problems(config_of(*own)) == [f'tiny.yaml:8: conv0.{problem}']
