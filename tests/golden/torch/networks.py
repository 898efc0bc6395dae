"""Networks of torchvision with random weights: run by a Python that has torch and torchvision.

    python tests/golden/torch/networks.py FOLDER resnet18 ...

writes FOLDER/NAME.pth, the state_dict(), and FOLDER/NAME.npz with two images [2, H, W, 3] and their logits.
"""

import pathlib
import sys

import numpy as np
import torch  # type: ignore[import-not-found]
import torchvision  # type: ignore[import-not-found]

_WITHOUT = {'transform_input': False, 'init_weights': False}  # of those with auxiliary classifiers


def main(folder: str, *names: str) -> None:
    torch.manual_seed(0)
    for name in names:
        options = _WITHOUT if name in ('googlenet', 'inception_v3') else {}
        network = getattr(torchvision.models, name)(weights=None, **options).eval()
        for layer in network.modules():
            randomize(layer)
        side = 299 if name == 'inception_v3' else 224
        images = torch.randn(2, 3, side, side)
        with torch.no_grad():
            logits = network(images)
        torch.save(network.state_dict(), pathlib.Path(folder, f'{name}.pth'))
        np.savez(pathlib.Path(folder, f'{name}.npz'), images=images.permute(0, 2, 3, 1).numpy(), logits=logits.numpy())


@torch.no_grad()
def randomize(layer: torch.nn.Module) -> None:
    """Weights that keep the scale of what passes, and batch norms that have learnt something."""
    if isinstance(layer, torch.nn.BatchNorm2d):
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.normal_(0, 0.1)
        layer.running_mean.normal_(0, 0.1)
        layer.running_var.uniform_(0.5, 1.5)
    elif isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
        layer.weight.normal_(0, (2 / layer.weight[0].numel()) ** 0.5)
        if layer.bias is not None:
            layer.bias.normal_(0, 0.1)


if __name__ == '__main__':
    main(*sys.argv[1:])
