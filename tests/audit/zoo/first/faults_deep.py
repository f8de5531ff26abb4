"""Faults in deeper and less usual nets: four layers, regression, batch norm, maxout."""

from ..entry import Fault, Line
from ..facts import COUNT, DIVIDED, HALF, MASK, MEAN, SIGN, SUM, TRANSPOSE, TWICE
from ..net import Sizes

_SIGMOID = ("sigmoid", "1 - a2", "a2 * (1 - a2)", Line("return 1 / (1 + np.exp(-z))"))
_TANH = ("tanh", "np.tanh", Line("a1 = np.tanh(z1)"))
_RELU = (*MASK, "z3 > 0", Line("a3 = np.maximum(z3, 0.0)"))
_DELTA1 = "delta1 = (delta2 @ W2.T) * (1 - a1**2)"
_DELTA2 = "delta2 = (delta3 @ W3.T) * a2 * (1 - a2)"
_DELTA3 = "delta3 = (delta4 @ W4.T) * (z3 > 0)"
_L2 = Line("loss = loss + reg * (W**2).sum() / 2")
_BELOW_2 = "W1 b1 W2 b2"
_BELOW_3 = "W1 b1 W2 b2 W3 b3"

DEEP = (
    Fault(
        "deep_sigmoid_half_done",
        "deep",
        _DELTA2,
        "delta2 = (delta3 @ W3.T) * a2",
        wrong=_BELOW_2,
        facts=(_SIGMOID,),
    ),
    Fault(
        "deep_sigmoid_other_half",
        "deep",
        _DELTA2,
        "delta2 = (delta3 @ W3.T) * (1 - a2)",
        wrong=_BELOW_2,
        facts=(_SIGMOID,),
    ),
    Fault(
        "deep_tanh_for_sigmoid",
        "deep",
        _DELTA2,
        "delta2 = (delta3 @ W3.T) * (1 - a2**2)",
        wrong=_BELOW_2,
        facts=((*_SIGMOID, "a2"),),
    ),
    Fault(
        "deep_tanh_not_squared",
        "deep",
        _DELTA1,
        "delta1 = (delta2 @ W2.T) * (1 - a1)",
        wrong="W1 b1",
        facts=(_TANH,),
    ),
    Fault(
        "deep_tanh_of_input",
        "deep",
        _DELTA1,
        "delta1 = (delta2 @ W2.T) * (1 - z1**2)",
        wrong="W1 b1",
        facts=((*_TANH, "a1"),),
    ),
    Fault(
        "deep_mask_of_wrong_layer",
        "deep",
        _DELTA3,
        "delta3 = (delta4 @ W4.T) * (z2 > 0)",
        wrong=_BELOW_3,
        facts=((*_RELU, "z3", "a3"),),
    ),
    Fault(
        "deep_mask_missing",
        "deep",
        _DELTA3,
        "delta3 = delta4 @ W4.T",
        wrong=_BELOW_3,
        facts=(_RELU,),
    ),
    Fault(
        "deep_weights_of_wrong_layer",
        "deep",
        _DELTA1,
        "delta1 = (delta2 @ W3.T) * (1 - a1**2)",
        wrong="W1 b1",
        facts=(("W2", "W2.T"),),
    ),
    Fault(
        "deep_weights_not_transposed",
        "deep",
        _DELTA2,
        "delta2 = (delta3 @ W3) * a2 * (1 - a2)",
        wrong=_BELOW_2,
        facts=(TRANSPOSE,),
    ),
    Fault(
        "deep_stale_gradient",
        "deep",
        _DELTA2,
        "delta2 = (delta4 @ W4.T) * a2 * (1 - a2)",
        wrong=_BELOW_2,
        facts=(("delta3", "W3", "W3.T", Line("z3 = a2 @ W3 + b3")),),
    ),
    Fault(
        "deep_activation_of_wrong_layer",
        "deep",
        '"W3": a2.T @ delta3 + reg * W3,',
        '"W3": a1.T @ delta3 + reg * W3,',
        wrong="W3",
        facts=(("a2", "a2.T"),),
    ),
    Fault(
        "deep_bias_of_wrong_layer",
        "deep",
        '"b2": delta2.sum(axis=0),',
        '"b2": delta3.sum(axis=0),',
        wrong="b2",
        facts=(("delta2", "d loss / d z2"),),
    ),
    Fault(
        "deep_delta_of_wrong_layer",
        "deep",
        '"W2": a1.T @ delta2 + reg * W2,',
        '"W2": a1.T @ delta1 + reg * W2,',
        wrong="W2",
        facts=(("delta2", "d loss / d z2"),),
    ),
    Fault(
        "deep_product_transposed",
        "deep",
        '"W2": a1.T @ delta2 + reg * W2,',
        '"W2": delta2.T @ a1 + reg * W2,',
        wrong="W2",
        facts=(TRANSPOSE,),
    ),
    Fault(
        "deep_l2_missing",
        "deep",
        '"W3": a2.T @ delta3 + reg * W3,',
        '"W3": a2.T @ delta3,',
        wrong="W3",
        facts=(("reg * W3", "reg * W", _L2),),
    ),
    Fault(
        "deep_l2_halved",
        "deep",
        '"W4": a3.T @ delta4 + reg * W4,',
        '"W4": a3.T @ delta4 + reg * W4 / 2,',
        wrong="W4",
        facts=(HALF, ("reg * W4", "reg * W", _L2)),
    ),
    Fault(
        "deep_l2_of_wrong_layer",
        "deep",
        '"W2": a1.T @ delta2 + reg * W2,',
        '"W2": a1.T @ delta2 + reg * W3,',
        wrong="W2",
        facts=(("reg * W2", "W2", _L2),),
    ),
    Fault(
        "deep_divided_by_inputs",
        "deep",
        "delta4 = delta4 / n",
        "delta4 = delta4 / X.shape[1]",
        wrong=f"{_BELOW_3} W4 b4",
        facts=(DIVIDED, COUNT),
    ),
)

_L1 = ("sign", "np.sign", "np.abs", Line("l1 = reg * (np.abs(W1).sum()"))
_H = ("sigmoid", "1 - h", "h * (1 - h)", Line("h = 1.0 / (1.0 + np.exp(-z))"))
_DPRED = "dpred = 2 * error / error.size"
_ALL = "W1 b1 W2 b2"

REGRESSION = (
    Fault(
        "regression_two_missing",
        "regression",
        _DPRED,
        "dpred = error / error.size",
        wrong=_ALL,
        facts=(HALF,),
    ),
    Fault(
        "regression_divided_by_samples",
        "regression",
        _DPRED,
        "dpred = 2 * error / len(X)",
        wrong=_ALL,
        facts=(("3 times", "error.size", "18", "mean", "np.mean"),),
    ),
    Fault(
        "regression_sign",
        "regression",
        _DPRED,
        "dpred = 2 * (y - pred) / error.size",
        wrong=_ALL,
        facts=(SIGN,),
    ),
    Fault(
        "regression_target_not_subtracted",
        "regression",
        _DPRED,
        "dpred = 2 * pred / error.size",
        wrong=_ALL,
        facts=(("error", "y", "pred - y"),),
    ),
    Fault(
        "regression_l2_for_l1",
        "regression",
        "dW1 += reg * np.sign(W1)",
        "dW1 += reg * W1",
        wrong="W1",
        facts=(_L1,),
    ),
    Fault(
        "regression_abs_for_sign",
        "regression",
        "dW2 += reg * np.sign(W2)",
        "dW2 += reg * np.abs(W2)",
        wrong="W2",
        facts=(_L1,),
    ),
    Fault(
        "regression_l1_missing",
        "regression",
        "dW2 += reg * np.sign(W2)",
        "",
        at=("dW2 = h.T @ dpred",),
        wrong="W2",
        facts=(_L1,),
    ),
    Fault(
        "regression_sigmoid_half_done",
        "regression",
        "dz = dh * h * (1 - h)",
        "dz = dh * h",
        wrong="W1 b1",
        facts=(_H,),
    ),
    Fault(
        "regression_sigmoid_of_input",
        "regression",
        "dz = dh * h * (1 - h)",
        "dz = dh * z * (1 - z)",
        wrong="W1 b1",
        facts=(_H,),
    ),
    Fault(
        "regression_bias_mean",
        "regression",
        "db1 = dz.sum(0)",
        "db1 = dz.mean(0)",
        wrong="b1",
        facts=(MEAN, SUM),
    ),
    Fault(
        "regression_error_for_gradient",
        "regression",
        "dh = dpred @ W2.T",
        "dh = error @ W2.T",
        wrong="W1 b1",
        facts=(("dpred", "d loss / d pred", "9 times"),),
    ),
)

_VAR = ("var", "std", "dvar", Line("var = 1.0 / N * np.sum(hmu**2, axis=0)"))

BATCH_NORM = (
    Fault(
        "norm_gamma_without_input",
        "batch_norm",
        "dgamma = np.sum(dbn * hhat, axis=0)",
        "dgamma = np.sum(dbn, axis=0)",
        wrong="gamma",
        facts=(("hhat",),),
    ),
    Fault(
        "norm_gamma_of_wrong_input",
        "batch_norm",
        "dgamma = np.sum(dbn * hhat, axis=0)",
        "dgamma = np.sum(dbn * hmu, axis=0)",
        wrong="gamma",
        facts=(("hhat",),),
    ),
    Fault(
        "norm_beta_mean",
        "batch_norm",
        "dbeta = np.sum(dbn, axis=0)",
        "dbeta = np.mean(dbn, axis=0)",
        wrong="beta",
        facts=(MEAN, SUM),
    ),
    Fault(
        "norm_gamma_forgotten",
        "batch_norm",
        'dhhat = dbn * p["gamma"]',
        "dhhat = dbn",
        at=("dhhat = dbn", "dbn = da * (bn > 0)"),
        wrong="W1",
        facts=(("gamma", 'p["gamma"]', "p['gamma']", Line('bn = p["gamma"] * hhat')),),
    ),
    Fault(
        "norm_mean_forgotten",
        "batch_norm",
        "dh = dhmu + 1.0 / N * dmu",
        "dh = dhmu",
        at=("dh = dhmu", "dmu = -np.sum(dhmu, axis=0)", "dhmu += 2.0 / N * hmu * dvar"),
        wrong="W1",
        facts=(("mu", "dmu", "mean", Line("mu = 1.0 / N * np.sum(h, axis=0)")),),
    ),
    Fault(
        "norm_mean_not_divided",
        "batch_norm",
        "dh = dhmu + 1.0 / N * dmu",
        "dh = dhmu + dmu",
        at=("dh = dhmu + dmu", "dmu = -np.sum(dhmu, axis=0)"),
        wrong="W1",
        facts=((*DIVIDED, "6 times"), COUNT),
    ),
    Fault(
        "norm_variance_forgotten",
        "batch_norm",
        "dhmu += 2.0 / N * hmu * dvar",
        "",
        at=("dhmu = dhhat / std",),
        wrong="W1",
        facts=(_VAR,),
    ),
    Fault(
        "norm_square_root_not_halved",
        "batch_norm",
        "dvar = 0.5 * dstd / std",
        "dvar = dstd / std",
        wrong="W1",
        facts=(TWICE,),
    ),
    Fault(
        "norm_quotient_sign",
        "batch_norm",
        "dstd = -np.sum(dhhat * hmu, axis=0) / std**2",
        "dstd = np.sum(dhhat * hmu, axis=0) / std**2",
        wrong="W1",
        facts=(SIGN,),
    ),
    Fault(
        "norm_quotient_not_squared",
        "batch_norm",
        "dstd = -np.sum(dhhat * hmu, axis=0) / std**2",
        "dstd = -np.sum(dhhat * hmu, axis=0) / std",
        wrong="W1",
        facts=(("std**2", "std * std", "squared", "square", Line("hhat = hmu / std")),),
    ),
    Fault(
        "norm_square_halved",
        "batch_norm",
        "dhmu += 2.0 / N * hmu * dvar",
        "dhmu += 1.0 / N * hmu * dvar",
        wrong="W1",
        facts=(HALF,),
    ),
)

_DH = "dh = da[:, :, np.newaxis] * (h == a[:, :, np.newaxis])"
_MAX = (*MASK, "max", "np.max", Line("a = np.max(h, axis=2)"))

MAXOUT = (
    Fault(
        "maxout_mask_missing",
        "maxout",
        _DH,
        "dh = da[:, :, np.newaxis] * np.ones(h.shape)",
        wrong="W1 b1",
        facts=(_MAX,),
    ),
    Fault(
        "maxout_relu_for_max",
        "maxout",
        _DH,
        "dh = da[:, :, np.newaxis] * (h > 0)",
        wrong="W1 b1",
        facts=(_MAX,),
    ),
    Fault(
        "maxout_not_divided",
        "maxout",
        "dscores = (probs - target) / N",
        "dscores = probs - target",
        wrong="W1 b1 W2",
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "maxout_not_transposed",
        "maxout",
        "da = np.matmul(dscores, W2.T)",
        "da = np.matmul(dscores, W2)",
        wrong="W1 b1",
        facts=(TRANSPOSE,),
        sizes=Sizes(H=3, C=3),
    ),
)

FAULTS = (*DEEP, *REGRESSION, *BATCH_NORM, *MAXOUT)
