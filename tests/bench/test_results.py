"""The script that writes docs/results.md: every command runs, and the page says what the records do."""

import importlib.util
import json
import pathlib
from typing import Any

import pytest

from mayo.actions.checks import problems

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = 'Trained with care.'


@pytest.fixture(scope='module')
def script() -> Any:
    spec: Any = importlib.util.spec_from_file_location('results', ROOT / 'benchmarks' / 'results.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(top1: float, executed: int) -> dict[str, Any]:
    return {
        'top1': {'test': top1, 'held out': top1 + 0.01},
        'top5': {'test': 0.99, 'held out': 0.99},
        'dense': 174_000_000,
        'macs': 2 * executed,
        'executed': executed,
        'turnover': 0.0394,
    }


def test_every_network_is_one_that_can_be_built(script: Any) -> None:
    for network in script.NETWORKS:
        config = script.config_of(network, script.DATASETS['test'])
        config.merge_word('system.checkpoint.load=null')
        assert problems(config, 'info') == []


def test_a_row_says_what_is_lost_what_it_costs_and_how_long_it_takes(script: Any) -> None:
    records = {'dense': record(0.9, 174_000_000) | {'turnover': None}, 'FBS, density 0.5': record(0.895, 44_155_840)}
    script.add_times(records, {'dense': {'native': 3.0, 'openvino': 2.0}, 'FBS, density 0.5': {'native': 1.0}})
    lines = script.page(records, TEXT).splitlines()
    assert '| dense | 90.00 % | 99.00 % |  | 91.00 % |  | 348.0M | 174.0M | 1.50 | 91.37 % | 174M |' in lines
    assert '| FBS, density 0.5 | 89.50 % | 99.00 % | 0.50 | 90.50 % | 0.039 | 88.3M | 44.2M | 0.50 | 90.54 % | 57M |' in lines
    assert lines[-1] == TEXT


def test_a_network_that_was_not_timed_again_keeps_its_fraction(script: Any) -> None:
    records = {'dense': record(0.9, 174_000_000), 'FBS, density 0.3': record(0.9, 16_800_000) | {'latency': 0.94}}
    script.add_times(records, {'dense': {'native': 30.0, 'openvino': 20.0}})
    assert [records[label]['latency'] for label in records] == [1.5, 0.94]
    lines = script.page(records, TEXT).splitlines()
    assert [line.split(' | ')[8] for line in lines if line.startswith(('| dense', '| FBS'))] == ['1.50', '0.94 *']


def test_the_page_is_that_of_the_records(script: Any) -> None:
    text = script.PAGE.read_text(encoding='utf-8')
    assert text == script.page(json.loads(script.RECORDS.read_text()), text.partition(script.BY_HAND)[2])
