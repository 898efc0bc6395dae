"""A text in a bundle is read without TensorFlow as TensorFlow reads it, and a damaged one is said to be."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from mayo.checkpoint import bundle
from mayo.checkpoint.text import names_in, text_in
from mayo.util.errors import UserError

NAMES = some.text(some.characters(exclude_categories=['Cs'], exclude_characters='\0'), min_size=1, max_size=30)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=some.dictionaries(
        NAMES, some.text(some.characters(exclude_categories=['Cs']), max_size=3000), min_size=1, max_size=40
    )
)
def test_each_text_is_as_tensorflow_reads_it(tmp_path: pathlib.Path, texts: dict[str, str]) -> None:
    bundle.write(tmp_path / 'net', {**texts, 'ümgs_seen/\ue000': np.array(7)})
    assert {name: text_in(tmp_path / 'net', name) for name in texts} == texts
    assert text_in(tmp_path / 'net', 'no such name') is None
    assert names_in(tmp_path / 'net') == sorted([*texts, 'ümgs_seen/\ue000'], key=str.encode)
    assert {name: value.decode() for name, value in bundle.read(tmp_path / 'net').items() if name in texts} == texts


def test_an_index_of_many_blocks_is_searched(tmp_path: pathlib.Path) -> None:
    names = [f'layer{number:05}/weights' for number in range(3000)]
    bundle.write(
        tmp_path / 'net', {name: np.zeros(1, np.float32) for name in names} | {'layer01500/text': 'here', 'zz': 'last'}
    )
    assert text_in(tmp_path / 'net', 'layer01500/text') == 'here'
    assert text_in(tmp_path / 'net', 'zz') == 'last'
    assert text_in(tmp_path / 'net', 'zzz') is None
    assert names_in(tmp_path / 'net') == sorted([*names, 'layer01500/text', 'zz']) == sorted(bundle.shapes(tmp_path / 'net'))


def test_no_damage_gives_another_text(tmp_path: pathlib.Path) -> None:
    text = 'model: {name: net}\n' * 5
    bundle.write(tmp_path / 'net', {'mayo/config': text, 'a': np.arange(6, dtype=np.float32)})
    names, messages = ['a', 'mayo/config'], []
    for file in [bundle.index_file(tmp_path / 'net'), *bundle.data_files(tmp_path / 'net')]:
        whole = file.read_bytes()
        for place in range(len(whole)):
            for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]):
                file.write_bytes(damaged)
                for read, right in (
                    (lambda: text_in(tmp_path / 'net', 'mayo/config'), (text, None)),
                    (lambda: names_in(tmp_path / 'net'), (names,)),
                ):
                    try:
                        assert read() in right
                    except UserError as error:
                        messages.append(str(error))
        file.write_bytes(whole)
    assert len(messages) > len(text)
    assert all('net: the checkpoint is truncated or corrupt' in message for message in messages)


def test_a_checkpoint_that_is_not_there_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match='no such checkpoint'):
        text_in(tmp_path / 'none', 'mayo/config')


def test_reading_a_text_imports_no_tensorflow() -> None:
    code = (
        'import sys; from mayo.checkpoint.text import text_in; from mayo.util.files import SHIPPED; '
        "print(len(text_in(SHIPPED / 'checkpoints/cifarnet/fashion_mnist/gate50', 'mayo/config')), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == 'False'
    assert int(done.stdout.split()[0]) > 1000
