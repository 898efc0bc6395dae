"""Files as PyTorch writes them, with the same few tensors: run by a Python that has torch and safetensors.

    python tests/golden/torch/make.py

weights.pth, old.pth        a state_dict, in the zip and in the format before it
training.pth                a checkpoint of a training: the tensors, those of a moving average, an optimizer's, and its settings
module.pth                  a network pickled whole, which is not read
weights.safetensors         the tensors again
expected.npz                the tensors as NumPy has them
"""

import argparse
import collections
import pathlib

import numpy as np
import torch  # type: ignore[import-not-found]
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def main() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(2, 4, (3, 1)),
            norm=torch.nn.BatchNorm2d(4),
            apart=torch.nn.Conv2d(4, 8, 3, groups=4, bias=False),
            fc=torch.nn.Linear(8, 3),
        )
    )
    network[:2](torch.randn(4, 2, 5, 3))
    tensors = network.state_dict()
    base = torch.arange(24.0)
    kinds = {
        'turned': base.reshape(4, 6).T,  # a view with its own strides, offset and storage
        'part': base.reshape(4, 6)[1:3, 2:4],
        'scalar': torch.tensor(2.5),
        'empty': torch.zeros(0, 3),
        **{
            str(dtype).removeprefix('torch.'): torch.tensor([1, 0, 2]).to(dtype)
            for dtype in (torch.float64, torch.float16, torch.bfloat16)
        },
        **{
            f'_{dtype}'.replace('torch.', ''): torch.tensor([1, 0, 2]).to(dtype)
            for dtype in (torch.int64, torch.uint8, torch.bool)
        },
    }
    everything = collections.OrderedDict(tensors) | kinds
    torch.save(everything, HERE / 'weights.pth')
    torch.save(everything, HERE / 'old.pth', _use_new_zipfile_serialization=False)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    training = {
        'epoch': 3,
        'model': torch.nn.DataParallel(network).state_dict(),
        'model_ema': {f'module.{name}': value + 1 for name, value in tensors.items() if value.is_floating_point()},
        'optimizer': optimizer.state_dict(),
        'best': np.float64(0.5),
        'args': argparse.Namespace(lr=0.1, device=torch.device('cpu'), dtype=torch.float32, output=pathlib.Path('runs')),
    }
    torch.save(training, HERE / 'training.pth')
    torch.save(network, HERE / 'module.pth')
    save_file({name: value.contiguous() for name, value in everything.items()}, HERE / 'weights.safetensors', {'format': 'pt'})
    np.savez(HERE / 'expected.npz', **{name: value.float().numpy() for name, value in everything.items()})


if __name__ == '__main__':
    main()
