"""Gates: which channels of a convolution an image needs. Adding a policy is adding a file here (mayo/layers/policy.py)."""
