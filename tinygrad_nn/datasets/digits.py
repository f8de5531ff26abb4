"""Handwritten digits: 1,797 real images of 8 x 8 pixels, bundled with the package (45 KB).

Credit: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49. Licence: Creative Commons Attribution 4.0
International (CC BY 4.0). What was changed for this copy is written in DIGITS_LICENSE.md, beside
this file.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinygrad_nn.datasets._arguments import random_state, whole_number
from tinygrad_nn.errors import DataError

_FILE = Path(__file__).with_name("digits.npz")
_FILE_BYTES = 45394
_FILE_SHA256 = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"

_WHITEST = 16  # a pixel counts the dots that are on in a block of 4 x 4


@dataclass(frozen=True, eq=False)
class Digits:
    """The data set as arrays, one row per image, N = 1,797.

    images: (N, 8, 8) uint8, dots on per block, 0..16 (0 is background), for drawing;
    X: (N, 64) float64, the same pixels row by row, scaled to 0..1, for computing;
    y: (N,) int64, the digit that was written, 0..9.
    """

    images: NDArray[np.uint8]
    X: NDArray[np.float64]
    y: NDArray[np.int64]

    def split(
        self, held_out: int = 360, seed: int | np.random.RandomState | None = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return `(X_train, y_train, X_test, y_test)`, shuffled, `held_out` samples for the test.

        `seed` is an int, a `numpy.random.RandomState`, or None for NumPy's global legacy stream.
        The four arrays are copies. Raises DataError unless at least one sample is left on either
        side.

        >>> X_train, y_train, X_test, y_test = digits().split(held_out=360)
        >>> X_train.shape, y_test.shape
        ((1437, 64), (360,))
        """
        held_out = whole_number("held_out", held_out, 1, len(self.y) - 1)
        order = random_state(seed).permutation(len(self.y))
        test, train = order[:held_out], order[held_out:]
        return self.X[train], self.y[train], self.X[test], self.y[test]


def digits() -> Digits:
    """Return the 1,797 handwritten digits, fresh arrays at every call.

    They are the test part of the published set (13 writers, none of whom wrote for the training
    part), the same that scikit-learn has as `load_digits`.

    Raises DataError if the bundled file is missing, cut off or altered.

    Source and licence: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten
    Digits, UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0.

    >>> data = digits()
    >>> data.images.shape, data.X.shape, data.y[:4].tolist()
    ((1797, 8, 8), (1797, 64), [0, 1, 2, 3])
    """
    with np.load(io.BytesIO(_verified_bytes(_FILE)), allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Digits(
        images=images,
        X=images.reshape(len(images), -1) / _WHITEST,
        y=labels.astype(np.int64),
    )


def _verified_bytes(path: Path) -> bytes:
    """Return the content of the digits file at `path`, or raise DataError if it is not the one.

    The checksum is compared before anything is parsed: a damaged archive can fail in a dozen ways,
    or decode to other numbers.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error
    if len(content) < _FILE_BYTES:
        raise _damaged(path, f"it is cut off: {len(content)} of {_FILE_BYTES} bytes")
    came = hashlib.sha256(content).hexdigest()
    if came != _FILE_SHA256:
        raise _damaged(path, f"its content is different: SHA-256 {came} instead of {_FILE_SHA256}")
    return content


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(
        "digits needs the file of images that is bundled with tinygrad_nn\n"
        f"  {path}\n"
        f"  {fault}\n"
        "  installing tinygrad_nn again brings it back"
    )
