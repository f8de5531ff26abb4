"""The derived source of the nets of the field: right, and as a lecturer would write it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.emit import nets
from tests.emit.generated import assert_same, compiled
from tests.emit.nets import NETS


def derived(f: Any) -> str:
    args, wrt = NETS[f]
    return tg.derive(f, *args, wrt=wrt)


def parts(text: str) -> tuple[list[str], list[str]]:
    """The forward and the backward statements, without their comments."""
    lines = text[text.index("# forward") :].splitlines()
    code = [re.sub(r"\s*#(?! backward).*", "", line).strip() for line in lines]
    code = [line for line in code if line]
    middle = code.index("# backward")
    return code[:middle], code[middle + 1 :]


def backward(f: Any) -> str:
    """The backward statements but the return."""
    return "\n".join(parts(derived(f))[1][:-1])


@pytest.mark.parametrize("f", NETS, ids=lambda f: f.__name__)
def test_it_gives_what_autodiff_gives(f: Any) -> None:
    args, wrt = NETS[f]
    expected = tg.value_and_grad(f, wrt)(*args)
    assert_same(compiled(derived(f))(*args), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", NETS, ids=lambda f: f.__name__)
def test_nothing_is_left_of_the_machinery(f: Any) -> None:
    text = derived(f)
    for leftover in ("broadcast_to", "np.full", "np.s_", "np.float64(", "fromhex", "!= 0", " 0 + "):
        assert leftover not in text, leftover
    assert max(map(len, text.splitlines())) <= 100
    numbers = [int(n) for n in re.findall(r"^    t(\d+) = ", text, flags=re.MULTILINE)]
    assert numbers == sorted(numbers)
    assert {*numbers} == {*range(1, len({*numbers}) + 1)}


@pytest.mark.parametrize("f", NETS, ids=lambda f: f.__name__)
def test_every_backward_line_says_what_it_differentiates(f: Any) -> None:
    text = derived(f)
    lines = text.splitlines()
    start, end = lines.index("    # backward"), len(lines) - 1
    while not lines[end].startswith("    return"):
        end -= 1
    rest = lines[start + 1 : end]
    for above, line in zip(["", *rest], rest, strict=False):
        is_statement = line.startswith("    ") and not line.strip().startswith("#")
        assert not is_statement or "  of " in line or above.strip().startswith("# of "), line
    for name, numbers in re.findall(r"(\w+) \(lines? ([\d, and]+)\)", "\n".join(rest)):
        for number in re.findall(r"\d+", numbers):
            there = lines[int(number) - 1]
            assert int(number) <= start
            assert re.match(rf"    {name}(\[.*\])? [^=]?[^=]?= |    \)|    \]", there), there


@pytest.mark.parametrize("f", [nets.svm, nets.hinge])
def test_the_support_vector_machine_is_a_mask_a_count_and_a_subtraction(f: Any) -> None:
    text = derived(f)
    assert "    margins[np.arange(5), y] = 0  # (5, 3)\n" in text
    assert backward(f).splitlines() == [
        "dscores = (margins > 0) / 5",
        "dscores[np.arange(5), y] -= dscores.sum(axis=1)",
        "dW = X.T @ dscores + 2 * reg * W",
    ]
    assert "margins (lines " in text


def test_logistic_regressions_slope_is_p_minus_t() -> None:
    assert backward(nets.logistic).splitlines() == [
        "dz = (p - t) / 5",
        "db = dz.sum(keepdims=True)",
        "dw = X.T @ dz",
    ]


def test_a_softmax_by_hand_becomes_p_minus_onehot() -> None:
    assert backward(nets.softmax_by_hand).splitlines() == [
        "dscores = exp_scores / normaliser[:, None]",
        "dscores[np.arange(5), y] -= 1",
        "dscores /= 5",
        "db = dscores.sum(axis=0)",
        "dW = X.T @ dscores + reg * W",
    ]


def test_a_gather_of_log_probabilities_is_a_cross_entropy() -> None:
    assert "dscores[np.arange(5), y] -= 1" in backward(nets.gather)
    assert "add.at" not in backward(nets.gather)


def test_batch_norm_is_the_short_formula() -> None:
    assert backward(nets.batch_norm).splitlines() == [
        "dbeta = target.sum(axis=0)",
        "dgamma = np.sum(target * xhat, axis=0)",
        "dxhat = target * gamma",
        "dxmu = (dxhat - np.mean(dxhat * xhat, axis=0) * xhat) / std",
        "dx = dxmu - dxmu.mean(axis=0)",
    ]


def test_layer_norm_is_the_short_formula() -> None:
    text = backward(nets.layer_norm)
    assert "(dxhat - np.mean(dxhat * xhat, axis=1, keepdims=True) * xhat) / std" in text
    assert re.search(r"dx = (t\d) - \1\.mean\(axis=1, keepdims=True\)", text)


def test_slices_are_added_to() -> None:
    assert backward(nets.conv_by_slices).count("zeros") == 2
    assert "dx[1:7] += dout * w[1]" in backward(nets.conv_by_slices)
    assert backward(nets.lstm).count("zeros") == 1
    assert re.search(r"da\[:, 6:12\] \+= d?\w+", backward(nets.lstm))


def test_an_array_that_is_filled_is_made_where_it_is_filled() -> None:
    forward, _ = parts(derived(nets.conv_by_loop))
    assert forward[:2] == ["out = np.zeros(6)", "out[0] = np.sum(x[0:3] * w)"]
    assert ".copy()" not in derived(nets.conv_by_loop)
    assert backward(nets.conv_by_loop).startswith("dout = 2 * out\n")


def test_choices_stay_choices() -> None:
    assert re.search(r"np\.where\(t\d, r, np\.sign\(r\)\) / 5", backward(nets.huber))
    assert "dz = np.where(t1, dh, dh * t2)" in backward(nets.elu)


def test_attention_has_one_softmax_slope_and_its_mask_a_name() -> None:
    text = derived(nets.attention)
    assert text.count("causal = np.tril(np.ones((5, 5), dtype=np.bool))") == 1
    assert "attn * (dattn - np.sum(dattn * attn, axis=2, keepdims=True))" in text
    assert re.search(r"dk = t\d\.mT @ q", text)


def test_a_loops_gradients_are_called_after_its_values() -> None:
    text = backward(nets.rnn)
    for line in (
        "dscores_3[np.arange(5), labels_3] -= 1",
        "dh_3 = dscores_3 @ Wy.T",
        "dscores[np.arange(5), labels] -= 1",
        "dWy = h_3.T @ dscores_3 + h_2.T @ dscores_2 + h.T @ dscores",
    ):
        assert line in text


def test_a_loss_that_starts_at_0_starts_with_its_first_term() -> None:
    forward, _ = parts(derived(nets.rnn))
    assert [line.split(" ")[1] for line in forward if line.startswith("loss ")] == ["=", "+=", "+="]


def test_a_norm_is_a_root_and_its_slope_0_at_0() -> None:
    text = derived(nets.norm)
    assert "value = np.sqrt(t2)" in text
    args, _ = NETS[nets.norm]
    assert_same(compiled(text)(args[0] * 0, args[1]), (np.float64(0), args[0] * 0))


def test_an_error_has_the_name_of_the_predictions() -> None:
    assert backward(nets.mean_squares).splitlines() == ["dpred = 2 * t1 / 5", "dw = X.T @ dpred"]
