"""What pyproject.toml cannot say: where the engine is compiled, and which files ship in `mayo/shelf`."""

import pathlib
import runpy
import shutil

from setuptools import setup
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

# The native engine, of the package that is also a wheel of its own.
ENGINE = runpy.run_path(str(ROOT / 'mayo_runtime/extension.py'))['engine']('mayo_runtime')


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
