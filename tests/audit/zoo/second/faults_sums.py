"""Faults where gradients are gathered: looked-up rows, loops, einsum, windows of a signal."""

from ..entry import Fault, Line
from ..facts import DIVIDED, MASK, MEAN, ONE_HOT, OVERWRITTEN, SIGN, SUM, TRANSPOSE, TWICE

_ROWS = 'np.add.at(grads["E"], tokens, demb)'
_BAG = ("emb.mean(axis=1)", "emb.mean", Line("bag = emb.mean(axis=1)"))
_EMBEDDED = "E W b"

EMBEDDINGS = (
    Fault(
        "embeddings_repeats_lost",
        "embeddings",
        _ROWS,
        'grads["E"][tokens] += demb',
        wrong="E",
        facts=(
            ("np.add.at", "repeat*", "duplicate*", "more than once", "several times", "twice")
            + ("only once", "occurs", "same row*", "overwrit*", "only the last"),
        ),
    ),
    Fault(
        "embeddings_mean_not_divided",
        "embeddings",
        "demb = np.repeat(dbag[:, None, :], T, axis=1) / T",
        "demb = np.repeat(dbag[:, None, :], T, axis=1)",
        wrong="E",
        facts=((*DIVIDED, "5 times"), ("T = 5", "by T", "1 / T", "tokens.shape[1]", *_BAG)),
    ),
    Fault(
        "embeddings_l2_doubled",
        "embeddings",
        'grads["E"] += lam * E',
        'grads["E"] += lam * 2 * E',
        wrong="E",
        facts=(TWICE, ("lam * E", "np.sum(E ** 2)", "np.sum(E**2)", Line("loss += 0.5 * lam"))),
    ),
    Fault(
        "embeddings_label_off_by_one",
        "embeddings",
        "dlogits[np.arange(B), labels] -= 1.0",
        "dlogits[np.arange(B), labels - 1] -= 1.0",
        wrong=f"{_EMBEDDED} Wo bo",
        facts=(ONE_HOT,),
    ),
    Fault(
        "embeddings_value_for_mask",
        "embeddings",
        "dz = dh * (z > 0)",
        "dz = dh * z",
        wrong=_EMBEDDED,
        facts=((*MASK, "z > 0"),),
    ),
    Fault(
        "embeddings_mask_turned",
        "embeddings",
        "dz = dh * (z > 0)",
        "dz = dh * (z < 0)",
        wrong=_EMBEDDED,
        facts=((*MASK, "z > 0"), ("z > 0", "np.maximum*", Line("h = np.maximum(z, 0)"))),
    ),
)

_OF_WEIGHTS = ("lam * w", "lam * w[j]", "lam / 2 * w[j] ** 2", Line("cost += lam / 2"))

LOGISTIC_LOOPS = (
    Fault(
        "loops_sigmoid_again",
        "logistic_loops",
        "err = yhat - y[i]",
        "err = (yhat - y[i]) * yhat * (1 - yhat)",
        wrong="w b",
        facts=(
            ("too much", "not belong", "no part", "once too often", "sigmoid", "applied twice")
            + ("yhat * (1 - yhat)",),
        ),
    ),
    Fault(
        "loops_bias_not_divided",
        "logistic_loops",
        "gb /= n",
        "",
        at=("gb += err",),
        wrong="b",
        facts=(DIVIDED, ("n", "6", "1/6")),
    ),
    Fault(
        "loops_sum_overwritten",
        "logistic_loops",
        "gw[j] += err * X[i, j]",
        "gw[j] = err * X[i, j]",
        wrong="w",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "loops_penalty_divided",
        "logistic_loops",
        "gw[j] += lam * w[j]",
        "gw[j] += lam / n * w[j]",
        wrong="w",
        facts=((*DIVIDED, "1/6", "0.167 times"), _OF_WEIGHTS),
    ),
)

_INDICES = (*TRANSPOSE, "kij", "swapped", "subscript*", "axes", "indices", "index*")

BILINEAR = (
    Fault(
        "bilinear_transposed",
        "bilinear",
        'dM = np.einsum("nk,ni,nj->kij", ds, a, B)',
        'dM = np.einsum("nk,ni,nj->kji", ds, a, B)',
        wrong="M",
        facts=(_INDICES,),
    ),
    Fault(
        "bilinear_summed_over_the_other_axis",
        "bilinear",
        'da = np.einsum("nk,kij,nj->ni", ds, M, B)',
        'da = np.einsum("nk,kij,ni->nj", ds, M, B)',
        wrong="P",
        facts=((*_INDICES, "nj->ni"),),
    ),
    Fault(
        "bilinear_sigmoid_for_tanh",
        "bilinear",
        "dpre = da * (1 - a * a)",
        "dpre = da * a * (1 - a)",
        wrong="P",
        facts=(("tanh", "np.tanh", "1 - a * a", "1 - a**2", Line("a = np.tanh")),),
    ),
)

_POOLED = ("mean", "mean(axis=3)", Line("pooled = act.reshape(n, F, M // 2, 2).mean(axis=3)"))
_WINDOW = "dK += np.dot(dconv[:, :, t].T, signal[:, t : t + k])"

SIGNAL_CONV = (
    Fault(
        "pooling_not_divided",
        "signal_conv",
        "dact = np.repeat(dpooled, 2, axis=2) / 2",
        "dact = np.repeat(dpooled, 2, axis=2)",
        wrong="K b",
        facts=((*TWICE, "divided by 2", "by 2"), (*_POOLED, "divided by 2", "by 2")),
    ),
    Fault(
        "pooling_tiled",
        "signal_conv",
        "dact = np.repeat(dpooled, 2, axis=2) / 2",
        "dact = np.tile(dpooled, (1, 1, 2)) / 2",
        wrong="K b",
        facts=(("np.repeat", "repeat*", "order", "places", "positions", "neighbour*", *_POOLED),),
    ),
    Fault(
        "hinge_not_squared",
        "signal_conv",
        "dmargin = 2 * hinge / n",
        "dmargin = 2 * (hinge > 0) / n",
        wrong="K b w",
        facts=(
            ("hinge is right", "where hinge belongs", "should be hinge", "hinge ** 2", "hinge**2")
            + ("square*", "2 * hinge", Line("loss = np.mean(hinge**2)")),
        ),
    ),
    Fault(
        "hinge_sign",
        "signal_conv",
        "ds = -y * dmargin",
        "ds = y * dmargin",
        wrong="K b w",
        facts=(SIGN,),
    ),
    Fault(
        "conv_window_not_moved",
        "signal_conv",
        _WINDOW,
        "dK += np.dot(dconv[:, :, t].T, signal[:, :k])",
        wrong="K",
        facts=(
            ("t : t + k", "t:t + k", "t:t+k", "signal[:, t*", "window")
            + (Line("conv[:, :, t] = np.dot(signal[:, t : t + k], K.T) + b"),),
        ),
    ),
    Fault(
        "conv_bias_of_signal_mean",
        "signal_conv",
        "db += dconv[:, :, t].sum(axis=0)",
        "db += dconv[:, :, t].mean(axis=0)",
        wrong="b",
        facts=(MEAN, SUM),
    ),
)

FAULTS = (*EMBEDDINGS, *LOGISTIC_LOOPS, *BILINEAR, *SIGNAL_CONV)
