"""The stages that train.anneal describes, and what is wrong with a description."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.config import Config
from mayo.training.stages import Stage, stages_of
from mayo.util.errors import UserError


def stages(*words: str) -> Any:
    config = Config.default()
    config.merge_text('train.anneal.epochs: 2', 'trainer.yaml')
    for word in words:
        config.merge_word(word)
    return stages_of(config)


def test_the_density_falls_by_steps_and_the_last_stage_is_longer() -> None:
    listed = stages('train.anneal.final_epochs=10')
    assert [stage.name for stage in listed] == ['gate100', 'gate90', 'gate80', 'gate70', 'gate60', 'gate50', 'gate40', 'gate30']
    assert [stage.density for stage in listed] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    assert [stage.epochs for stage in listed] == [2] * 7 + [10]


def test_a_list_of_densities_each_with_its_length_under_a_name_of_the_users() -> None:
    listed = stages('train.anneal.densities=[0.7, 0.125]', 'train.anneal.epochs=[3, 0.5]', 'system.checkpoint.save=mine')
    assert listed == [Stage('mine70', 0.7, 3), Stage('mine12.5', 0.125, 0.5)]


def test_listed_lengths_stand_though_the_recipe_gives_the_last_stage_another() -> None:
    listed = stages('train.anneal.final_epochs=10', 'train.anneal.densities=[0.7, 0.5]', 'train.anneal.epochs=[3, 4]')
    assert [stage.epochs for stage in listed] == [3, 4]


def test_gates_alone_come_before_each_stage() -> None:
    assert stages('train.anneal.densities=[0.5]', 'train.anneal.gate_epochs=1') == [
        Stage('gate50-gates', 0.5, 1, gates_only=True),
        Stage('gate50', 0.5, 2),
    ]


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_steps_fall_exactly_and_end_where_they_should(first: Any, last: Any, step: Any) -> None:
    first, last = max(first, last), min(first, last)
    listed = stages(f'train.anneal.from={first / 100}', f'train.anneal.to={last / 100}', f'train.anneal.step={step / 100}')
    assert [stage.density for stage in listed] == [hundredths / 100 for hundredths in [*range(first, last, -step), last]]


@pytest.mark.parametrize(
    'words, message',
    [
        (
            ['train.anneal.to=0.9', 'train.anneal.from=0.5'],
            'command line: train.anneal.from is 0.5, expected a density from train.anneal.to up, which is 0.9.',
        ),
        (
            ['train.anneal.densities=[0.5, 0.7]'],
            'command line: train.anneal.densities is [0.5, 0.7], expected densities that fall.',
        ),
        (
            ['train.anneal.densities=[0.7, 0.5]', 'train.anneal.epochs=[1]'],
            'command line: train.anneal.epochs lists 1 lengths for 2 densities: 0.7, 0.5.',
        ),
    ],
)
def test_what_is_wrong_is_told(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        stages(*words)
    assert str(error.value) == message
