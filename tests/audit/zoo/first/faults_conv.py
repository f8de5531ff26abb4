"""Faults in a small convolutional net of plain loops."""

from ..entry import Fault, Line
from ..facts import HALF, MASK, ONE_HOT, OVERWRITTEN

_MAX = (*MASK, "max", "np.max", Line("pooled = np.max(relu, axis=(2, 3))"))
_WINDOW = ("window", "x[n", Line("out[n, f, i, j] = np.sum(window * w[f]) + b[f]"))
_BACKWARD_WINDOW = "window = x[n, :, i : i + HH, j : j + WW]\ndw[f] += window * dout[n, f, i, j]"

FAULTS = (
    Fault(
        "conv_filters_overwritten",
        "naive_conv",
        "dw[f] += window * dout[n, f, i, j]",
        "dw[f] = window * dout[n, f, i, j]",
        wrong="K",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "conv_bias_overwritten",
        "naive_conv",
        "db[f] += dout[n, f, i, j]",
        "db[f] = dout[n, f, i, j]",
        wrong="k",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "conv_window_turned",
        "naive_conv",
        _BACKWARD_WINDOW,
        "window = x[n, :, j : j + WW, i : i + HH]\ndw[f] += window * dout[n, f, i, j]",
        at=("window = x[n, :, j : j + WW, i : i + HH]", "dw[f] += window * dout[n, f, i, j]"),
        wrong="K",
        facts=(_WINDOW,),
    ),
    Fault(
        "conv_pooling_mask_missing",
        "naive_conv",
        "dx[n, f] = dout[n, f] * (x[n, f] == largest)",
        "dx[n, f] = dout[n, f]",
        wrong="K k",
        facts=(_MAX,),
    ),
    Fault(
        "conv_relu_missing",
        "naive_conv",
        "dconv = drelu * (conv > 0)",
        "dconv = drelu * np.ones_like(conv)",
        at=(
            "dconv = drelu * np.ones_like(conv)",
            "drelu = max_pool_backward_naive(dpooled, relu)",
            "dx[n, f] = dout[n, f] * (x[n, f] == largest)",
        ),
        wrong="K k",
        facts=((*MASK, "conv > 0", Line("relu = np.maximum(0, conv)")),),
    ),
    Fault(
        "conv_l2_halved",
        "naive_conv",
        'grads["K"] = dK + reg * params["K"]',
        'grads["K"] = dK + 0.5 * reg * params["K"]',
        wrong="K",
        facts=(HALF, ("reg", "penalty", Line("loss += 0.5 * reg"))),
    ),
    Fault(
        "conv_labels_not_subtracted",
        "naive_conv",
        "dscores[np.arange(N), y] -= 1",
        "",
        at=("dscores = probs.copy()",),
        wrong="K k W b",
        facts=(ONE_HOT,),
    ),
)
