"""Faults in two-layer nets of less usual style: samples in columns, and one sample at a time."""

from ..entry import Fault, Line
from ..facts import (
    AXIS,
    COUNT,
    DIVIDED,
    MASK,
    ONE_HOT,
    OVERWRITTEN,
    PENALTY,
    SHAPE,
    SIGN,
    TRANSPOSE,
)
from ..net import Sizes

_TANH = ("tanh", "np.tanh", Line("A1 = np.tanh(Z1)"))
_DZ1 = "dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))"

COLUMNS = (
    Fault(
        "columns_tanh_not_squared",
        "columns",
        _DZ1,
        "dZ1 = np.dot(W2.T, dZ2) * (1 - A1)",
        wrong="W1 b1",
        facts=(_TANH,),
    ),
    Fault(
        "columns_sigmoid_for_tanh",
        "columns",
        _DZ1,
        "dZ1 = np.dot(W2.T, dZ2) * A1 * (1 - A1)",
        wrong="W1 b1",
        facts=(_TANH,),
    ),
    Fault(
        "columns_tanh_missing",
        "columns",
        _DZ1,
        "dZ1 = np.dot(W2.T, dZ2)",
        wrong="W1 b1",
        facts=(_TANH,),
    ),
    Fault(
        "columns_tanh_of_input",
        "columns",
        _DZ1,
        'dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(cache["Z1"], 2))',
        wrong="W1 b1",
        facts=((*_TANH, "A1"),),
    ),
    Fault(
        "columns_not_transposed",
        "columns",
        _DZ1,
        "dZ1 = np.dot(W2, dZ2) * (1 - np.power(A1, 2))",
        wrong="W1 b1",
        facts=(TRANSPOSE,),
        sizes=Sizes(H=3, C=3),
    ),
    Fault(
        "columns_bias_not_divided",
        "columns",
        "db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)",
        "db2 = np.sum(dZ2, axis=1, keepdims=True)",
        wrong="b2",
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "columns_penalty_not_divided",
        "columns",
        "dW2 = 1 / m * np.dot(dZ2, A1.T) + reg / m * W2",
        "dW2 = 1 / m * np.dot(dZ2, A1.T) + reg * W2",
        wrong="W2",
        facts=(
            ("6 times", "m", *DIVIDED),
            (*PENALTY, "np.square", Line('penalty = np.sum(np.square(parameters["W1"]))')),
        ),
    ),
    Fault(
        "columns_hidden_for_input",
        "columns",
        "dW1 = 1 / m * np.dot(dZ1, X.T) + reg / m * W1",
        "dW1 = 1 / m * np.dot(dZ1, A1.T) + reg / m * W1",
        wrong="W1",
        facts=(("X", "X.T"),),
        sizes=Sizes(D=5, H=5),
    ),
    Fault(
        "columns_bias_axis",
        "columns",
        "db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)",
        "db1 = 1 / m * np.sum(dZ1, axis=0, keepdims=True)",
        wrong="b1",
        facts=((*AXIS, *SHAPE),),
    ),
    Fault(
        "columns_sign",
        "columns",
        "dZ2 = A2 - Y",
        "dZ2 = Y - A2",
        wrong="W1 b1 W2 b2",
        facts=(SIGN,),
    ),
)

_DH = "dh = np.where(h > 0, da, 0)"
_LOOP_RELU = (*MASK, "h > 0", Line("a = np.maximum(h, 0)"))

SAMPLE_LOOPS = (
    Fault(
        "samples_weights_overwritten",
        "sample_loops",
        "dW2 += np.outer(a, ds)",
        "dW2 = np.outer(a, ds)",
        wrong="W2",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "samples_bias_overwritten",
        "sample_loops",
        "db1 += dh",
        "db1 = dh",
        at=("db1 = dh", _DH, "db1 = db1 / N"),
        wrong="b1",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "samples_stale",
        "sample_loops",
        "dW1 += np.outer(X[i], dh)",
        "dW1 += np.outer(X[i], da)",
        wrong="W1",
        facts=((*_LOOP_RELU, "dh"),),
    ),
    Fault(
        "samples_transposed",
        "sample_loops",
        "dW2 += np.outer(a, ds)",
        "dW2 += np.outer(ds, a)",
        wrong="W2",
        facts=(TRANSPOSE,),
        sizes=Sizes(H=3, C=3),
    ),
    Fault(
        "samples_not_divided",
        "sample_loops",
        "dW1 = dW1 / N + reg * W1",
        "dW1 = dW1 + reg * W1",
        at=("dW1 = dW1 + reg * W1", "dW1 += np.outer(X[i], dh)"),
        wrong="W1",
        facts=(DIVIDED, COUNT),
    ),
    Fault(
        "samples_penalty_divided",
        "sample_loops",
        "dW1 = dW1 / N + reg * W1",
        "dW1 = (dW1 + reg * W1) / N",
        wrong="W1",
        facts=(PENALTY, ("0.167 times", "1/6", "6", *DIVIDED)),
    ),
    Fault(
        "samples_label_of_another",
        "sample_loops",
        "ds[y[i]] -= 1",
        "ds[y[i - 1]] -= 1",
        wrong="W1 b1 W2",
        facts=((*ONE_HOT, "y[i]"),),
    ),
    Fault(
        "samples_one_hot_missing",
        "sample_loops",
        "ds[y[i]] -= 1",
        "",
        at=("ds = p.copy()",),
        wrong="W1 b1 W2 b2",
        facts=((*ONE_HOT, "p[y[i]]"),),
    ),
    Fault(
        "samples_first_input_only",
        "sample_loops",
        "dW1 += np.outer(X[i], dh)",
        "dW1 += np.outer(X[0], dh)",
        wrong="W1",
        facts=(("X[i]", "X[0]", "sample*", "row*"),),
    ),
    Fault(
        "samples_mask_always_true",
        "sample_loops",
        _DH,
        "dh = np.where(a >= 0, da, 0)",
        wrong="W1 b1",
        facts=(_LOOP_RELU,),
    ),
)

FAULTS = (*COLUMNS, *SAMPLE_LOOPS)
