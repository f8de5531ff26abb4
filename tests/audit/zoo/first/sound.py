"""Sound programs, which must raise no alarm: other ways to write the same, and awkward data."""

import numpy as np

from ..entry import Sound
from ..net import Sizes
from ..source import Edit
from .nets import NETS

#: Every program as it stands.
PLAIN = tuple(Sound(name, name) for name in NETS)

_DH1 = "dh1 = da1 * (h1 > 0)"
_ONE_HOT = "onehot = np.zeros_like(probs)\nonehot[np.arange(N), y] = 1"
_DSCORES = "dscores = (probs - onehot) / N"
_HIDDEN = "hidden_layer = np.maximum(0, np.dot(X, W) + b)"


def _toy(name, *edits, **more):
    pairs = tuple(Edit(old, new) for old, new in edits)
    return Sound(f"toy_{name}", "toy_class", pairs, **more)


def _case(name, *edits, **more):
    pairs = tuple(Edit(old, new) for old, new in edits)
    return Sound(f"case_{name}", "case_study", pairs, **more)


#: Other ways to write the same.
STYLES = (
    _toy("mask_by_assignment", (_DH1, "dh1 = da1\ndh1[h1 <= 0] = 0")),
    _toy("mask_by_copy", (_DH1, "dh1 = da1.copy()\ndh1[a1 == 0] = 0")),
    _toy("mask_by_where", (_DH1, "dh1 = np.where(h1 > 0, da1, 0)")),
    _toy("mask_of_floats", (_DH1, "mask = (a1 > 0).astype(float)\ndh1 = np.multiply(da1, mask)")),
    _toy("mask_by_sign", (_DH1, "dh1 = da1 * np.sign(a1)")),
    _toy("mask_kink_included", (_DH1, "dh1 = da1 * (h1 >= 0)")),
    _toy("mask_by_function", (_DH1, "dh1 = da1 * np.heaviside(h1, 0)")),
    _toy("one_hot_by_eye", (_ONE_HOT, "onehot = np.eye(probs.shape[1])[y]")),
    _toy("one_hot_by_comparison", (_ONE_HOT, "onehot = y[:, None] == np.arange(probs.shape[1])")),
    _toy(
        "one_hot_in_loop",
        (_ONE_HOT, "onehot = np.zeros((N, b2.size))\nfor i in range(N):\n    onehot[i, y[i]] = 1"),
    ),
    _toy(
        "one_hot_as_a_list", (_ONE_HOT, "onehot = np.array([np.arange(b2.size) == c for c in y])")
    ),
    _toy(
        "scores_in_place",
        (_DSCORES, "dscores = probs\ndscores -= onehot\ndscores *= 1.0 / N"),
    ),
    _toy("sign_turned_twice", (_DSCORES, "dscores = -(onehot - probs) / N")),
    _toy("two_halves", ('grads["W2"] += 2 * reg * W2', 'grads["W2"] += reg * W2 * 4 * 0.5')),
    _toy(
        "penalty_in_two_parts",
        ('grads["W2"] += 2 * reg * W2', 'grads["W2"] += reg * W2\ngrads["W2"] += reg * W2'),
    ),
    _toy(
        "penalty_first",
        (
            'grads["W1"] = X.T.dot(dh1)\ngrads["b1"] = np.sum(dh1, axis=0)\n'
            'grads["W1"] += 2 * reg * W1',
            'grads["W1"] = 2 * reg * W1\ngrads["b1"] = np.sum(dh1, axis=0)\n'
            'grads["W1"] += X.T.dot(dh1)',
        ),
    ),
    _toy(
        "einsum",
        ('grads["W2"] = a1.T.dot(dscores)', 'grads["W2"] = np.einsum("nh,nc->hc", a1, dscores)'),
    ),
    _toy(
        "tensordot",
        ('grads["W1"] = X.T.dot(dh1)', 'grads["W1"] = np.tensordot(X, dh1, axes=(0, 0))'),
    ),
    _toy(
        "transposed_product",
        ('grads["W2"] = a1.T.dot(dscores)', 'grads["W2"] = dscores.T.dot(a1).T'),
    ),
    _toy(
        "bias_by_product",
        ('grads["b1"] = np.sum(dh1, axis=0)', 'grads["b1"] = np.ones(N).dot(dh1)'),
    ),
    _toy(
        "bias_by_mean",
        ('grads["b1"] = np.sum(dh1, axis=0)', 'grads["b1"] = N * np.mean(dh1, axis=0)'),
    ),
    _toy(
        "bias_in_loop",
        (
            'grads["b1"] = np.sum(dh1, axis=0)',
            'grads["b1"] = np.zeros(b1.shape)\nfor row in dh1:\n    grads["b1"] += row',
        ),
    ),
    _toy(
        "entry_by_entry",
        (
            'grads["W2"] = a1.T.dot(dscores)',
            'grads["W2"] = np.zeros(W2.shape)\n'
            "for j in range(W2.shape[0]):\n"
            "    for k in range(W2.shape[1]):\n"
            '        grads["W2"][j, k] = np.sum(a1[:, j] * dscores[:, k])',
        ),
    ),
    _toy(
        "divided_at_the_end",
        (_DSCORES, "dscores = probs - onehot"),
        (
            'grads["W1"] += 2 * reg * W1\ngrads["W2"] += 2 * reg * W2',
            "for name in grads:\n    grads[name] = grads[name] / N\n"
            'grads["W1"] += 2 * reg * W1\ngrads["W2"] += 2 * reg * W2',
        ),
    ),
    _toy(
        "more_than_asked_for",
        (
            'grads["b1"] = np.sum(dh1, axis=0)',
            'grads["b1"] = np.sum(dh1, axis=0)\ndX = dh1.dot(W1.T)',
        ),
    ),
    _toy(
        "dead_code",
        (_DH1, "wrong = dscores * N * 2\nunused = np.mean(wrong, axis=0)\n" + _DH1),
    ),
    _toy("wrong_then_mended", (_DH1, "dh1 = da1 * 3\ndh1 = dh1 * (h1 > 0) / 3")),
    _toy(
        "dropout_with_a_seed",
        (
            "a1 = np.maximum(0, h1)",
            "a1 = np.maximum(0, h1)\n"
            "kept = (np.random.RandomState(1).rand(*a1.shape) < 0.7) / 0.7\n"
            "a1 *= kept",
        ),
        (_DH1, "dh1 = da1 * kept * (h1 > 0)"),
    ),
    _toy(
        "leaky",
        ("a1 = np.maximum(0, h1)", "a1 = np.where(h1 > 0, h1, 0.1 * h1)"),
        (_DH1, "dh1 = da1 * np.where(h1 > 0, 1, 0.1)"),
    ),
    _toy(
        "log_of_a_little_more",
        (
            "loss = np.sum(-np.log(probs[np.arange(N), y])) / N",
            "loss = np.sum(-np.log(probs[np.arange(N), y] + 1e-12)) / N",
        ),
    ),
    _toy(
        "log_of_clipped",
        (
            "loss = np.sum(-np.log(probs[np.arange(N), y])) / N",
            "loss = -np.mean(np.log(np.clip(probs[np.arange(N), y], 1e-12, 1.0)))",
        ),
    ),
    _toy(
        "talkative",
        (
            "grads = {}",
            "accuracy = np.mean(np.argmax(scores, axis=1) == y)\n"
            'log = "loss %.3f accuracy %.2f" % (loss, accuracy)\n'
            'log += f" largest {float(np.max(probs)):.3f} {loss}"\n'
            "if np.isnan(loss) or not np.all(np.isfinite(probs)) or loss > 1e6:\n"
            "    raise ValueError(log)\n"
            "grads = {}",
        ),
    ),
    _toy(
        "written_with_out",
        (_DH1, "dh1 = np.empty_like(da1)\nnp.multiply(da1, h1 > 0, out=dh1)"),
    ),
    _toy(
        "gathered_by_labels",
        (
            f"{_ONE_HOT}\n{_DSCORES}",
            "dscores = probs / N\nnp.add.at(dscores, (np.arange(N), y), -1 / N)",
        ),
    ),
    _toy(
        "mask_by_indices",
        (_DH1, "dh1 = np.array(da1)\nrows, columns = np.nonzero(h1 <= 0)\ndh1[rows, columns] = 0"),
    ),
    _toy(
        "sums_over_stacked_rows",
        (
            'grads["b1"] = np.sum(dh1, axis=0)',
            'grads["b1"] = sum(dh1[i] for i in range(N))',
        ),
    ),
    _toy(
        "weights_and_bias_at_once",
        (
            'grads["W2"] = a1.T.dot(dscores)\ngrads["b2"] = np.sum(dscores, axis=0)',
            "both = np.hstack([a1, np.ones((N, 1))]).T.dot(dscores)\n"
            'grads["W2"], grads["b2"] = both[:-1], both[-1]',
        ),
    ),
    _toy(
        "whole_jacobian",
        (
            f"{_ONE_HOT}\n{_DSCORES}",
            "dscores = np.zeros_like(scores)\n"
            "for i in range(N):\n"
            "    s = probs[i].reshape(-1, 1)\n"
            "    jacobian = np.diagflat(s) - np.dot(s, s.T)\n"
            "    dp = np.zeros(probs.shape[1])\n"
            "    dp[y[i]] = -1 / probs[i, y[i]] / N\n"
            "    dscores[i] = jacobian.dot(dp)",
        ),
    ),
    _case("columns_of_memory", (_HIDDEN, f"X = np.asfortranarray(X)\n{_HIDDEN}")),
    _case(
        "relu_in_place",
        (_HIDDEN, "hidden_layer = np.dot(X, W) + b\nhidden_layer[hidden_layer < 0] = 0"),
    ),
    _case(
        "written_into",
        (
            "db2 = np.sum(dscores, axis=0, keepdims=True)",
            "db2 = np.zeros_like(b2)\ndb2[0] = np.sum(dscores, axis=0)",
        ),
    ),
    _case(
        "losses_by_list",
        (
            "correct_logprobs = -np.log(probs[range(N), y])",
            "correct_logprobs = np.array([-np.log(probs[i, y[i]]) for i in range(N)])",
        ),
    ),
    _case(
        "reshaped_bias",
        (
            "db = np.sum(dhidden, axis=0, keepdims=True)",
            "db = np.sum(dhidden, axis=0).reshape(b.shape)",
        ),
    ),
    Sound(
        "svm_subtracted_where_zero",
        "svm_matrix",
        (
            Edit(
                "binary[np.arange(num_train), y] = -row_sum",
                "binary[np.arange(num_train), y] -= row_sum",
            ),
        ),
    ),
    Sound(
        "norm_in_one_formula",
        "batch_norm",
        (
            Edit(
                "dh = dhmu + 1.0 / N * dmu",
                "dh = dhhat - np.mean(dhhat, axis=0) - hhat * np.mean(dhhat * hhat, axis=0)\n"
                "dh /= std",
            ),
        ),
    ),
    Sound(
        "regression_by_samples",
        "regression",
        (
            Edit("mse = np.mean(error**2)", "mse = 0.5 * np.sum(error**2) / len(X)"),
            Edit("dpred = 2 * error / error.size", "dpred = error / len(X)"),
        ),
    ),
)


def _zero_rows(case):
    case.X[:2] = 0
    for name in ("b", "b1"):
        if name in case.params:
            case.params[name][...] = 0


def _zero_weights(case):
    for value in case.params.values():
        value[...] = 0


def _zero_first_layer(case):
    case.params["W1"][...] = 0
    case.params["b1"][...] = 0


def _ties(case):
    W1, b1 = case.params["W1"], case.params["b1"]
    W1[:, 1::2], b1[1::2] = W1[:, ::2], b1[::2]


def _zero_filters(case):
    # All windows tie, but only just here.
    case.params["K"][...] = 0
    case.params["k"][...] = [0.3, 0.0]


def _margins_just_met(case):
    # Scores of 1 for the right class and 0 elsewhere: every margin is exactly 0.
    W = case.params["W"]
    W[...] = 0
    W[: W.shape[1]] = np.eye(W.shape[1])
    case.X[...] = 0
    case.X[np.arange(len(case.y)), case.y] = 1
    if "b" in case.params:
        case.params["b"][...] = 0


def _confident(case):
    # The right class wins by far: its probability rounds to 1, the loss is next to nothing.
    p = case.params
    p["W2"] *= 100
    case.y[...] = np.argmax(np.maximum(0, case.X @ p["W1"] + p["b1"]) @ p["W2"], axis=1)


def _large_inputs(case):
    case.X *= 1e4
    case.params["W1"] *= 1e-4


def _scaled(factor):
    def change(case):
        case.X *= factor

    return change


def _same_class(case):
    case.y[...] = 1


def _single(case):
    case.convert(np.float32)


def _single_by_columns(case):
    _single(case)
    case.params["W1"] = np.asfortranarray(case.params["W1"])


def _uneven(case):
    # Tiny parts of the gradient beside large ones.
    case.X[:, 0] *= 1e6
    case.X[:, 1] *= 1e-6
    case.params["W1"][0] *= 1e-6


def _as_images(case):
    case.X = case.X.reshape(len(case.X), 2, 2)


#: The same programs with data that are awkward.
DATA = (
    Sound("case_zero_rows", "case_study", change=_zero_rows, smooth=False),
    Sound("toy_zero_rows", "toy_class", change=_zero_rows, smooth=False),
    Sound(
        "toy_zero_rows_kink_included",
        "toy_class",
        (Edit(_DH1, "dh1 = da1 * (h1 >= 0)"),),
        change=_zero_rows,
        smooth=False,
    ),
    Sound("toy_zero_weights", "toy_class", change=_zero_weights, smooth=False),
    Sound("modular_zero_weights", "modular", change=_zero_weights, smooth=False),
    Sound("regression_zero_weights", "regression", change=_zero_weights, smooth=False),
    Sound("samples_zero_first_layer", "sample_loops", change=_zero_first_layer, smooth=False),
    Sound("maxout_ties", "maxout", change=_ties, smooth=False),
    Sound("conv_ties", "naive_conv", change=_zero_filters, smooth=False),
    Sound("svm_margins_just_met", "svm_matrix", change=_margins_just_met, smooth=False),
    Sound("svm_loops_margins_just_met", "svm_loops", change=_margins_just_met, smooth=False),
    Sound("toy_loss_of_nothing", "toy_class", change=_confident, reg=0.0),
    Sound("toy_loss_of_penalty", "toy_class", change=_confident),
    Sound("toy_tiny_gradients", "toy_class", change=_scaled(1e-8)),
    Sound("toy_large_gradients", "toy_class", change=_large_inputs),
    Sound("svm_large_gradients", "svm_matrix", change=_scaled(1e4)),
    Sound("logistic_tiny_gradients", "logistic", change=_scaled(1e-8)),
    Sound("toy_uneven_gradients", "toy_class", change=_uneven),
    Sound("toy_one_class", "toy_class", change=_same_class),
    Sound("svm_one_class", "svm_matrix", change=_same_class),
    Sound("case_single_precision", "case_study", change=_single),
    Sound("toy_single_precision", "toy_class", change=_single_by_columns),
    Sound("deep_single_precision", "deep", change=_single),
    Sound("samples_single_precision", "sample_loops", change=_single),
    Sound("svm_loops_single_precision", "svm_loops", change=_single),
    Sound("norm_single_precision", "batch_norm", change=_single),
    Sound("case_batch_of_one", "case_study", sizes=Sizes(N=1)),
    Sound("toy_batch_of_one", "toy_class", sizes=Sizes(N=1)),
    Sound("modular_batch_of_one", "modular", sizes=Sizes(N=1)),
    Sound("svm_loops_batch_of_one", "svm_loops", sizes=Sizes(N=1)),
    Sound("samples_batch_of_one", "sample_loops", sizes=Sizes(N=1)),
    Sound("toy_no_penalty", "toy_class", reg=0.0),
    Sound("deep_no_penalty", "deep", reg=0.0),
    Sound("case_all_square", "case_study", sizes=Sizes(N=4, D=4, H=4, C=4)),
    Sound("modular_images", "modular", change=_as_images),
    Sound("toy_class_never_seen", "toy_class", sizes=Sizes(N=4, C=6)),
)


SOUND = (*PLAIN, *STYLES, *DATA)
