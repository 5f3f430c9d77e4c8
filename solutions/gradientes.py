"""Reference solutions of the assignment ``gradientes``.

Shapes: ``x`` (n,) or (batch, n), ``w`` (n, m), ``b`` (m,), ``y`` and ``z`` (m,) or (batch, m).
"""

import torch


def logits(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The layer's output z = x·w + b."""
    return x @ w + b


def loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with logits, the mean over all elements: a 0-dim tensor."""
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y)


def gradients(
    x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss's gradients with respect to ``w`` and ``b``, by autograd.

    The arguments may or may not require grad; their ``.grad`` stays as it was.
    """
    free_w, free_b = (t.detach().clone().requires_grad_() for t in (w, b))
    dw, db = torch.autograd.grad(loss(logits(x.detach(), free_w, free_b), y), (free_w, free_b))
    return dw, db


def manual_gradients(
    x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same without autograd: with e = (σ(z) − y) / elements, dw = xᵀ·e and db = Σ e."""
    z = x @ w + b
    error = (torch.sigmoid(z) - y) / z.numel()
    if x.dim() == 1:
        return torch.outer(x, error), error
    return x.T @ error, error.sum(dim=0)
