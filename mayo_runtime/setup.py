"""The wheel of mayo_runtime alone: `pip wheel ./mayo_runtime`. Its version is Mayo's."""

import pathlib
import re
import runpy

from setuptools import setup

HERE = pathlib.Path(__file__).resolve().parent
VERSION = re.search(r"__version__ = '([^']+)'", (HERE / '__init__.py').read_text(encoding='utf-8'))
assert VERSION is not None

setup(version=VERSION[1], ext_modules=[runpy.run_path(str(HERE / 'extension.py'))['engine']('.')])
