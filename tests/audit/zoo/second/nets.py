"""The nets of the second half."""

import numpy as np

from ..net import Net, Sizes, labels, normal


def _classes(s, rng, reg):
    return (labels(s.N, s.C, rng),)


def _targets(shape):
    # Far enough away that residuals of either sign are beyond the bend of Huber's loss.
    return lambda s, rng, reg: (2 * rng.standard_normal(shape(s)),)


def _tokens(s, rng):
    # Five words a row, out of nine: some more than once, within a row and across rows.
    tokens = rng.integers(0, 9, size=(s.N, 5))
    tokens[0, 1] = tokens[0, 0]
    return tokens


def _kept(s, rng, reg):
    y = labels(s.N, s.C, rng)
    return y, (rng.random((s.N, s.H)) < 0.8).astype(float)


def _pairs(s, rng, reg):
    return rng.standard_normal((s.N, s.D)), rng.integers(0, 2, size=(s.N, s.C)).astype(float)


def _chain(s):
    return {
        "W1": (s.D, s.H),
        "b1": (s.H,),
        "W2": (s.H, s.H - 2),
        "b2": (s.H - 2,),
        "W3": (s.H - 2, s.C),
        "b3": (s.C,),
    }


NETS = {
    "weighted_leaky": Net(
        ("weighted_leaky.py",),
        "loss",
        lambda s: {"W1": (s.D, s.H), "b1": (s.H,), "W2": (s.H, s.C), "b2": (s.C,)},
        others=lambda s, rng, reg: (labels(s.N, s.C, rng), np.linspace(0.4, 2.5, s.C)),
    ),
    "huber_elu": Net(
        ("huber_elu.py",),
        "Regressor",
        lambda s: {"W1": (s.H, s.D), "b1": (s.H, 1), "W2": (1, s.H), "b2": (1, 1)},
        X=normal(lambda s: (s.D, s.N)),
        others=_targets(lambda s: (1, s.N)),
        constructor=lambda s: (s.D, s.H),
    ),
    "smoothed_dropout": Net(
        ("smoothed_dropout.py",),
        "loss",
        lambda s: {"U": (s.H, s.D), "c": (s.H,), "V": (s.C, s.H), "d": (s.C,)},
        others=_kept,
    ),
    "layer_norm": Net(
        ("layer_norm.py",),
        "loss",
        lambda s: {"E": (s.D, s.H), "gamma": (s.H,), "beta": (s.H,), "W": (s.H, s.H), "b": (s.H,)},
        others=_targets(lambda s: (s.N, s.H)),
        sizes=Sizes(H=5),
    ),
    "embeddings": Net(
        ("embeddings.py",),
        "loss",
        lambda s: {"E": (9, s.D), "W": (s.D, s.H), "b": (s.H,), "Wo": (s.H, s.C), "bo": (s.C,)},
        X=_tokens,
        others=lambda s, rng, reg: (labels(s.N, s.C, rng), reg),
    ),
    "logistic_loops": Net(
        ("logistic_loops.py",),
        "loss",
        lambda s: {"w": (s.D,), "b": ()},
        others=lambda s, rng, reg: (labels(s.N, 2, rng), reg),
    ),
    "bilinear": Net(
        ("bilinear.py",),
        "loss",
        lambda s: {"M": (s.C, s.D, s.D), "c": (s.C,), "P": (s.D + 1, s.D)},
        X=normal(lambda s: (s.N, s.D + 1)),
        others=_pairs,
    ),
    "attention": Net(
        ("attention.py",),
        "loss",
        lambda s: {"Wq": (s.D, s.C), "Wk": (s.D, s.C), "Wv": (s.D, s.C), "Wo": (s.C, s.D)},
        X=normal(lambda s: (s.T, s.D)),
        others=_targets(lambda s: (s.T, s.D)),
        sizes=Sizes(T=5),
    ),
    "lstm": Net(
        ("lstm.py",),
        "LSTM",
        lambda s: {"Wx": (s.D, 4 * s.H), "Wh": (s.H, 4 * s.H), "b": (4 * s.H,), "Wy": (s.H, 1)},
        X=normal(lambda s: (s.N, s.T, s.D)),
        others=_targets(lambda s: (s.N, 1)),
        constructor=lambda s: (s.D, s.H),
        sizes=Sizes(N=4, D=2, H=5, T=3),
    ),
    "norm_svm": Net(
        ("norm_svm.py",),
        "NormNet",
        lambda s: {
            "W1": (s.D, s.H),
            "gamma": (s.H,),
            "beta": (s.H,),
            "W2": (s.H, s.C),
            "b2": (s.C,),
        },
        others=_classes,
    ),
    "chain": Net(
        ("chain_layers.py", "chain_losses.py", "chain_net.py"), "loss", _chain, others=_classes
    ),
    "signal_conv": Net(
        ("signal_conv.py",),
        "loss",
        lambda s: {"K": (s.C, 3), "b": (s.C,), "w": (3 * s.C,)},
        X=normal(lambda s: (s.N, 8)),
        others=lambda s, rng, reg: (2.0 * labels(s.N, 2, rng) - 1,),
    ),
}
