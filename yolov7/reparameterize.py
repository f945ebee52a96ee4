"""Fold what training needs and inference does not: batch normalisation, implicit knowledge, RepConv's branches."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from yolov7.blocks import Conv, RepConv
from yolov7.head import DetectionHead
from yolov7.model import DetectionModel


def fuse(model: DetectionModel) -> DetectionModel:
    """A copy of the model in evaluation mode with the same outputs and fewer layers; the original stays as it is."""
    fused = copy.deepcopy(model).eval()
    with torch.no_grad():
        for module in fused.modules():
            if isinstance(module, Conv):
                _fuse_conv(module)
            elif isinstance(module, RepConv):
                _fuse_rep_conv(module)
            elif isinstance(module, DetectionHead):
                _fuse_implicit(module)
    return fused.requires_grad_(False)


def fold_batch_norm(weight: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of the convolution that does ``bn(conv(x))``."""
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    return weight * factor[:, None, None, None], bn.bias - bn.running_mean * factor


def _fuse_conv(module: Conv) -> None:
    if not isinstance(module.bn, nn.BatchNorm2d):
        return
    weight, bias = fold_batch_norm(module.conv.weight, module.bn)
    module.conv = _convolution_like(module.conv, weight, bias)
    module.bn = nn.Identity()


def _fuse_rep_conv(module: RepConv) -> None:
    if module.rbr_reparam is not None:
        return
    dense, point = module.rbr_dense[0], module.rbr_1x1[0]
    weight, bias = fold_batch_norm(dense.weight, module.rbr_dense[1])
    point_weight, point_bias = fold_batch_norm(point.weight, module.rbr_1x1[1])
    weight, bias = weight + F.pad(point_weight, (1, 1, 1, 1)), bias + point_bias
    if module.rbr_identity is not None:
        same = torch.eye(len(weight)).to(weight)[:, :, None, None]
        same_weight, same_bias = fold_batch_norm(F.pad(same, (1, 1, 1, 1)), module.rbr_identity)
        weight, bias = weight + same_weight, bias + same_bias
    module.rbr_reparam = _convolution_like(dense, weight, bias)
    del module.rbr_dense, module.rbr_1x1, module.rbr_identity


def _fuse_implicit(head: DetectionHead) -> None:
    """im * (W (x + ia) + b) is a convolution with kernel im W and bias im (b + W ia)."""
    if head.ia is None or head.im is None:
        return
    for convolution, added, factor in zip(head.m, head.ia, head.im, strict=True):
        weight = convolution.weight[:, :, 0, 0]
        scale = factor.implicit.reshape(-1)
        convolution.bias.copy_(scale * (convolution.bias + weight @ added.implicit.reshape(-1)))
        convolution.weight.mul_(scale[:, None, None, None])
    head.ia = head.im = None


def _convolution_like(old: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    new = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding)  # type: ignore[arg-type]
    new = new.to(weight)
    new.weight.copy_(weight)
    new.bias.copy_(bias)
    return new
