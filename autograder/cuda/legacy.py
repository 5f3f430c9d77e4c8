"""The tensor types of torch's first years: ``torch.cuda.FloatTensor`` and its like."""

from __future__ import annotations

from typing import Any, Final

import torch

from autograder.cuda.patches import Patches
from autograder.cuda.placement import index_of

_DTYPES: Final = {
    "BFloat16Tensor": torch.bfloat16,
    "BoolTensor": torch.bool,
    "ByteTensor": torch.uint8,
    "CharTensor": torch.int8,
    "DoubleTensor": torch.float64,
    "FloatTensor": torch.float32,
    "HalfTensor": torch.float16,
    "IntTensor": torch.int32,
    "LongTensor": torch.int64,
    "ShortTensor": torch.int16,
}


class _OnCuda(type):
    """Types that tensors on an emulated device with a certain dtype are of."""

    dtype: torch.dtype

    def __instancecheck__(cls, instance: object) -> bool:
        if not isinstance(instance, torch.Tensor):
            return False
        return index_of(instance) >= 0 and instance.dtype == cls.dtype

    def __call__(cls, *args: Any) -> torch.Tensor:
        """A tensor with the numbers of a sequence, or with a shape and any numbers."""
        if len(args) == 1 and not isinstance(args[0], (int, torch.Size)):
            return torch.as_tensor(args[0], dtype=cls.dtype).cuda()
        shape = args[0] if args and isinstance(args[0], torch.Size) else args
        return torch.empty(shape, dtype=cls.dtype, device="cuda")


def install(patches: Patches) -> None:
    """Put the types in the place of torch's, which do not know the emulated tensors."""
    for name, dtype in _DTYPES.items():
        kind = _OnCuda(name, (), {"__module__": "torch.cuda", "dtype": dtype, "is_cuda": True})
        patches.replace(torch.cuda, name, kind)
