"""Faults along a sequence: attention, and an LSTM."""

from ..entry import Fault, Line
from ..facts import DIVIDED, OVERWRITTEN, TRANSPOSE

_DSCORES = "dscores = att * (datt - np.sum(datt * att, axis=-1, keepdims=True))"
_BELOW = "Wq Wk"
_NORMALISED = (
    "softmax",
    "normali*",
    "np.sum(ex, axis=-1, keepdims=True)",
    "np.sum(datt * att*",
    Line("return ex / np.sum(ex, axis=-1, keepdims=True)"),
)
_ENTRIES_OF_OUT = ("out.size", "20", "mean", "x.shape[1]", "out.shape[1]", "target.shape[1]")

ATTENTION = (
    Fault(
        "attention_scale_forgotten",
        "attention",
        "dscores = np.where(future, 0, dscores) / np.sqrt(dk)",
        "dscores = np.where(future, 0, dscores)",
        wrong=_BELOW,
        facts=(("sqrt(dk)", "np.sqrt(dk)", Line("scores = q @ k.T / np.sqrt(dk)")),),
    ),
    Fault(
        "attention_keys_not_transposed",
        "attention",
        "dk_ = dscores.T @ q",
        "dk_ = dscores @ q",
        wrong="Wk",
        facts=((*TRANSPOSE, "dscores.T"),),
    ),
    Fault(
        "attention_softmax_axis",
        "attention",
        _DSCORES,
        "dscores = att * (datt - np.sum(datt * att, axis=0, keepdims=True))",
        wrong=_BELOW,
        facts=(("axis",), ("axis 1", "axis -1", "axis=-1", "axis=1", "last axis")),
    ),
    Fault(
        "attention_softmax_by_entries",
        "attention",
        _DSCORES,
        "dscores = att * (1 - att) * datt",
        wrong=_BELOW,
        facts=(_NORMALISED,),
    ),
    Fault(
        "attention_values_not_transposed",
        "attention",
        "dv = att.T @ dctx",
        "dv = att @ dctx",
        wrong="Wv",
        facts=((*TRANSPOSE, "att.T"),),
    ),
    Fault(
        "attention_divided_by_steps",
        "attention",
        "dout = 2 * (out - target) / out.size",
        "dout = 2 * (out - target) / T",
        wrong="Wq Wk Wv Wo",
        facts=(
            (*DIVIDED, "4 times"),
            _ENTRIES_OF_OUT,
        ),
    ),
)

_CELL_LINE = Line("c = f * c_prev + i * g")
_CELL = ("f * c_prev", "c_prev", "dc", _CELL_LINE)
_ALL = "Wx Wh b"

LSTM = (
    Fault(
        "lstm_cell_not_passed_on",
        "lstm",
        "dc = dc + dh * o * (1 - tc**2)",
        "dc = dh * o * (1 - tc**2)",
        wrong=_ALL,
        facts=(
            (*_CELL, "next step", "later step*"),
            ("added", "add", "lost", "missing", "dropped", "counted", "other use", "overwrit*"),
        ),
    ),
    Fault(
        "lstm_tanh_of_old_cell",
        "lstm",
        "dc = dc + dh * o * (1 - tc**2)",
        "dc = dc + dh * o * (1 - c_prev**2)",
        wrong=_ALL,
        facts=(("tc", "np.tanh(c)"),),
    ),
    Fault(
        "lstm_wrong_gate",
        "lstm",
        "dc_prev = dc * f",
        "dc_prev = dc * i",
        wrong=_ALL,
        facts=(("f belongs", "dc * f", "should be f", "of f * c_prev", _CELL_LINE),),
    ),
    Fault(
        "lstm_sigmoid_half_done",
        "lstm",
        "dz = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])",
        "dz = np.hstack([di * i * (1 - i), df * f * (1 - f), do * (1 - o), dg * (1 - g**2)])",
        wrong=_ALL,
        facts=(
            ("sigmoid", "o * (1 - o)", "by o", "factor o", "times o", "o is missing")
            + (Line("return 1 / (1 + np.exp(-z))"),),
        ),
    ),
    Fault(
        "lstm_not_accumulated",
        "lstm",
        'grads["Wh"] = grads["Wh"] + dWh',
        'grads["Wh"] = dWh',
        wrong="Wh",
        facts=(OVERWRITTEN,),
    ),
    Fault(
        "lstm_state_not_passed_on",
        "lstm",
        "dh_prev = np.dot(dz, Wh.T)",
        "dh_prev = np.zeros_like(dh)",
        wrong=_ALL,
        facts=(
            ("through np.dot(h_prev, Wh)", "of np.dot(h_prev, Wh)", "Wh.T", "zero*")
            + (Line("z = np.dot(x, Wx) + np.dot(h_prev, Wh) + b"),),
        ),
    ),
)

FAULTS = (*ATTENTION, *LSTM)
