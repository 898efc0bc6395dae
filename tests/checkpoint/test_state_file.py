"""TensorFlow's state file: what its own reader of the format writes, and what it reads of ours."""

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from mayo.checkpoint import state_file

NAMES = st.text(st.characters(exclude_characters='/\0', exclude_categories=['Cs']), min_size=1).filter(
    lambda name: name not in ('.', '..')
)


@given(latest=NAMES, kept=st.lists(NAMES, max_size=4), ascii_only=st.booleans())
def test_names_that_tensorflow_writes_are_read(latest: str, kept: list[str], ascii_only: bool) -> None:
    state = CheckpointState(
        model_checkpoint_path=f'/net/{latest}',
        all_model_checkpoint_paths=[f'/net/{name}' for name in kept],
        all_model_checkpoint_timestamps=[1.5] * len(kept),
    )
    content = text_format.MessageToString(state, as_utf8=not ascii_only).encode()
    assert state_file.parse(content) == (latest, kept, False)


@given(latest=st.none() | NAMES, kept=st.lists(NAMES, max_size=4))
def test_names_that_we_write_are_read_by_tensorflow_and_by_us(latest: str | None, kept: list[str]) -> None:
    text = state_file.text(latest, kept)
    state = text_format.Parse(text, CheckpointState())
    assert (state.model_checkpoint_path, list(state.all_model_checkpoint_paths)) == (latest or '', kept)
    assert state_file.parse(text.encode()) == (latest, kept, False)


@pytest.mark.parametrize(
    ('text', 'latest'),
    [
        (r'model_checkpoint_path: "D:\\work\\net\\model.ckpt-9"', 'model.ckpt-9'),
        (r'model_checkpoint_path: "\\\\server\\net\\model.ckpt-9"', 'model.ckpt-9'),
        (r'''model_checkpoint_path: "/home/it\'s here/model.ckpt-9"''', 'model.ckpt-9'),
        (r"""model_checkpoint_path: '/a/say "x"'""", 'say "x"'),
        (r'model_checkpoint_path: "a\\b"', r'a\b'),
        (r'model_checkpoint_path: "caf\303\251-1"', 'café-1'),
        (r'model_checkpoint_path: "caf\xc3\xa9\61"', 'café1'),
        ('model_checkpoint_path: "caf\\u00e9-1"', 'café-1'),
        ('model_checkpoint_path: "caf\u00e9-1"', 'café-1'),
        ('model_checkpoint_path:"two"\n  "parts"', 'twoparts'),
        ('# model_checkpoint_path: "old"\nmodel_checkpoint_path : "new"', 'new'),
        ('last_preserved_timestamp: 1.5, model_checkpoint_path: "a"; other { x: "model_checkpoint_path: \'b\'" }', 'a'),
        ('', None),
        ('model_checkpoint_path: "cut of', None),
    ],
)
def test_the_format_is_read_in_full(text: str, latest: str | None) -> None:
    assert state_file.parse(text.encode()).latest == latest


@given(st.binary(max_size=300))
def test_any_bytes_are_a_state_or_none(content: bytes) -> None:
    state_file.parse(content)
    state_file.parse(b'model_checkpoint_path: "' + content + b'"')
