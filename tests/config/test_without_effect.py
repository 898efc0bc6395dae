"""A word that sets a key with _ which no reference reads is an error with the nearest name."""

import pytest

from mayo.config import Config

TEXT = """
_gate: {density: 1.0, pool: avg}
_width: 1
_unused: {deep: 1}
_chain: $(_width)
model:
    layers:
        _gated: &gated {gate: $(_gate)}
        conv0: *gated
        conv1: {size: !arith $(_chain) * 2, text: '$(model._name)-x', kind: '$(_kinds.$(model._kind))'}
    _name: net
    _kind: small
_kinds: {small: 3, large: 4}
train:
    _rate: 0.1
    rates: [{_first: 1, start: $(._first)}]
    rate: $(._rate)
"""


def lines(*words: str) -> list[str]:
    config = Config()
    config.merge_text(TEXT, 'x.yaml')
    for word in words:
        config.merge_word(word)
    return config.unread()


@pytest.mark.parametrize(
    'word',
    [
        '_gate.density=0.5',
        '_gate={density: 0.5}',
        '_gate.new=1',
        '_width=3',
        'model._name=other',
        'model._kind=large',
        '_kinds.small=9',
        'train._rate=1',
        'train.rates.0._first=2',
        'model.layers.conv0.gate.density=0.5',
        'plain=1',
    ],
)
def test_a_word_that_something_reads_is_no_mistake(word: str) -> None:
    assert lines(word) == []


@pytest.mark.parametrize(
    ('word', 'hint'),
    [
        ('_gat.density=0.5', '; did you mean _gate.density?'),
        ('_widht=2', '; did you mean _width?'),
        ('_unused.deep=2', '.'),
        ('_unused={deep: 2}', '.'),
        ('train._rat=2', '; did you mean train._rate?'),
        ('_kinds.large=9', '; did you mean _kinds.small?'),
        ('model.layers._gated.gate.density=0.5', '.'),
        ('model.layers._new={a: 1}', '.'),
    ],
)
def test_a_word_that_nothing_reads_has_no_effect(word: str, hint: str) -> None:
    (line,) = lines(word)
    assert line.startswith(f'command line: {word} has no effect: no reference reads {word.partition("=")[0]}')
    assert line.endswith(hint)


def test_all_of_them_are_told_and_keys_of_files_are_free() -> None:
    assert lines() == []
    assert len(lines('_a=1', '_width=2', '_b.c=1')) == 2


def test_a_reference_that_goes_nowhere_hides_no_other() -> None:
    config = Config()
    config.merge_text('{a: $(nowhere), b: $(_c), _c: 1}', 'x.yaml')
    config.merge_word('_c=2')
    assert config.unread() == []
