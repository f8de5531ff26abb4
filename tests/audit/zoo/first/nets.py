"""The nets of the first half."""

from ..net import Net, labels, normal


def _two_layer(row=False, names=("W1", "b1", "W2", "b2")):
    def shapes(s):
        b1, b2 = ((1, s.H), (1, s.C)) if row else ((s.H,), (s.C,))
        return dict(zip(names, ((s.D, s.H), b1, (s.H, s.C), b2)))

    return shapes


def _chain(widths, bias):
    """Affine layers W1, b1, ... of the given widths."""

    def shapes(s):
        w = widths(s)
        found = {}
        for i in range(1, len(w)):
            found[f"W{i}"] = (w[i - 1], w[i])
            found[f"b{i}"] = bias(w[i])
        return found

    return shapes


NETS = {
    "linear_softmax": Net(
        ("linear_softmax.py",), "loss", lambda s: {"W": (s.D, s.C), "b": (1, s.C)}
    ),
    "case_study": Net(
        ("case_study.py",), "loss", _two_layer(row=True, names=("W", "b", "W2", "b2"))
    ),
    "toy_class": Net(("toy_class.py",), "TwoLayerNet", _two_layer()),
    "columns": Net(
        ("columns.py",),
        "loss",
        lambda s: {"W1": (s.H, s.D), "b1": (s.H, 1), "W2": (s.C, s.H), "b2": (s.C, 1)},
        X=normal(lambda s: (s.D, s.N)),
    ),
    "modular": Net(
        ("modular_layers.py", "modular_net.py"),
        "FullyConnectedNet",
        _chain(lambda s: (s.D, s.H, s.H + 1, s.C), lambda n: (n,)),
    ),
    "objects": Net(
        ("objects.py",), "Network", _chain(lambda s: (s.D, s.H, s.H, s.C), lambda n: (n,))
    ),
    "svm_matrix": Net(("svm_matrix.py",), "loss", lambda s: {"W": (s.D, s.C), "b": (s.C,)}),
    "svm_loops": Net(("svm_loops.py",), "loss", lambda s: {"W": (s.D, s.C)}),
    "sample_loops": Net(("sample_loops.py",), "LoopedNet", _two_layer()),
    "deep": Net(("deep.py",), "loss", _chain(lambda s: (s.D, s.H, s.H, s.H, s.C), lambda n: (n,))),
    "regression": Net(
        ("regression.py",),
        "loss",
        _two_layer(),
        others=lambda s, rng, reg: (rng.standard_normal((s.N, s.C)), reg),
    ),
    "batch_norm": Net(
        ("batch_norm.py",),
        "BatchNormNet",
        lambda s: {
            "W1": (s.D, s.H),
            "gamma": (s.H,),
            "beta": (s.H,),
            "W2": (s.H, s.C),
            "b2": (s.C,),
        },
    ),
    "logistic": Net(
        ("logistic.py",),
        "loss",
        lambda s: {"w": (s.D,), "b": ()},
        others=lambda s, rng, reg: (labels(s.N, 2, rng), reg),
    ),
    "deep_svm": Net(
        ("deep_svm.py",), "loss", _chain(lambda s: (s.D, s.H, s.H + 1, s.C), lambda n: (1, n))
    ),
    "maxout": Net(
        ("maxout.py",),
        "loss",
        lambda s: {"W1": (s.D, 2 * s.H), "b1": (2 * s.H,), "W2": (s.H, s.C)},
    ),
    "naive_conv": Net(
        ("naive_conv.py",),
        "loss",
        lambda s: {"K": (2, 1, 3, 3), "k": (2,), "W": (2, s.C), "b": (s.C,)},
        X=normal(lambda s: (s.N, 1, 4, 4)),
    ),
    "recurrent": Net(
        ("recurrent.py",),
        "loss",
        lambda s: {"Wx": (s.D, s.H), "Wh": (s.H, s.H), "b": (s.H,), "V": (s.H, s.C)},
        X=normal(lambda s: (s.N, s.T, s.D)),
    ),
}
