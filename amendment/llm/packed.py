"""Models on a CPU: the number of threads, and faster products of frozen linear layers by oneDNN.

PyTorch multiplies 32-bit matrices by MKL, which leaves half of the speed of AMD's processors unused. Results differ
from MKL's in the last digits. Not covered: weights that are trained, other precisions, layers other than `nn.Linear`;
they stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from amendment.llm.memory import whole_bytes

SMALL = 20_000_000
"""Parameters below which nothing is gained, neither by this nor by a second thread."""
SHARE = 4
"""The copies of the weights take at most one in so many bytes of the machine's memory. What happens to be free does not
count: a training that goes on after a kill would go another way."""


def cores() -> int:
    """Return cores that this process may run on, or fewer by `OMP_NUM_THREADS`."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(allowed, int(limit)) if limit.isdecimal() and int(limit) else allowed


def threads_for(model: Any) -> int:
    """Return the number of threads that a model on a CPU runs with: one for a small model, else one for each core."""
    return cores() if sum(parameter.numel() for parameter in model.parameters()) >= SMALL else 1


class _Product(torch.autograd.Function):
    """`x @ weight.T + bias`, with a gradient for x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, linear: Any) -> Tensor:
        ctx.linear = linear
        return _multiply(x, linear.packed, linear.bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        linear = ctx.linear
        if linear.packed_back is None:
            linear.packed_back = _pack(linear.weight.detach().T.contiguous())
        return _multiply(grads[0], linear.packed_back, None), None


@contextmanager
def packed(model: Any) -> Iterator[None]:
    """Train with a model's frozen layers packed; afterwards its weights may be changed."""
    layers = pack_frozen(model, copies=2)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward, layer.packed, layer.packed_back


def pack_frozen(model: Any, *, copies: int = 1) -> list[Any]:
    """Give every frozen linear layer of a model in memory a faster product, if the model is not small, lies on a CPU in
    32 bits, and the machine has memory for so many more copies of its weights. Returns these layers. Their weights must
    not change from now on; what is saved and shown stays as it is."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if model.device.type != "cpu" or not has_onednn:
        return []
    layers = [
        layer
        for layer in model.modules()
        if type(layer) is nn.Linear
        and not (layer.weight.requires_grad or "packed" in vars(layer))
        and layer.weight.dtype == torch.float32
    ]
    size = sum(layer.weight.numel() for layer in layers)
    if size < SMALL or 4 * size * copies > whole_bytes() // SHARE:
        return []
    for layer in layers:
        vars(layer).update(packed=_pack(layer.weight.detach()), packed_back=None)
        layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]
    return layers


def _forward(layer: Any, x: Tensor) -> Tensor:
    if x.dtype != torch.float32:
        return nn.functional.linear(x, layer.weight, layer.bias)
    if torch.is_grad_enabled() and x.requires_grad:
        return _Product.apply(x, layer)  # type: ignore[no-any-return, no-untyped-call]
    return _multiply(x, layer.packed, layer.bias)


def _pack(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    return packed


def _multiply(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return product
