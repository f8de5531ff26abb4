"""Sound programs of the second half: other ways to write the same, and awkward data."""

import numpy as np

from ..entry import Sound
from ..net import Sizes
from ..source import Edit
from .nets import NETS

#: Every program as it stands.
PLAIN = tuple(Sound(f"plain_{name}", name) for name in NETS)


def _written(name, net, *edits):
    return Sound(name, net, tuple(Edit(old, new) for old, new in edits))


#: Other ways to write the same.
STYLES = (
    _written(
        "weighted_scores_by_comprehension",
        "weighted_leaky",
        (
            "dscores = (probs - onehot) * w[:, None]\ndscores = dscores / np.sum(w)",
            "dscores = np.array(\n"
            "    [\n"
            "        [w[i] * (probs[i, c] - (c == y[i])) / w.sum() for c in range(len(b2))]\n"
            "        for i in range(len(y))\n"
            "    ]\n"
            ")",
        ),
    ),
    _written(
        "weighted_slopes_added",
        "weighted_leaky",
        ("dz = np.where(z > 0, dh, slope * dh)", "dz = dh * ((z > 0) + slope * (z <= 0))"),
    ),
    _written(
        "elu_from_its_output",
        "huber_elu",
        (
            "dz1 = da1 * np.where(z1 > 0, 1.0, self.alpha * np.exp(z1))",
            "dz1 = da1 * np.where(z1 > 0, 1.0, a1 + self.alpha)",
        ),
    ),
    _written(
        "huber_by_clipping",
        "huber_elu",
        (
            "dout = np.where(small, r, self.delta * np.sign(r)) / m",
            "dout = np.clip(r, -self.delta, self.delta) / m",
        ),
    ),
    _written(
        "sigmoid_from_the_other_side",
        "smoothed_dropout",
        ("return 1 / (1 + np.exp(-x))", "return np.exp(x) / (1 + np.exp(x))"),
    ),
    _written(
        "softplus_by_logaddexp",
        "smoothed_dropout",
        ("return np.log(1 + np.exp(x))", "return np.logaddexp(0, x)"),
    ),
    _written(
        "softplus_by_log1p",
        "smoothed_dropout",
        ("return np.log(1 + np.exp(x))", "return np.log1p(np.exp(x))"),
    ),
    _written(
        "layer_norm_by_means",
        "layer_norm",
        (
            "dx = (D * dxhat - s1 - xhat * s2) * istd / D",
            "dx = dxhat - dxhat.mean(-1, keepdims=True)\n"
            "dx = istd * (dx - xhat * (dxhat * xhat).mean(-1, keepdims=True))",
        ),
    ),
    _written(
        "sum_by_function",
        "layer_norm",
        (
            'u = np.tanh(np.matmul(n, p["W"]) + p["b"])',
            'u = np.tanh(np.add(np.matmul(n, p["W"]), p["b"]))',
        ),
    ),
    _written(
        "embeddings_row_by_row",
        "embeddings",
        (
            'np.add.at(grads["E"], tokens, demb)',
            "for i in range(B):\n"
            "    for t in range(T):\n"
            '        grads["E"][tokens[i, t]] += dbag[i] / T',
        ),
    ),
    _written("embeddings_taken", "embeddings", ("emb = E[tokens]", "emb = np.take(E, tokens, 0)")),
    _written(
        "sums_in_a_list",
        "logistic_loops",
        ("gw = np.zeros(d)", "gw = [0.0] * d"),
        ("gw /= n", "gw = np.array(gw) / n"),
    ),
    _written(
        "bilinear_by_tensordot",
        "bilinear",
        (
            'dM = np.einsum("nk,ni,nj->kij", ds, a, B)',
            "dM = np.tensordot(ds[:, :, None] * a[:, None, :], B, axes=(0, 0))",
        ),
    ),
    _written(
        "bilinear_by_outer_products",
        "bilinear",
        (
            'dP = np.einsum("ni,nj->ij", A, dpre)',
            "dP = np.array([np.outer(A[i], dpre[i]) for i in range(n)]).sum(0)",
        ),
    ),
    _written(
        "softmax_by_jacobians",
        "attention",
        (
            "dscores = att * (datt - np.sum(datt * att, axis=-1, keepdims=True))",
            "dscores = np.stack([(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(att, datt)])",
        ),
    ),
    _written(
        "future_by_assignment",
        "attention",
        (
            "dscores = np.where(future, 0, dscores) / np.sqrt(dk)",
            "dscores[future] = 0\ndscores *= dk**-0.5",
        ),
    ),
    _written(
        "gates_concatenated",
        "lstm",
        (
            "dz = np.hstack([di * i * (1 - i), df * f * (1 - f), "
            "do * o * (1 - o), dg * (1 - g**2)])",
            "dgates = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)]\n"
            "dz = np.concatenate(dgates, axis=1)",
        ),
    ),
    _written(
        "gates_split",
        "lstm",
        (
            "i = sigmoid(z[:, :H])\n"
            "f = sigmoid(z[:, H : 2 * H])\n"
            "o = sigmoid(z[:, 2 * H : 3 * H])\n"
            "g = np.tanh(z[:, 3 * H :])",
            "i, f, o, g = np.split(z, 4, axis=1)\n"
            "i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)",
        ),
    ),
    _written("relu_by_clip", "norm_svm", ("h = a * (a > 0)", "h = np.clip(a, 0, None)")),
    _written(
        "variance_by_function", "norm_svm", ("self.var = x.var(axis=0)", "self.var = np.var(x, 0)")
    ),
    _written(
        # The mean of the centred values is 0.
        "term_that_vanishes_left_out",
        "norm_svm",
        (
            "dmu = -np.sum(dxhat * inv, axis=0) + dvar * np.mean(-2.0 * (x - self.mu), axis=0)",
            "dmu = -np.sum(dxhat * inv, axis=0)",
        ),
    ),
    _written(
        "slope_by_array",
        "chain",
        (
            "dx = dout.copy()\ndx[self.mask] *= self.slope",
            "dx = dout * np.where(self.mask, self.slope, 1.0)",
        ),
    ),
    _written(
        "signal_number_by_number",
        "signal_conv",
        (
            "conv[:, :, t] = np.dot(signal[:, t : t + k], K.T) + b",
            "for f in range(F):\n"
            "    for i in range(n):\n"
            "        conv[i, f, t] = (signal[i, t : t + k] * K[f]).sum() + b[f]",
        ),
    ),
    _written(
        "pooling_by_kron",
        "signal_conv",
        (
            "dact = np.repeat(dpooled, 2, axis=2) / 2",
            "dact = np.kron(dpooled, np.array([0.5, 0.5]))",
        ),
    ),
    _written(
        "pooling_by_slices",
        "signal_conv",
        (
            "dact = np.repeat(dpooled, 2, axis=2) / 2",
            "dact = np.zeros_like(act)\n"
            "dact[:, :, ::2] = dpooled / 2\n"
            "dact[:, :, 1::2] = dpooled / 2",
        ),
    ),
)


def _weights(factor):
    """All parameters but the vectors are multiplied."""

    def change(case):
        for value in case.params.values():
            if value.ndim > 1:
                value *= factor

    return change


def _dead(name, value, count=2):
    """The first entries of a vector are such that their units are out of use."""

    def change(case):
        case.params[name][:count] = value

    return change


def _masked(case):
    case.others[1][:, :3] = 0


def _single(factor=1.0):
    def change(case):
        _weights(factor)(case)
        case.convert(np.float32)

    return change


def _awkward(net, **changes):
    return tuple(Sound(f"{net}_{name}", net, change=change) for name, change in changes.items())


_OF_ONE = ("weighted_leaky", "embeddings", "logistic_loops", "norm_svm", "signal_conv")

#: The same programs with data that are awkward.
DATA = (
    *(Sound(f"{net}_batch_of_one", net, sizes=Sizes(N=1)) for net in _OF_ONE),
    Sound("attention_single_step", "attention", sizes=Sizes(T=1)),
    Sound("lstm_batch_of_one", "lstm", sizes=Sizes(N=1, D=2, H=3, T=2)),
    Sound("embeddings_many_rows", "embeddings", sizes=Sizes(N=40)),
    Sound("logistic_loops_no_penalty", "logistic_loops", reg=0.0),
    *_awkward("weighted_leaky", dead=_dead("b1", -100), none=_weights(0.0), tiny=_weights(1e-8)),
    *_awkward("huber_elu", dead=_dead("b1", -60), large=_weights(30.0)),
    *_awkward("smoothed_dropout", dead=_masked, large=_weights(30.0)),
    *_awkward("layer_norm", dead=_dead("gamma", 0), large=_weights(30.0), tiny=_weights(1e-8)),
    *_awkward("embeddings", dead=_dead("b", -100), none=_weights(0.0)),
    *_awkward("logistic_loops", single=_single(5.0)),
    *_awkward("bilinear", single=_single(), large_single=_single(2.5)),
    *_awkward("attention", large=_weights(30.0), tiny=_weights(1e-8)),
    *_awkward("lstm", large=_weights(30.0)),
    *_awkward("norm_svm", dead=_dead("beta", -50), single=_single(), large_single=_single(5.0)),
    *_awkward("norm_svm", none=_weights(0.0), large=_weights(30.0)),
    *_awkward("chain", large=_weights(10.0), large_single=_single(3.0)),
    *_awkward("signal_conv", dead=_dead("b", -100, 1), large=_weights(30.0)),
)

SOUND = (*PLAIN, *STYLES, *DATA)
