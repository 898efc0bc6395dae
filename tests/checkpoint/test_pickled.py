"""Pickles read as data: what tensors need is read, anything else is refused, and nothing of either runs."""

import builtins
import os
import pathlib
import pickle
import pickletools
import struct
import time
import zipfile
from typing import Any

import pytest

from mayo.checkpoint import pickled, torch_file
from mayo.util.errors import UserError

CANARY: list[str] = []


def touch(*arguments: Any) -> None:
    """What a pickle that runs would call."""
    CANARY.append('ran')


class Reduced:
    """Calls what it is given when it is loaded."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


class Stateful:
    """Runs when its state is set."""

    def __setstate__(self, state: Any) -> None:
        touch()

    def __getstate__(self) -> dict[str, int]:
        return {'a': 1}


PLAIN = {'a': [1, -2, 3.5, 'text', b'bytes', None, True, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), 10**30], 'b': {'c': {}, 4: ()}}
PROTO = b'\x80\x02'


@pytest.mark.parametrize('protocol', range(6))
def test_plain_values_of_every_protocol_are_read(protocol: int) -> None:
    content = pickle.dumps(PLAIN | {'a': [item for item in PLAIN['a'] if protocol > 2 or item != b'bytes']}, protocol)
    assert pickled.read(content, {}, 'x')[0] == pickle.loads(content)


def test_a_value_that_stands_there_twice_is_one_and_a_circle_stays_one() -> None:
    circle: list[Any] = []
    circle.append(circle)
    value, end = pickled.read(pickle.dumps([circle, circle]) + b'behind', {}, 'x')
    assert value[0] is value[1] is value[0][0]
    assert end == len(pickle.dumps([circle, circle]))


def hostile() -> dict[str, bytes]:
    """Pickles that do harm where they are run, or take all there is."""
    calls = {
        'system': Reduced(os.system, ('echo ran',)),
        'eval': Reduced(builtins.eval, ('1 + 1',)),
        'getattr': Reduced(getattr, ('text', 'join')),
        'nested': {'weights': [(1, Reduced(touch, (Reduced(touch, ()),)))]},
        'state': Stateful(),
    }
    pickles = {f'{name}-{protocol}': pickle.dumps(value, protocol) for name, value in calls.items() for protocol in (2, 4)}
    deep = b')' + b'2\x86' * 60  # ((), ()) of itself and so on: 2^60 leaves
    return pickles | {
        'stack global': b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.',
        'names with dots': b'\x80\x04\x8c\x05torch\x8c\x10serialization.os\x93.',
        'instance': PROTO + b'(S"ls"\nios\nsystem\n.',
        'object': PROTO + b'(cos\nsystem\nX\x02\x00\x00\x00lso.',
        'extension': PROTO + b'\x82\x01.',
        'class with attributes': PROTO + b'ccollections\nOrderedDict\nN}X\x04\x00\x00\x00callK\x01s\x86b)R}.',
        'calls a number': PROTO + b'K\x01)R.',
        'calls a type': PROTO + b'ctorch\nFloatStorage\n)R.',
        'new object': PROTO + b'cos\nsystem\n)\x81.',
        'new object with keys': b'\x80\x04cos\nsystem\n)}\x92.',
        'memo': PROTO + b'Nr\xff\xff\xff\x7f0.',
        'reserves': b'\x80\x05\x96' + struct.pack('<Q', 1 << 62) + b'a.',
        'long text': b'\x80\x04\x8d' + struct.pack('<Q', 1 << 61) + b'a.',
        'long bytes': b'\x80\x04\x8e' + struct.pack('<Q', 1 << 40) + b'a.',
        'long number': PROTO + b'\x8b\xff\xff\xff\x7f\x01.',
        'digits': b'I' + b'9' * 100_000 + b'\n.',
        'a key that takes forever': PROTO + b'}' + deep + b'K\x01s.',
        'pairs with such a key': PROTO + b'ccollections\nOrderedDict\n]' + deep + b'K\x01\x86a\x85R.',
        'another file': PROTO + b'Pname\n.',
        'empty': b'',
        'no end': PROTO + b'}',
        'pops from nothing': PROTO + b'0.',
        'marks that are not there': PROTO + b't.',
        'unknown memo': PROTO + b'h\x05.',
        'items for a number': PROTO + b'K\x01(K\x01K\x02u.',
        'noise': bytes(range(256)),
    }


@pytest.mark.parametrize('name', hostile())
@pytest.mark.parametrize('around', ['alone', 'old', 'zip'])
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(
    name: str, around: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file alone, as the tensors of an old file, and inside a zip."""
    content = hostile()[name]
    path = tmp_path / 'evil.pth'
    if around == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('evil/data.pkl', content)
    else:
        head = b''.join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}))
        path.write_bytes(content if around == 'alone' else head + content + pickle.dumps([], 2))
    CANARY.clear()
    for ran in ('system', 'popen'):
        monkeypatch.setattr(os, ran, touch)
    monkeypatch.setattr(pickle, 'loads', touch)
    start = time.process_time()
    with pytest.raises(UserError, match=r'evil\.pth: '):
        torch_file.read(path)
    assert CANARY == []
    assert time.process_time() - start < 30  # not the age of the universe
    assert torch_file._KNOWN['collections.OrderedDict'].call() == {}  # nothing that a later file needs was changed


def test_too_many_instructions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled, '_MOST', 100)
    with pytest.raises(UserError, match='x: the pickle has more than 100 instructions, which no file of weights needs'):
        pickled.read(pickle.dumps(list(range(200))), {}, 'x')


def test_the_message_says_what_is_named_and_what_to_do() -> None:
    with pytest.raises(UserError) as error:
        pickled.read(pickle.dumps(os.system), {}, 'net.pth')
    assert str(error.value) == (
        'net.pth: the pickle names posix.system, which is no part of a tensor; only tensors are read, and nothing of the file was run. '
        'Of a network in PyTorch, save its state_dict().'
    )


def test_only_these_instructions_are_carried_out() -> None:
    """Those that import, reserve memory or write attributes are not among them."""
    machine = pickled._Machine({}, None)
    refused = set()
    for opcode in pickletools.opcodes:
        try:
            machine.do(opcode.name, None)
        except pickled.Refused as error:
            if 'the instruction' in str(error):
                refused.add(opcode.name)
        except Exception:  # an instruction that is known, and has nothing to work on here
            pass
    assert refused == {
        'BYTEARRAY8', 'NEXT_BUFFER', 'READONLY_BUFFER', 'INST', 'OBJ', 'NEWOBJ_EX', 'EXT1', 'EXT2', 'EXT4', 'PERSID', 'STOP',
    }  # fmt: skip


def test_a_pickle_cut_anywhere_or_with_a_byte_changed_is_read_or_refused() -> None:
    content = pickle.dumps(PLAIN, 4)
    for place in range(len(content)):
        for changed in (content[:place], content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]):
            try:
                value, end = pickled.read(changed, {}, 'x')
            except UserError:
                continue
            assert end <= len(changed)
            assert repr(value)
