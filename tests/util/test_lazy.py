"""Modules that are imported when first used."""

import subprocess
import sys

import pytest

from mayo.util.lazy import lazy


def test_a_module_is_imported_by_its_first_use_only() -> None:
    code = (
        "import sys; from mayo.util.lazy import lazy; m = lazy('colorsys'); assert 'colorsys' not in sys.modules; "
        "print(m.rgb_to_hsv(0, 0, 1)[2], 'colorsys' in sys.modules)"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '1 True\n'


def test_an_imported_module_is_returned_as_it_is() -> None:
    assert lazy('sys') is sys


def test_what_the_module_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = lazy('colorsys').nothing
