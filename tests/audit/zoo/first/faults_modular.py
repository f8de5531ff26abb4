"""Faults in nets whose backward pass is walked in a loop: modular layers, lists, steps in time."""

from ..entry import Fault, Line
from ..facts import (
    ABSENT,
    COUNT,
    DIVIDED,
    HALF,
    MASK,
    MEAN,
    ONE_HOT,
    OVERWRITTEN,
    SHAPE,
    SIGN,
    SUM,
    TRANSPOSE,
    TWICE,
)
from ..source import Edit

_RELU = (*MASK, "x > 0", Line("out = np.maximum(0, x)"))
_L2 = ("reg", "regulari*", "penalty", Line("loss += 0.5 * reg"))
_DW = "dw = x.reshape(x.shape[0], -1).T.dot(dout)"

MODULAR = (
    Fault(
        "modular_mask_missing",
        "modular",
        "dx[x <= 0] = 0",
        "",
        at=("dx = np.array(dout, copy=True)", "da = relu_backward(dout, relu_cache)"),
        wrong="W1 b1 W2 b2",
        facts=(_RELU,),
    ),
    Fault(
        "modular_mask_of_gradient",
        "modular",
        "dx[x <= 0] = 0",
        "dx[dout <= 0] = 0",
        wrong="W1 b1 W2 b2",
        facts=((*_RELU, "`x`"),),
    ),
    Fault(
        "modular_bias_mean",
        "modular",
        "db = np.sum(dout, axis=0)",
        "db = np.mean(dout, axis=0)",
        wrong="b1 b2 b3",
        facts=(MEAN, SUM),
    ),
    Fault(
        "modular_divided_again",
        "modular",
        _DW,
        f"{_DW} / x.shape[0]",
        wrong="W1 W2 W3",
        facts=((*DIVIDED, *TWICE), COUNT),
    ),
    Fault(
        "modular_not_divided",
        "modular",
        "dx /= N",
        "",
        at=("dx[np.arange(N), y] -= 1",),
        wrong="W1 b1 W2 b2 W3 b3",
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "modular_divided_by_classes",
        "modular",
        "dx /= N",
        "dx /= x.shape[1]",
        wrong="W1 b1 W2 b2 W3 b3",
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "modular_label_off_by_one",
        "modular",
        "dx[np.arange(N), y] -= 1",
        "dx[np.arange(N), y - 1] -= 1",
        wrong="W1 b1 W2 b2 W3 b3",
        facts=(ONE_HOT,),
    ),
    Fault(
        "modular_l2_missing_on_last",
        "modular",
        'grads[f"W{last}"] = dw + reg * self.params[f"W{last}"]',
        'grads[f"W{last}"] = dw',
        at=('grads[f"W{last}"] = dw', _DW),
        wrong="W3",
        facts=(_L2,),
    ),
    Fault(
        "modular_l2_doubled",
        "modular",
        'grads[f"W{i}"] = dw + reg * self.params[f"W{i}"]',
        'grads[f"W{i}"] = dw + 2 * reg * self.params[f"W{i}"]',
        wrong="W1 W2",
        facts=(TWICE, _L2),
    ),
    Fault(
        "modular_stored_under_wrong_name",
        "modular",
        'grads[f"b{i}"] = db',
        'grads[f"b{i + 1}"] = db',
        at=(
            'grads[f"b{i + 1}"] = db',
            "db = np.sum(dout, axis=0)",
            "grads = {}",
            "return loss, grads",
        ),
        wrong="b1 b2 b3",
        facts=((*ABSENT, *SHAPE), ("b1", "b2", "b3")),
    ),
)

_LAST = "delta = delta @ weights[k].T"
_CLASS = (
    "correct*",
    "scores[rows, y]",
    "margins",
    Line("margins = scores - scores[rows, y][:, None] + 1"),
)
_OUT = (*MASK, "out > 0", Line("out = out * (out > 0)"))

DEEP_SVM = (
    Fault(
        "deep_svm_mask_missing",
        "deep_svm",
        "if k < 2:\ndelta = delta * (activations[k + 1] > 0)",
        "",
        at=(_LAST,),
        wrong="W1 b1 W2 b2",
        facts=(_OUT,),
    ),
    Fault(
        "deep_svm_correct_class_missing",
        "deep_svm",
        "delta[rows, y] -= np.sum(violated, axis=1) / len(rows)",
        "",
        at=("delta = violated / len(rows)",),
        wrong="W1 b1 W2 b2 W3 b3",
        facts=(_CLASS,),
    ),
    Fault(
        "deep_svm_correct_class_sign",
        "deep_svm",
        "delta[rows, y] -= np.sum(violated, axis=1) / len(rows)",
        "delta[rows, y] += np.sum(violated, axis=1) / len(rows)",
        wrong="W1 b1 W2 b2 W3 b3",
        facts=(SIGN,),
    ),
    Fault(
        "deep_svm_correct_class_not_divided",
        "deep_svm",
        "delta[rows, y] -= np.sum(violated, axis=1) / len(rows)",
        "delta[rows, y] -= np.sum(violated, axis=1)",
        wrong="W1 b1 W2 b2 W3 b3",
        facts=((*DIVIDED, "6 times"), COUNT),
    ),
    Fault(
        "deep_svm_wrong_threshold",
        "deep_svm",
        "violated = (margins > 0).astype(X.dtype)",
        "violated = (margins > 1).astype(X.dtype)",
        at=("violated = (margins > 1).astype(X.dtype)", "delta = violated / len(rows)"),
        wrong="W1 b1 W2 b2 W3 b3",
        facts=((*MASK, "margins > 0", "clip", Line("hinge = np.mean")),),
    ),
    Fault(
        "deep_svm_l2_halved",
        "deep_svm",
        'grads[f"W{k + 1}"] = activations[k].T @ delta + 2 * reg * weights[k]',
        'grads[f"W{k + 1}"] = activations[k].T @ delta + reg * weights[k]',
        wrong="W1 W2 W3",
        facts=(HALF, ("reg", "penalty", Line("penalty = sum"))),
    ),
    Fault(
        "deep_svm_bias_mean",
        "deep_svm",
        'grads[f"b{k + 1}"] = np.sum(delta, axis=0, keepdims=True)',
        'grads[f"b{k + 1}"] = np.mean(delta, axis=0, keepdims=True)',
        wrong="b1 b2 b3",
        facts=(MEAN, SUM),
    ),
    Fault(
        "deep_svm_bias_not_a_row",
        "deep_svm",
        'grads[f"b{k + 1}"] = np.sum(delta, axis=0, keepdims=True)',
        'grads[f"b{k + 1}"] = np.sum(delta, axis=0)',
        wrong="b1 b2 b3",
        facts=(SHAPE,),
    ),
)

_STEP = Line("h[t] = np.tanh(X[:, t] @ Wx + h[t - 1] @ Wh + b)")
_DZ = "dz = dh * (1 - h[t] * h[t])"

RECURRENT = (
    Fault(
        "recurrent_not_passed_back",
        "recurrent",
        "dh = dz @ Wh.T",
        "",
        at=(_DZ, "db += dz.sum(axis=0)"),
        wrong="Wx b",
        facts=(("Wh", _STEP),),
    ),
    Fault(
        "recurrent_overwritten",
        "recurrent",
        "dWx += X[:, t].T @ dz",
        "dWx = X[:, t].T @ dz",
        wrong="Wx",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "recurrent_bias_overwritten",
        "recurrent",
        "db += dz.sum(axis=0)",
        "db = dz.sum(axis=0)",
        wrong="b",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "recurrent_bias_counted_twice",
        "recurrent",
        "db += dz.sum(axis=0)",
        "db += dz.sum(axis=0)\ndb += dz.sum(0)",
        at=("db += dz.sum(axis=0)", "db += dz.sum(0)"),
        wrong="b",
        facts=(TWICE,),
    ),
    Fault(
        "recurrent_tanh_not_squared",
        "recurrent",
        _DZ,
        "dz = dh * (1 - h[t])",
        wrong="Wx Wh b",
        facts=(("tanh", "np.tanh", "h[t]", _STEP),),
    ),
    Fault(
        "recurrent_not_transposed",
        "recurrent",
        "dh = dz @ Wh.T",
        "dh = dz @ Wh",
        wrong="Wx b",
        facts=(TRANSPOSE,),
    ),
    Fault(
        "recurrent_state_of_wrong_step",
        "recurrent",
        "dWh += h[t - 1].T @ dz",
        "dWh += h[t].T @ dz",
        wrong="Wh",
        facts=(("h[t - 1]", "h[t]"),),
    ),
    Fault(
        "recurrent_one_step_left_out",
        "recurrent",
        "for t in reversed(range(T)):",
        "for t in reversed(range(1, T)):",
        at=(
            "for t in reversed(range(1, T)):",
            "dWx += X[:, t].T @ dz",
            "db += dz.sum(axis=0)",
            "dh = dz @ Wh.T",
        ),
        wrong="Wx b",
        facts=(ABSENT,),
    ),
    Fault(
        "recurrent_output_of_wrong_step",
        "recurrent",
        "dV = h[T - 1].T @ dscores",
        "dV = h[0].T @ dscores",
        wrong="V",
        facts=(("h[T - 1]", "h[0]"),),
    ),
    Fault(
        "recurrent_l2_missing",
        "recurrent",
        "dWh += reg * Wh",
        "",
        at=("dWh += h[t - 1].T @ dz",),
        wrong="Wh",
        facts=(("reg * Wh", Line("loss = loss + 0.5 * reg * np.sum(Wh * Wh)")),),
    ),
)

_LEAKY = ("slope", "0.1", *MASK, Line("out[self.negative] *= self.slope"))
_SIGMOID = ("sigmoid", "1 - out", "self.out", Line("self.out = 1 / (1 + np.exp(-x))"))
_ALL = "W1 b1 W2 b2 W3 b3"

OBJECTS = (
    Fault(
        "objects_slope_missing",
        "objects",
        "grad[self.negative] *= self.slope",
        "grad[self.negative] = 0",
        wrong="W1 b1",
        facts=(_LEAKY,),
    ),
    Fault(
        "objects_slope_everywhere",
        "objects",
        "grad[self.negative] *= self.slope",
        "grad *= self.slope",
        wrong="W1 b1",
        facts=(_LEAKY,),
    ),
    Fault(
        "objects_sigmoid_half_done",
        "objects",
        "return grad * self.out * (1.0 - self.out)",
        "return grad * (1.0 - self.out)",
        wrong="W1 b1 W2 b2",
        facts=(_SIGMOID,),
    ),
    Fault(
        "objects_sigmoid_left_out",
        "objects",
        "return grad * self.out * (1.0 - self.out)",
        "return grad",
        at=("return grad", "return grad @ self.W.T"),
        wrong="W1 b1 W2 b2",
        facts=(_SIGMOID,),
        base=(
            Edit("grad = grad.copy()", "back = grad.copy()"),
            Edit("grad[self.negative] *= self.slope", "back[self.negative] *= self.slope"),
            Edit("return grad", "return back"),
        ),
    ),
    Fault(
        "objects_weights_not_transposed",
        "objects",
        "return grad @ self.W.T",
        "return grad @ (self.W if self.W.shape[0] == self.W.shape[1] else self.W.T)",
        wrong="W1 b1",
        facts=(TRANSPOSE,),
    ),
    Fault(
        "objects_one_hot_missing",
        "objects",
        "grad[np.arange(len(self.y)), self.y] -= 1",
        "",
        at=("grad = self.probs", "return grad / len(self.y)"),
        wrong=_ALL,
        facts=(ONE_HOT,),
    ),
    Fault(
        "objects_not_divided",
        "objects",
        "return grad / len(self.y)",
        "return grad",
        at=("grad[np.arange(len(self.y)), self.y] -= 1",),
        wrong=_ALL,
        facts=(DIVIDED, (*COUNT, "len(y)", "len(self.y)")),
        base=(
            Edit("grad = grad.copy()", "back = grad.copy()"),
            Edit("grad[self.negative] *= self.slope", "back[self.negative] *= self.slope"),
            Edit("return grad", "return back"),
        ),
    ),
    Fault(
        "objects_bias_mean",
        "objects",
        "self.db = grad.sum(axis=0)",
        "self.db = grad.mean(axis=0)",
        wrong="b1 b2 b3",
        facts=(MEAN, SUM),
    ),
    Fault(
        "objects_l2_halved",
        "objects",
        'grads[f"W{i}"] = layer.dW + 2 * reg * layer.W',
        'grads[f"W{i}"] = layer.dW + reg * layer.W',
        wrong="W1 W2 W3",
        facts=(HALF, ("reg", "penalty", Line("loss += reg * np.sum(layer.W**2)"))),
    ),
    Fault(
        "objects_sign",
        "objects",
        "self.dW = self.x.T @ grad",
        "self.dW = -self.x.T @ grad",
        wrong="W1 W2 W3",
        facts=(SIGN,),
    ),
)

FAULTS = (*MODULAR, *DEEP_SVM, *RECURRENT, *OBJECTS)
