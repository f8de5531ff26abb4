"""Faults in nets of dense layers with less usual activations and losses."""

from ..entry import Fault, Line
from ..facts import COUNT, DIVIDED, HALF, MASK, MEAN, SIGN, SUM

_ALL = "W1 b1 W2 b2"
_LEAKY = ("slope", Line("h = np.where(z > 0, z, slope * z)"))
_WEIGHTED = Line("loss = -np.sum(w * logp) / np.sum(w)")

WEIGHTED_LEAKY = (
    Fault(
        "weighted_divided_by_samples",
        "weighted_leaky",
        "dscores = dscores / np.sum(w)",
        "dscores = dscores / len(X)",
        wrong=_ALL,
        facts=(("np.sum(w)", _WEIGHTED),),
    ),
    Fault(
        "weighted_weights_missing",
        "weighted_leaky",
        "dscores = (probs - onehot) * w[:, None]",
        "dscores = probs - onehot",
        wrong=_ALL,
        facts=(("w", "w[:, None]", "weights", "class_weights", _WEIGHTED),),
    ),
    Fault(
        "weighted_slope_missing",
        "weighted_leaky",
        "dz = np.where(z > 0, dh, slope * dh)",
        "dz = np.where(z > 0, dh, 0)",
        wrong="W1 b1",
        facts=(_LEAKY,),
    ),
    Fault(
        "weighted_mask_of_gradient",
        "weighted_leaky",
        "dz = np.where(z > 0, dh, slope * dh)",
        "dz = np.where(dh > 0, dh, slope * dh)",
        wrong="W1 b1",
        facts=(("z", "z > 0"), (*MASK, "z > 0", *_LEAKY)),
    ),
    Fault(
        "weighted_activation_skipped",
        "weighted_leaky",
        "dW1 = X.T @ dz",
        "dW1 = X.T @ dh",
        wrong="W1",
        facts=(("dz", "d loss / d z", *_LEAKY),),
    ),
    Fault(
        "weighted_sign",
        "weighted_leaky",
        "dscores = (probs - onehot) * w[:, None]",
        "dscores = (onehot - probs) * w[:, None]",
        wrong=_ALL,
        facts=(SIGN,),
    ),
)

_HUBER = "dout = np.where(small, r, self.delta * np.sign(r)) / m"
_HUBER_LINE = Line("L = np.where(small, 0.5 * r**2")
_ELU = "dz1 = da1 * np.where(z1 > 0, 1.0, self.alpha * np.exp(z1))"
_ELU_LINE = Line("return np.where(z > 0, z, self.alpha * (np.exp(z) - 1))")

HUBER_ELU = (
    Fault(
        "elu_alpha_missing",
        "huber_elu",
        _ELU,
        "dz1 = da1 * np.where(z1 > 0, 1.0, np.exp(z1))",
        wrong="W1 b1",
        facts=(("self.alpha", "alpha"),),
    ),
    Fault(
        "elu_itself_for_its_derivative",
        "huber_elu",
        _ELU,
        "dz1 = da1 * np.where(z1 > 0, 1.0, self.alpha * (np.exp(z1) - 1))",
        wrong="W1 b1",
        facts=(("subtracts 1", "- 1", "self.alpha * np.exp(z1)", "np.exp(z1) * self.alpha"),),
    ),
    Fault(
        "huber_delta_missing",
        "huber_elu",
        _HUBER,
        "dout = np.where(small, r, np.sign(r)) / m",
        wrong=_ALL,
        # That delta occurs in the forward pass's own lines explains nothing.
        facts=(
            ("by self.delta", "self.delta =", "1 / self.delta", "self.delta * np.sign(r)")
            + ("factor self.delta", "self.delta is missing", "self.delta times")
            + ("self.delta * (np.abs(r) - 0.5 * self.delta)",),
        ),
    ),
    Fault(
        "huber_not_divided",
        "huber_elu",
        _HUBER,
        "dout = np.where(small, r, self.delta * np.sign(r))",
        wrong=_ALL,
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "huber_sign_of_residual_missing",
        "huber_elu",
        _HUBER,
        "dout = np.where(small, r, self.delta) / m",
        wrong=_ALL,
        facts=(("np.sign(r)", "sign(r)", "np.abs(r)", "np.abs", "sign"),),
    ),
    Fault(
        "elu_skipped_for_bias",
        "huber_elu",
        'grads["b1"] = np.sum(dz1, axis=1, keepdims=True)',
        'grads["b1"] = np.sum(da1, axis=1, keepdims=True)',
        wrong="b1",
        facts=(("dz1", "d loss / d z1", "elu", _ELU_LINE),),
    ),
)

_KEPT = Line("hd = h * mask / keep")
_SOFTPLUS = ("softplus", "np.log(1 + np.exp(x))", Line("return np.log(1 + np.exp(x))"))
_PENALTY = Line("loss = data + reg")

SMOOTHED_DROPOUT = (
    Fault(
        "dropout_not_divided",
        "smoothed_dropout",
        "dh = dhd * mask / keep",
        "dh = dhd * mask",
        wrong="U c",
        facts=(("by keep", "keep =", "1 / keep", "keep times", "0.8 times", "dhd * mask / keep"),),
    ),
    Fault(
        "dropout_mask_missing",
        "smoothed_dropout",
        "dh = dhd * mask / keep",
        "dh = dhd / keep",
        wrong="U c",
        facts=(MASK, ("h * mask", "h * mask / keep", _KEPT)),
    ),
    Fault(
        "softplus_of_the_output",
        "smoothed_dropout",
        "da = dh * sigmoid(a)",
        "da = dh * sigmoid(h)",
        wrong="U c",
        facts=(("a belongs", "sigmoid(a)", "should be a", "not a"),),
    ),
    Fault(
        "softplus_derived_twice",
        "smoothed_dropout",
        "da = dh * sigmoid(a)",
        "da = dh * sigmoid(a) * (1 - sigmoid(a))",
        wrong="U c",
        facts=(("1 - sigmoid(a)", "(1 - sigmoid(a))", *_SOFTPLUS),),
    ),
    Fault(
        "dropout_forgotten_below",
        "smoothed_dropout",
        "dV = do.T.dot(hd)",
        "dV = do.T.dot(h)",
        wrong="V",
        facts=(("hd",),),
    ),
    Fault(
        "smoothed_l2_halved",
        "smoothed_dropout",
        'dU += 2 * reg * params["U"]',
        'dU += reg * params["U"]',
        wrong="U",
        facts=(HALF, ("reg * U", 'np.sum(params["U"] ** 2)', _PENALTY)),
    ),
    Fault(
        "smoothed_l2_missing",
        "smoothed_dropout",
        'dV += 2 * reg * params["V"]',
        "",
        at=("dV = do.T.dot(hd)",),
        wrong="V",
        facts=(("reg * V", 'np.sum(params["V"] ** 2)', _PENALTY),),
    ),
    Fault(
        "smoothing_forgotten",
        "smoothed_dropout",
        "do = (np.exp(logp) - target) / n",
        "do = (np.exp(logp) - (target > 0.5)) / n",
        wrong="U c V d",
        facts=(
            ("target is right", "where target belongs", "should be target", "target, not")
            + ("eps", "smoothed", Line("data = -np.mean")),
        ),
    ),
)

_BELOW = "W1 b1 W2 b2"
_INCOMING = ("dout", "incoming", "upstream", "multipl*")

CHAIN = (
    Fault(
        "chain_leaky_assigned",
        "chain",
        "dx[self.mask] *= self.slope",
        "dx[self.mask] = self.slope",
        wrong="W1 b1",
        facts=((*_INCOMING, "*=", "overwrit*", "times"),),
    ),
    Fault(
        "chain_bias_mean",
        "chain",
        "self.db = dout.sum(axis=0)",
        "self.db = dout.mean(axis=0)",
        wrong="b1 b2 b3",
        facts=(MEAN, SUM),
    ),
    Fault(
        "chain_sigmoid_alone",
        "chain",
        "return dout * self.out * (1 - self.out)",
        "return self.out * (1 - self.out)",
        wrong=_BELOW,
        facts=(_INCOMING,),
    ),
    Fault(
        "chain_not_divided",
        "chain",
        "return d / self.n",
        "return d",
        at=("return d", "d[range(self.n), self.y] -= 1"),
        wrong=f"{_BELOW} W3 b3",
        facts=(DIVIDED, (*COUNT, "self.n")),
    ),
)

FAULTS = (*WEIGHTED_LEAKY, *HUBER_ELU, *SMOOTHED_DROPOUT, *CHAIN)
