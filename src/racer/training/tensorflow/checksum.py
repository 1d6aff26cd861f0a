"""CRC-32C as TensorFlow stores it beside its tensors."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, bits reversed."""
MASK_OFFSET = 0xA282EAD8
"""What TensorFlow and LevelDB add to a checksum that is stored beside what it is of."""


def _remainders() -> NDArray[np.uint32]:
    """(256,) the remainder of each byte."""
    remainders = np.zeros(256, np.uint32)
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (POLYNOMIAL if remainder & 1 else 0)
        remainders[byte] = remainder
    return remainders


_REMAINDERS = _remainders()


@njit(cache=True)
def _crc32c(content: NDArray[np.uint8], remainders: NDArray[np.uint32]) -> int:
    crc = np.uint32(0xFFFFFFFF)
    for byte in content:
        crc = remainders[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return int(crc ^ np.uint32(0xFFFFFFFF))


def crc32c(content: bytes | bytearray | memoryview) -> int:
    """The checksum of some bytes.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return int(_crc32c(np.frombuffer(content, np.uint8), _REMAINDERS))


def masked_crc32c(content: bytes | bytearray | memoryview) -> int:
    """The checksum of some bytes as it is stored."""
    crc = crc32c(content)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return (rotated + MASK_OFFSET) & 0xFFFFFFFF
