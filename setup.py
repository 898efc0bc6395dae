"""What pyproject.toml cannot say: how the engine is compiled, and which files ship in `mayo/shelf`."""

import os
import pathlib
import shutil

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).resolve().parent

# What ships beside the code, by name: folders of data and checkpoints also hold what users make in them.
SHELF = (
    'models/**/*.yaml',
    'datasets/*.yaml',
    'trainers/*.yaml',
    'datasets/fashion_mnist/test.tfrecord',
    'datasets/fashion_mnist/labels.txt',
    'datasets/cifar10/labels.txt',
    'datasets/fashion_mnist/LICENSE',
    'datasets/imagenet/synsets.txt',
    'checkpoints/cifarnet/fashion_mnist/pretrained.*',
    'checkpoints/cifarnet/fashion_mnist/gate50.*',
    'checkpoints/cifarnet/cifar10/pretrained.*',
    'checkpoints/cifarnet/cifar10/gate[357]0.*',
)

# The native engine. `optional`: without a compiler the package does without it, and compact networks run in TensorFlow.
# MAYO_WERROR=1: what the compiler warns of is an error, for those who work on it; other people's compilers may know more warnings.
# MAYO_SANITIZE=1: what is built looks for memory errors and undefined behaviour while it runs; see `make test-sanitize`.
NATIVE = 'mayo/net/tf/compact/native/'
STRICT = ['-Wall', '-Wextra', '-Werror'] if os.environ.get('MAYO_WERROR') else []
SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] if os.environ.get('MAYO_SANITIZE') else []
OPTIMIZED = ['-O1', '-g1', '-fno-omit-frame-pointer'] if SANITIZERS else ['-O3']
ENGINE = Extension(
    NATIVE.replace('/', '.') + 'engine',
    [
        *(f'{NATIVE}{name}.c' for name in ('engine', 'team', 'plain', 'avx2', 'avx512')),
        *(f'{NATIVE}dot_{name}.c' for name in ('plain', 'avx2', 'avxvnni', 'avx512', 'vnni', 'amx')),
    ],
    optional=not STRICT,
    depends=[
        NATIVE + name for name in ('engine.h', 'frame.h', 'run.h', 'narrow.h', 'dot.h', 'dot_rows.h', 'dot_gather.h', 'team.h')
    ],
    extra_compile_args=[
        *OPTIMIZED,
        '-std=gnu11',
        '-pthread',
        '-fno-math-errno',
        '-fno-trapping-math',
        '-ffp-contract=fast',
        '-Wno-psabi',
        *STRICT,
        *SANITIZERS,
    ],
    extra_link_args=['-pthread', *SANITIZERS],
)


class BuildWithShelf(build_py):
    """Copies the shelf into the built package, where `mayo.util.files` looks for it when installed."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self._shelf():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode=True):
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._shelf())]

    def _shelf(self):
        shelf = pathlib.Path(self.build_lib, 'mayo', 'shelf')
        sources = (path for pattern in SHELF for path in sorted(ROOT.glob(pattern)))
        return [(source, shelf / source.relative_to(ROOT)) for source in sources]


setup(ext_modules=[ENGINE], cmdclass={'build_py': BuildWithShelf})
