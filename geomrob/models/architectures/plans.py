"""Widths and stems of published networks as plain numbers: read by the table of models, which needs no torch."""

from typing import Any

POOL = "M"
VGG11 = (64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
VGG16 = (64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 512, 512, 512, POOL, 512, 512, 512, POOL)
VGG19 = (64, 64, POOL, 128, 128, POOL, *[256] * 4, POOL, *[512] * 4, POOL, *[512] * 4, POOL)
SMALL = (16, 16, POOL, 32, 32, POOL, 64, 64, POOL)
"""The width of each convolution of a VGG, `POOL` for each pooling."""

IMAGENET: dict[str, Any] = {"stem_kernel": 7, "stem_stride": 2, "stem_pool": 3}
"""The stem of a ResNet for large images."""
