"""The data sets: the published numbers, the streams they are drawn from, and damaged files."""

import numpy as np
import pytest

from tinygrad_nn.datasets import digits, spiral, toy, toy_parameters
from tinygrad_nn.datasets.digits import _FILE, _verified_bytes
from tinygrad_nn.errors import DataError, TinygradError


@pytest.fixture
def global_stream():
    """Let a test seed NumPy's global stream, and put it back afterwards."""
    state = np.random.get_state()  # noqa: NPY002
    yield np.random
    np.random.set_state(state)  # noqa: NPY002


def spiral_as_published(N, K):
    """The case study's own loop, on NumPy's global stream."""
    X = np.zeros((N * K, 2))
    y = np.zeros(N * K, dtype="uint8")
    for j in range(K):
        ix = range(N * j, N * (j + 1))
        r = np.linspace(0.0, 1, N)
        t = np.linspace(j * 4, (j + 1) * 4, N) + np.random.randn(N) * 0.2  # noqa: NPY002
        X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
        y[ix] = j
    return X, y


@pytest.mark.parametrize(("N", "K"), [(100, 3), (7, 5), (1, 1)])
def test_spiral_is_the_published_data_to_the_last_bit(global_stream, N, K):
    global_stream.seed(0)
    expected_X, expected_y = spiral_as_published(N, K)
    X, y = spiral(N, K, seed=0)
    np.testing.assert_array_equal(X, expected_X)
    np.testing.assert_array_equal(y, expected_y)
    assert (X.dtype, y.dtype) == (np.float64, np.int64)


def test_spiral_starts_every_arm_in_the_centre_and_ends_it_on_the_unit_circle():
    X, y = spiral(50, 4)
    radius = np.hypot(X[:, 0], X[:, 1]).reshape(4, 50)
    np.testing.assert_allclose(radius, np.tile(np.linspace(0, 1, 50), (4, 1)), atol=1e-15)
    assert np.bincount(y).tolist() == [50] * 4


# An odd number of points leaves half a pair of normal draws in the stream: it must not get lost.
@pytest.mark.parametrize("N", [100, 101])
def test_weights_drawn_after_the_spiral_continue_its_stream(global_stream, N):
    global_stream.seed(0)
    spiral_as_published(N, 3)
    expected = global_stream.randn(2, 3)

    state = np.random.RandomState(0)
    spiral(N, seed=state)
    np.testing.assert_array_equal(state.randn(2, 3), expected)

    global_stream.seed(0)
    spiral(N, seed=None)
    np.testing.assert_array_equal(global_stream.randn(2, 3), expected)


def test_a_seed_leaves_the_global_stream_alone(global_stream):
    global_stream.seed(5)
    expected = global_stream.randn()
    global_stream.seed(5)
    spiral(seed=3)
    toy()
    toy_parameters()
    digits().split(seed=4)
    assert global_stream.randn() == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"points_per_class": 0}, ["points_per_class", "at least 1", "got 0"]),
        ({"points_per_class": 2.5}, ["points_per_class", "whole number", "2.5", "float"]),
        ({"points_per_class": True}, ["points_per_class", "True", "bool"]),
        ({"classes": -1}, ["classes", "at least 1", "got -1"]),
        ({"classes": "3"}, ["classes", "whole number", "'3'", "str"]),
        ({"seed": "zero"}, ["seed", "RandomState", "'zero'"]),
        ({"seed": -1}, ["seed", "2**32 - 1", "-1"]),
        ({"seed": np.random.default_rng(0)}, ["seed", "RandomState", "Generator"]),
    ],
)
def test_spiral_says_what_it_expected_and_what_came(arguments, words):
    with pytest.raises(DataError) as caught:
        spiral(**arguments)
    assert isinstance(caught.value, TinygradError)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


def test_spiral_takes_numpy_integers_as_counts_and_seed():
    X, _ = spiral(np.int32(5), np.uint8(2), np.int64(1))
    np.testing.assert_array_equal(X, spiral(5, 2, 1)[0])


def test_toy_network_gives_the_published_scores():
    X, y = toy()
    p = toy_parameters()
    scores = np.maximum(0, X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    published = [
        [-0.81233741, -1.27654624, -0.70335995],
        [-0.17129677, -1.18803311, -0.47310444],
        [-0.51590475, -1.01354314, -0.85042150],
        [-0.15419291, -0.48629638, -0.52901952],
        [-0.00618733, -0.12435261, -0.15226949],
    ]
    np.testing.assert_allclose(scores, published, rtol=0, atol=1e-7)
    assert y.tolist() == [0, 1, 2, 2, 1]
    assert (X.dtype, y.dtype) == (np.float64, np.int64)


def test_toy_hands_out_fresh_arrays():
    toy_parameters()["W1"][:] = 0
    toy()[0][:] = 0
    assert toy_parameters()["W1"].all()
    assert toy()[0].all()


def test_digits_are_the_published_test_set():
    data = digits()
    assert data.images.shape == (1797, 8, 8)
    assert data.X.shape == (1797, 64)
    assert (data.images.dtype, data.X.dtype, data.y.dtype) == (np.uint8, np.float64, np.int64)
    # The class counts are in the set's own description.
    assert np.bincount(data.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.images.sum() == 561_718
    assert (data.X.min(), data.X.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(data.X.reshape(-1, 8, 8) * 16, data.images)


def test_digits_agree_with_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    ours = digits()
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.y, theirs.target)


def test_the_bundled_file_is_small():
    assert _FILE.stat().st_size <= 60_000


def test_split_deals_every_digit_out_exactly_once_and_keeps_its_label():
    data = digits()
    X_train, y_train, X_test, y_test = data.split(held_out=360)
    assert (len(X_train), len(y_train), len(X_test), len(y_test)) == (1437, 1437, 360, 360)

    def rows(X, y):
        return sorted(np.column_stack([X, y]).tolist())

    together = rows(np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test]))
    assert together == rows(data.X, data.y)
    assert np.unique(y_test).tolist() == list(range(10))


def test_split_is_shuffled_and_repeats_with_its_seed():
    data = digits()
    first, again, other = data.split(seed=0), data.split(seed=0), data.split(seed=1)
    for left, right in zip(first, again):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(first[3], other[3])
    assert not np.array_equal(first[3], data.y[:360])


@pytest.mark.parametrize("held_out", [0, 1797, -5, 0.2, None])
def test_split_needs_a_sample_on_either_side(held_out):
    with pytest.raises(DataError, match=r"held_out must be a whole number from 1 to 1796"):
        digits().split(held_out=held_out)


@pytest.mark.parametrize("kept", [0, 1, 100, 22_000, 45_393])
def test_a_digits_file_that_is_cut_off_says_so(tmp_path, kept):
    path = tmp_path / "digits.npz"
    path.write_bytes(_FILE.read_bytes()[:kept])
    with pytest.raises(DataError, match=f"cut off: {kept} of 45394 bytes"):
        _verified_bytes(path)


def test_a_digits_file_with_one_changed_bit_says_so(tmp_path):
    content = bytearray(_FILE.read_bytes())
    content[20_000] ^= 1
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)digits\.npz.*content is different"):
        _verified_bytes(path)


def test_other_arrays_under_the_name_of_the_digits_are_refused(tmp_path):
    path = tmp_path / "digits.npz"
    np.savez(path, images=np.zeros((1797, 8, 8), np.uint8), labels=np.zeros(1797, np.uint8))
    with pytest.raises(DataError, match="content is different"):
        _verified_bytes(path)


def test_a_missing_digits_file_says_how_to_get_it_back(tmp_path):
    with pytest.raises(DataError, match=r"(?s)cannot be read.*installing tinygrad_nn again"):
        _verified_bytes(tmp_path / "digits.npz")
