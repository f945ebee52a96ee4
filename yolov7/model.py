"""YOLOv7's networks as numbered layer lists; ``model.{i}`` in a state dict is layer i of the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from yolov7.blocks import SPPCSPC, Concat, Conv, RepConv
from yolov7.head import DetectionHead

FULL_ANCHORS = (
    *((12, 16), (19, 36), (40, 28)),
    *((36, 75), (76, 55), (72, 146)),
    *((142, 110), (192, 243), (459, 401)),
)
TINY_ANCHORS = (
    *((10, 13), (16, 30), (33, 23)),
    *((30, 61), (62, 45), (59, 119)),
    *((116, 90), (156, 198), (373, 326)),
)


class DetectionModel(nn.Module):
    """A layer list whose last layer is the head.

    forward: images (B, 3, H, W) in [0, 1], H and W multiples of 32, to the head's three raw predictions
    (B, 3, H / s, W / s, 5 + nc) for s = 8, 16, 32; the same in training and evaluation.
    """

    def __init__(self, layers: Sequence[nn.Module], sources: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.model = nn.ModuleList(layers)
        self.sources = tuple(sources)
        self._kept = {source for source_list in self.sources for source in source_list}

    @property
    def head(self) -> DetectionHead:
        """The last layer."""
        return self.model[-1]  # type: ignore[return-value]

    def forward(self, x: Tensor) -> list[Tensor]:
        if x.shape[-2] % 32 or x.shape[-1] % 32:
            raise ValueError(
                f"height and width must be multiples of 32, got {tuple(x.shape[-2:])}: letterbox the image"
            )
        outputs: dict[int, Tensor] = {-1: x}
        for index, layer in enumerate(self.model[:-1]):
            result = layer(*(outputs[source] for source in self.sources[index]))
            if index in self._kept:
                outputs[index] = result
        return self.head([outputs[source] for source in self.sources[-1]])


class _LayerList:
    """Collects layers and where each reads from; the methods return the new layer's index (-1 is the image)."""

    def __init__(self, activation: Callable[[], nn.Module]) -> None:
        self.activation = activation
        self.layers: list[nn.Module] = []
        self.sources: list[tuple[int, ...]] = []
        self.channels: dict[int, int] = {-1: 3}

    def add(self, layer: nn.Module, channels: int, *sources: int) -> int:
        index = len(self.layers)
        self.layers.append(layer)
        self.sources.append(sources)
        self.channels[index] = channels
        return index

    def conv(self, source: int, channels: int, kernel: int = 1, stride: int = 1) -> int:
        layer = Conv(self.channels[source], channels, kernel, stride, self.activation())
        return self.add(layer, channels, source)

    def concat(self, *sources: int) -> int:
        return self.add(Concat(), sum(self.channels[source] for source in sources), *sources)

    def pool(self, source: int, kernel: int = 2, stride: int = 2) -> int:
        padding = kernel // 2 if stride == 1 else 0
        return self.add(nn.MaxPool2d(kernel, stride, padding), self.channels[source], source)

    def upsample(self, source: int) -> int:
        return self.add(nn.Upsample(scale_factor=2, mode="nearest"), self.channels[source], source)

    def elan(self, source: int, wide: int, hidden: int, out: int, depth: int, every: int = 1) -> int:
        """Efficient layer aggregation: two parallel 1x1, ``depth`` 3x3 on the second; concatenates the last 3x3 and
        each ``every``-th before it, then the 1x1s, latest first; then 1x1."""
        first, second = self.conv(source, wide), self.conv(source, wide)
        chain = [second]
        for _ in range(depth):
            chain.append(self.conv(chain[-1], hidden, 3))
        return self.conv(self.concat(*chain[:0:-every], second, first), out)

    def down(self, source: int, channels: int, *laterals: int) -> int:
        """Halve the size by max-pooling and by a strided convolution, concatenated with the laterals."""
        pooled = self.conv(self.pool(source), channels)
        strided = self.conv(self.conv(source, channels), channels, 3, 2)
        return self.concat(strided, pooled, *laterals)

    def up(self, source: int, lateral: int, channels: int) -> int:
        """Double the size and concatenate with the lateral's 1x1."""
        upsampled = self.upsample(self.conv(source, channels))
        return self.concat(self.conv(lateral, channels), upsampled)

    def detector(self, features: Sequence[int], classes: int, anchors: Sequence, implicit: bool) -> DetectionModel:
        head = DetectionHead([self.channels[k] for k in features], classes, anchors, implicit)
        self.add(head, 0, *features)
        return DetectionModel(self.layers, self.sources)


def yolov7_tiny(
    classes: int, anchors: Sequence[tuple[float, float]] = TINY_ANCHORS, implicit: bool = True
) -> DetectionModel:
    """YOLOv7-tiny: 6.0 M parameters, LeakyReLU, head at layer 77."""
    net = _LayerList(lambda: nn.LeakyReLU(0.1, inplace=True))
    x = net.conv(net.conv(-1, 32, 3, 2), 64, 3, 2)
    x = net.elan(x, 32, 32, 64, depth=2)
    c3 = net.elan(net.pool(x), 64, 64, 128, depth=2)
    c4 = net.elan(net.pool(c3), 128, 128, 256, depth=2)
    c5 = net.elan(net.pool(c4), 256, 256, 512, depth=2)
    bypass, x = net.conv(c5, 256), net.conv(c5, 256)
    small, medium, large = (net.pool(x, kernel, 1) for kernel in (5, 9, 13))
    x = net.conv(net.concat(large, medium, small, x), 256)
    p5 = net.conv(net.concat(x, bypass), 256)
    p4 = net.elan(net.up(p5, c4, 128), 64, 64, 128, depth=2)
    p3 = net.elan(net.up(p4, c3, 64), 32, 32, 64, depth=2)
    n4 = net.elan(net.concat(net.conv(p3, 128, 3, 2), p4), 64, 64, 128, depth=2)
    n5 = net.elan(net.concat(net.conv(n4, 256, 3, 2), p5), 128, 128, 256, depth=2)
    features = [net.conv(p3, 128, 3), net.conv(n4, 256, 3), net.conv(n5, 512, 3)]
    return net.detector(features, classes, anchors, implicit)


def yolov7_full(
    classes: int, anchors: Sequence[tuple[float, float]] = FULL_ANCHORS, implicit: bool = True
) -> DetectionModel:
    """YOLOv7: 37 M parameters, SiLU, SPPCSPC at layer 51, head at layer 105."""
    net = _LayerList(nn.SiLU)
    x = net.conv(net.conv(-1, 32, 3), 64, 3, 2)
    x = net.conv(net.conv(x, 64, 3), 128, 3, 2)
    x = net.elan(x, 64, 64, 256, depth=4, every=2)
    c3 = net.elan(net.down(x, 128), 128, 128, 512, depth=4, every=2)
    c4 = net.elan(net.down(c3, 256), 256, 256, 1024, depth=4, every=2)
    c5 = net.elan(net.down(c4, 512), 256, 256, 1024, depth=4, every=2)
    p5 = net.add(SPPCSPC(net.channels[c5], 512), 512, c5)
    p4 = net.elan(net.up(p5, c4, 256), 256, 128, 256, depth=4)
    p3 = net.elan(net.up(p4, c3, 128), 128, 64, 128, depth=4)
    n4 = net.elan(net.down(p3, 128, p4), 256, 128, 256, depth=4)
    n5 = net.elan(net.down(n4, 256, p5), 512, 256, 512, depth=4)
    features = [net.add(RepConv(net.channels[k], 2 * net.channels[k]), 2 * net.channels[k], k) for k in (p3, n4, n5)]
    return net.detector(features, classes, anchors, implicit)
