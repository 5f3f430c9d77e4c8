"""An emulated CUDA device, to practise and to grade without a GPU.

``autograder.cuda.enable()`` gives torch a device ``cuda:0`` that exists in name only: the CPU
computes, autograd included, and tensors know where they are, refuse to mix and raise what real
CUDA raises. Where a real GPU is there it steps aside. Needs torch 2.4 or newer.
"""

from autograder.cuda.errors import NotEmulatedError
from autograder.cuda.switch import disable, emulated, enable, is_enabled

__all__ = ["NotEmulatedError", "disable", "emulated", "enable", "is_enabled"]
