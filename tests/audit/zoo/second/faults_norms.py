"""Faults in normalisation, over features and over samples, and around it."""

from ..entry import Fault, Line
from ..facts import COUNT, DIVIDED, HALF, MASK, TWICE

_MEAN = ("mu", "np.mean(x, axis=-1, keepdims=True)", Line("mu = np.mean(x"), "s1")
_VARIANCE = ("var", "np.mean(xc**2*", Line("var = np.mean(xc**2"), "istd", "s2")
_BELOW = "E gamma beta W b"

LAYER_NORM = (
    Fault(
        "residual_forgotten",
        "layer_norm",
        "dx0 = dx0 + dy",
        "",
        at=(
            'dx0, grads["gamma"], grads["beta"] = norm_backward(dn, cache)',
            'grads["E"] = np.matmul(x.T, dx0)',
        ),
        wrong="E",
        facts=(("x0 + u", "dy", Line("y = x0 + u")),),
    ),
    Fault(
        "layer_gamma_forgotten",
        "layer_norm",
        "dxhat = dout * gamma",
        "dxhat = dout",
        # An assignment computes nothing; the first line that uses it does.
        at=("dxhat = dout", "s1 = np.sum(dxhat, axis=-1, keepdims=True)"),
        wrong="E",
        facts=(("gamma", "xhat * gamma", Line("return xhat * gamma + beta")),),
    ),
    Fault(
        "layer_mean_forgotten",
        "layer_norm",
        "dx = (D * dxhat - s1 - xhat * s2) * istd / D",
        "dx = (D * dxhat - xhat * s2) * istd / D",
        wrong="E",
        facts=(_MEAN,),
    ),
    Fault(
        "layer_mean_and_variance_forgotten",
        "layer_norm",
        "dx = (D * dxhat - s1 - xhat * s2) * istd / D",
        "dx = dxhat * istd",
        wrong="E",
        facts=((*_MEAN, *_VARIANCE),),
    ),
    Fault(
        "residual_tanh_squared_whole",
        "layer_norm",
        "dpre = du * (1 - u**2)",
        "dpre = du * (1 - u) ** 2",
        wrong=_BELOW,
        facts=(("1 - u**2", "1 - u ** 2", "u ** 2", "u**2", "np.tanh", "tanh"),),
    ),
    Fault(
        "residual_half_forgotten",
        "layer_norm",
        "dy = diff / x.shape[0]",
        "dy = 2 * diff / x.shape[0]",
        wrong=_BELOW,
        facts=((*TWICE, "by 2"),),
    ),
    Fault(
        "residual_divided_by_entries",
        "layer_norm",
        "dy = diff / x.shape[0]",
        "dy = diff / diff.size",
        wrong=_BELOW,
        facts=(DIVIDED, COUNT),
    ),
)

_DX = "dx = dx + dvar * 2.0 * (x - self.mu) / N"
_NORMED = "W1 gamma beta"
_CORRECT = (
    "correct class",
    "dS.sum(axis=1)",
    "S[np.arange(N), y]",
    "S[np.arange(N), y].reshape(-1, 1)",
    "number of",
    "count",
    Line("margins = np.maximum(0, S - S[np.arange(N), y].reshape(-1, 1) + 1)"),
)

NORM_SVM = (
    Fault(
        "norm_mean_path_dropped",
        "norm_svm",
        "dx = dx + dmu / N",
        "",
        at=(_DX,),
        wrong="W1",
        facts=(("x.mean(axis=0)", "dmu", "self.mu", "mu", Line("self.mu = x.mean(axis=0)")),),
    ),
    Fault(
        "norm_wrong_power",
        "norm_svm",
        "dvar = np.sum(dxhat * (x - self.mu), axis=0) * -0.5 * inv**3",
        "dvar = np.sum(dxhat * (x - self.mu), axis=0) * -0.5 * inv**2",
        wrong="W1",
        facts=(("3 belongs", "should be 3", "inv**3", "inv ** 3", "power", "exponent", "cube*"),),
    ),
    Fault(
        "norm_two_forgotten",
        "norm_svm",
        _DX,
        "dx = dx + dvar * (x - self.mu) / N",
        wrong="W1",
        facts=((*HALF, "by 2", "factor 2", "2 is missing"),),
    ),
    Fault(
        "norm_margins_not_counted",
        "norm_svm",
        "dS[np.arange(N), y] -= dS.sum(axis=1)",
        "dS[np.arange(N), y] = -1",
        wrong=f"{_NORMED} W2 b2",
        facts=(_CORRECT,),
    ),
    Fault(
        "norm_mask_of_gradient",
        "norm_svm",
        "da[a <= 0] = 0",
        "da[dh <= 0] = 0",
        wrong=_NORMED,
        facts=(MASK, ("a belongs", "a > 0", "a <= 0", "a * (a > 0)", Line("h = a * (a > 0)"))),
    ),
    Fault(
        "norm_wrong_operand",
        "norm_svm",
        'dxhat = dout * self.params["gamma"]',
        "dxhat = dout * self.xhat",
        wrong="W1",
        facts=(("gamma", 'self.params["gamma"]'),),
    ),
)

FAULTS = (*LAYER_NORM, *NORM_SVM)
