"""Why a gradient is wrong: the classic mistakes are recognised, and mended by the correction.

Every program is written to a file, so that the correction can be put into its line and the program
audited again: with other data, and of another size.
"""

import itertools
import runpy
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.audit.zoo import FAULTS, NETS
from tests.audit.zoo.net import case, load

_FILES = itertools.count()


@dataclass(frozen=True)
class Mistake:
    """A single change of a sound program, and what is to be said of it.

    Attributes:
        program: the name of the sound program.
        right, wrong: the text that is changed, and what it is changed to.
        facts: what the explanation must say.
        mends: whether the correction must be there.
    """

    program: str
    right: str
    wrong: str
    facts: tuple[str, ...]
    mends: bool = True


PROGRAMS = {
    "weighted": """
        def f(params, X, y, weights, slope=0.1):
            W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
            N = X.shape[0]
            z = X @ W1 + b1
            h = np.where(z > 0, z, slope * z)
            s = h @ W2 + b2
            e = np.exp(s - s.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            w = weights[y]
            loss = -np.sum(w * np.log(p[np.arange(N), y])) / np.sum(w)
            ds = p.copy()
            ds[np.arange(N), y] -= 1
            ds = ds * w[:, None] / np.sum(w)
            dh = ds @ W2.T
            dz = np.where(z > 0, dh, slope * dh)
            dW1 = X.T @ dz
            db1 = dz.sum(axis=0)
            return loss, {"W1": dW1, "b1": db1, "W2": h.T @ ds, "b2": ds.sum(axis=0)}

        def inputs(seed=0, N=6):
            r = np.random.default_rng(seed)
            return (
                {"W1": r.normal(size=(4, 7)), "b1": r.normal(size=7),
                 "W2": r.normal(size=(7, 3)), "b2": r.normal(size=3)},
                r.normal(size=(N, 4)), r.integers(0, 3, size=N), np.array([1.0, 2.5, 0.5]),
            )
        """,
    "dropped": """
        def sigmoid(x):
            return 1 / (1 + np.exp(-x))

        def f(params, X, t, mask, keep=0.8, reg=0.05):
            U, c, V = params["U"], params["c"], params["V"]
            a = X.dot(U.T) + c
            h = np.log(1 + np.exp(a))
            hd = h * mask / keep
            o = np.tanh(hd.dot(V.T))
            loss = np.mean((o - t) ** 2)
            loss += reg * (np.sum(U**2) + np.sum(V**2))
            do = 2 * (o - t) / o.size
            dpre = do * (1 - o**2)
            dV = dpre.T.dot(hd)
            dhd = dpre.dot(V)
            dh = dhd * mask / keep
            da = dh * sigmoid(a)
            dU = da.T.dot(X)
            dc = np.sum(da, axis=0)
            dV += 2 * reg * V
            dU += 2 * reg * U
            return loss, {"U": dU, "c": dc, "V": dV}

        def inputs(seed=0, N=6):
            r = np.random.default_rng(seed)
            mask = (r.random((N, 7)) < 0.7).astype(float)
            return (
                {"U": r.normal(size=(7, 4)), "c": r.normal(size=7), "V": r.normal(size=(3, 7))},
                r.normal(size=(N, 4)), r.normal(size=(N, 3)), mask,
            )
        """,
    "huber": """
        def f(params, X, t, alpha=1.3, delta=0.7):
            W, v = params["W"], params["v"]
            m = len(X)
            z = X @ W
            a = np.where(z > 0, z, alpha * (np.exp(z) - 1))
            r = a @ v - t
            small = np.abs(r) <= delta
            L = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
            loss = np.sum(L) / m
            dr = np.where(small, r, delta * np.sign(r)) / m
            dv = a.T @ dr
            da = np.outer(dr, v)
            dz = da * np.where(z > 0, 1.0, alpha * np.exp(z))
            return loss, {"W": X.T @ dz, "v": dv}

        def inputs(seed=0, N=9):
            r = np.random.default_rng(seed)
            return (
                {"W": r.normal(size=(4, 5)), "v": 0.5 * r.normal(size=5)},
                r.normal(size=(N, 4)), 0.5 * r.normal(size=N),
            )
        """,
    "bag": """
        def f(params, tokens, t, lam=0.1):
            E, W = params["E"], params["W"]
            B, T = tokens.shape
            emb = E[tokens]
            bag = emb.mean(axis=1)
            r = np.maximum(bag @ W, 0) - t
            loss = 0.5 * np.sum(r**2) / B + 0.5 * lam * np.sum(E**2)
            grads = {k: np.zeros_like(v) for k, v in params.items()}
            dr = r / B
            dz = dr * (bag @ W > 0)
            grads["W"] += bag.T @ dz
            dbag = dz @ W.T
            demb = np.repeat(dbag[:, None, :], T, axis=1) / T
            np.add.at(grads["E"], tokens, demb)
            grads["E"] += lam * E
            return loss, grads

        def inputs(seed=0, N=6):
            r = np.random.default_rng(seed)
            tokens = r.integers(0, 9, size=(N, 5))
            params = {"E": r.normal(size=(9, 4)), "W": r.normal(size=(4, 3))}
            return params, tokens, r.normal(size=(N, 3))
        """,
    "attention": """
        def f(params, x, t):
            Wq, Wk, Wv = params["Wq"], params["Wk"], params["Wv"]
            dk = Wq.shape[1]
            q, k, v = x @ Wq, x @ Wk, x @ Wv
            s = q @ k.T / np.sqrt(dk)
            e = np.exp(s - s.max(axis=-1, keepdims=True))
            att = e / e.sum(axis=-1, keepdims=True)
            out = att @ v
            loss = np.mean((out - t) ** 2)
            dout = 2 * (out - t) / out.size
            datt = dout @ v.T
            dv = att.T @ dout
            ds = att * (datt - np.sum(datt * att, axis=-1, keepdims=True)) / np.sqrt(dk)
            dq = ds @ k
            dkey = ds.T @ q
            return loss, {"Wq": x.T @ dq, "Wk": x.T @ dkey, "Wv": x.T @ dv}

        def inputs(seed=0, N=5):
            r = np.random.default_rng(seed)
            params = {name: r.normal(size=(4, 3)) for name in ("Wq", "Wk", "Wv")}
            return params, r.normal(size=(N, 4)), r.normal(size=(N, 3))
        """,
    "bilinear": """
        def f(params, A, B, t):
            M = params["M"]
            s = np.einsum("ni,kij,nj->nk", A, M, B)
            d = s - t
            loss = 0.5 * np.sum(d**2)
            dM = np.einsum("nk,ni,nj->kij", d, A, B)
            return loss, {"M": dM}

        def inputs(seed=0, N=6):
            r = np.random.default_rng(seed)
            return (
                {"M": r.normal(size=(3, 4, 4))}, r.normal(size=(N, 4)), r.normal(size=(N, 4)),
                r.normal(size=(N, 3)),
            )
        """,
    "norm": """
        def back(dout, cache):
            xhat, istd, gamma = cache
            D = xhat.shape[-1]
            dgamma = np.sum(dout * xhat, axis=0)
            dxhat = dout * gamma
            s1 = np.sum(dxhat, axis=-1, keepdims=True)
            s2 = np.sum(dxhat * xhat, axis=-1, keepdims=True)
            dx = (D * dxhat - s1 - xhat * s2) * istd / D
            return dx, dgamma

        def f(params, x, t):
            E, gamma = params["E"], params["gamma"]
            h = x @ E
            c = h - np.mean(h, axis=-1, keepdims=True)
            istd = 1.0 / np.sqrt(np.mean(c**2, axis=-1, keepdims=True) + 1e-5)
            xhat = c * istd
            diff = np.tanh(xhat * gamma) + h - t
            loss = 0.5 * np.mean(np.sum(diff**2, axis=1))
            dy = diff / x.shape[0]
            dn = dy * (1 - np.tanh(xhat * gamma) ** 2)
            dh, dgamma = back(dn, (xhat, istd, gamma))
            dh = dh + dy
            return loss, {"E": x.T @ dh, "gamma": dgamma}

        def inputs(seed=0, N=6):
            r = np.random.default_rng(seed)
            return (
                {"E": r.normal(size=(4, 5)), "gamma": r.normal(size=5)},
                r.normal(size=(N, 4)), r.normal(size=(N, 5)),
            )
        """,
    "hinge": """
        def f(params, X, y, reg=0.1):
            W = params["W"]
            N = X.shape[0]
            S = X.dot(W)
            margins = np.maximum(0, S - S[np.arange(N), y].reshape(-1, 1) + 1)
            margins[np.arange(N), y] = 0
            loss = margins.sum() / N + reg * np.sum(W * W)
            dS = (margins > 0).astype(float)
            dS[np.arange(N), y] -= dS.sum(axis=1)
            dS /= N
            return loss, {"W": X.T.dot(dS) + 2 * reg * W}

        def inputs(seed=0, N=7):
            r = np.random.default_rng(seed)
            return {"W": r.normal(size=(4, 3))}, r.normal(size=(N, 4)), r.integers(0, 3, size=N)
        """,
    "steps": """
        def step_back(dh, cache):
            x, before, h, Wh = cache
            dz = dh * (1 - h * h)
            return dz @ Wh.T, x.T @ dz, before.T @ dz

        def f(params, x, t):
            Wx, Wh = params["Wx"], params["Wh"]
            N, T, _ = x.shape
            h = np.zeros((N, Wh.shape[0]))
            caches = []
            for s in range(T):
                before = h
                h = np.tanh(x[:, s] @ Wx + before @ Wh)
                caches.append((x[:, s], before, h, Wh))
            loss = 0.5 * np.sum((h - t) ** 2) / N
            dh = (h - t) / N
            grads = {"Wx": 0, "Wh": 0}
            for cache in reversed(caches):
                dh, dWx, dWh = step_back(dh, cache)
                grads["Wx"] = grads["Wx"] + dWx
                grads["Wh"] = grads["Wh"] + dWh
            return loss, grads

        def inputs(seed=0, N=4):
            r = np.random.default_rng(seed)
            return (
                {"Wx": r.normal(size=(3, 5)), "Wh": r.normal(size=(5, 5))},
                r.normal(size=(N, 3, 3)), r.normal(size=(N, 5)),
            )
        """,
    "pool": """
        def f(params, x, t):
            W = params["W"]
            N = x.shape[0]
            z = x @ W
            pooled = z.reshape(N, -1, 2).mean(axis=2)
            d = pooled - t
            loss = 0.5 * np.sum(d**2)
            dpooled = d
            dz = np.repeat(dpooled, 2, axis=1) / 2
            return loss, {"W": x.T @ dz}

        def inputs(seed=0, N=5):
            r = np.random.default_rng(seed)
            return {"W": r.normal(size=(3, 8))}, r.normal(size=(N, 3)), r.normal(size=(N, 4))
        """,
    "leaky": """
        def f(params, x, t, slope=0.2):
            W = params["W"]
            z = x @ W
            mask = z < 0
            a = z.copy()
            a[mask] *= slope
            d = a - t
            loss = 0.5 * np.sum(d**2)
            dz = d.copy()
            dz[mask] *= slope
            return loss, {"W": x.T @ dz}

        def inputs(seed=0, N=5):
            r = np.random.default_rng(seed)
            return {"W": r.normal(size=(3, 4))}, r.normal(size=(N, 3)), r.normal(size=(N, 4))
        """,
}  # fmt: skip

MISTAKES = {
    "another divisor": Mistake(
        "weighted", "w[:, None] / np.sum(w)", "w[:, None] / N", ("N = 6", "np.sum(w)", "line 12")
    ),
    "no weights": Mistake("weighted", "ds * w[:, None] / np", "ds / np", ("not multiplied by w",)),
    "no slope": Mistake("weighted", "dh, slope * dh)", "dh, 0)", ("slope * dh", "slope = 0.1")),
    "no activation": Mistake(
        "weighted", "X.T @ dz", "X.T @ dh", ("`dh` stands where `dz` belongs", "derivative of")
    ),
    "other labels": Mistake(
        "weighted", "ds[np.arange(N), y] -=", "ds[np.arange(N), y - 1] -=", ("[np.arange(N), y]",)
    ),
    "no keep": Mistake(
        "dropped", "dhd * mask / keep", "dhd * mask", ("`/ keep`", "line 10", "not divided by keep")
    ),
    "no dropout": Mistake("dropped", "dhd * mask / keep", "dhd / keep", ("mask of `h * mask`",)),
    "helper of another value": Mistake(
        "dropped", "dh * sigmoid(a)", "dh * sigmoid(h)", ("sigmoid(h)", "a")
    ),
    "one factor too many": Mistake(
        "dropped", "dh * sigmoid(a)", "dh * sigmoid(a) * (1 - sigmoid(a))", ("1 - sigmoid(a)",)
    ),
    "value before dropout": Mistake(
        "dropped", "dpre.T.dot(hd)", "dpre.T.dot(h)", ("`h` stands where `hd` belongs",)
    ),
    "half a penalty": Mistake(
        "dropped", "dU += 2 * reg * U", "dU += reg * U", ("half", "2 * reg * U", "line 13")
    ),
    "no penalty": Mistake("dropped", "    dV += 2 * reg * V\n", "", ("not count it at all",)),
    "mean over all": Mistake("dropped", "/ o.size", "/ len(o)", ("o.size = 18", "line 12")),
    "squared parenthesis": Mistake("dropped", "(1 - o**2)", "(1 - o) ** 2", ("1 - o**2",)),
    "no alpha": Mistake("huber", "1.0, alpha * np.exp(z)", "1.0, np.exp(z)", ("alpha = 1.3",)),
    "no delta": Mistake("huber", "delta * np.sign(r)", "np.sign(r)", ("delta = 0.7",)),
    "not divided": Mistake("huber", "np.sign(r)) / m", "np.sign(r))", ("m = 9", "`/ m`")),
    "the wrong sign": Mistake("huber", "np.outer(dr, v)", "np.outer(-dr, v)", ("sign",)),
    "lost repeats": Mistake(
        "bag",
        'np.add.at(grads["E"], tokens, demb)',
        'grads["E"][tokens] += demb',
        ("repeated", "np.add.at"),
    ),
    "no T": Mistake("bag", "axis=1) / T", "axis=1)", ("T = 5",)),
    "twice a penalty": Mistake("bag", "lam * E\n", "2 * lam * E\n", ("2 times", "lam * E")),
    "no mask but the value": Mistake("bag", "(bag @ W > 0)", "(bag @ W)", ("mask",)),
    "no root": Mistake(
        "attention", " / np.sqrt(dk)\n    dq", "\n    dq", ("np.sqrt(dk)", "line 7")
    ),
    "elementwise softmax": Mistake(
        "attention",
        "att * (datt - np.sum(datt * att, axis=-1, keepdims=True)) / np.sqrt(dk)",
        "att * (1 - att) * datt / np.sqrt(dk)",
        ("softmax", "whole row"),
    ),
    "another axis": Mistake(
        "attention", "np.sum(datt * att, axis=-1", "np.sum(datt * att, axis=0", ("axis 0", "axis 1")
    ),
    "not transposed": Mistake("attention", "ds.T @ q", "ds @ q", ("transposed", "ds.T")),
    "subscripts": Mistake("bilinear", "nk,ni,nj->kij", "nk,ni,nj->kji", ("'nk,ni,nj->kij'",)),
    "no gamma": Mistake("norm", "dxhat = dout * gamma", "dxhat = dout", ("gamma", "not applied")),
    "no mean": Mistake("norm", " - s1", "", ("`s1`", "used nowhere")),
    "no residual": Mistake("norm", "dh = dh + dy", "dh = dh", ("not added", "dy")),
    "count of the row": Mistake(
        "hinge", "-= dS.sum(axis=1)", "= -1", ("dS.sum(axis=1)", "positive margins")
    ),
    "not summed over the steps": Mistake(
        "steps", 'grads["Wh"] = grads["Wh"] + dWh', 'grads["Wh"] = dWh', ("`+=`", "last")
    ),
    "an unused argument": Mistake(
        "steps", "dz = dh * (1 - h * h)", "dz = 1 - h * h", ("dh is not used",)
    ),
    "tile": Mistake(
        "pool", "np.repeat(dpooled, 2, axis=1)", "np.tile(dpooled, (1, 2))", ("np.repeat",)
    ),
    "not halved": Mistake("pool", "axis=1) / 2", "axis=1)", ("2 times", "divides by 2")),
    "set, not multiplied": Mistake("leaky", "dz[mask] *= slope", "dz[mask] = slope", ("`*=`",)),
    "set to zero": Mistake("leaky", "dz[mask] *= slope", "dz[mask] = 0", ("slope = 0.2",)),
}


def source(name):
    return "import numpy as np\n\n" + textwrap.dedent(PROGRAMS[name]).strip() + "\n"


def run(text, folder, seed=0, **sizes):
    path = folder / f"program_{next(_FILES)}.py"  # a file of its own: nobody has read it before
    path.write_text(text)
    module = runpy.run_path(str(path))
    return tg.audit(module["f"], *module["inputs"](seed, **sizes))


def mended(text, culprit):
    """The program with the correction: after the line, if something is missing there."""
    lines = text.split("\n")
    old = lines[culprit.line - 1]
    new = old[: len(old) - len(old.lstrip())] + culprit.correction
    lines[culprit.line - 1 : culprit.line] = [old, new] if culprit.missing else [new]
    return "\n".join(lines)


@pytest.mark.parametrize("name", PROGRAMS)
def test_there_is_nothing_to_say_of_a_sound_program(name, tmp_path):
    report = run(source(name), tmp_path)
    assert report.ok
    assert report.culprit is None


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained_and_its_correction_mends_it(name, tmp_path):
    mistake = MISTAKES[name]
    right = source(mistake.program)
    assert right.count(mistake.right) == 1
    wrong = right.replace(mistake.right, mistake.wrong)
    report = run(wrong, tmp_path)
    culprit = report.culprit
    assert not report.ok
    for fact in mistake.facts:
        assert fact in culprit.explanation, f"{fact!r} not in: {culprit.explanation}"
    assert culprit.exact
    if not mistake.mends:
        return
    text = mended(wrong, culprit)
    for seed, count in ((0, 6), (3, 11)):
        again = run(text, tmp_path, seed, N=count)
        assert again.ok, f"{culprit.correction}\n{again}"


# --- the zoo's programs ---------------------------------------------------------------------------


def audited_files(fault, files, folder):
    net = NETS[fault.net]
    program = case(net, load(folder, files, net.entry), fault.sizes or net.sizes, fault.reg)
    with np.errstate(all="ignore"):
        return tg.audit(program.function, *program.args)


@pytest.mark.parametrize("fault", FAULTS[3::11], ids=lambda fault: fault.name)
def test_a_correction_in_the_zoo_mends_the_program(fault, tmp_path):
    files = fault.files()
    culprit = audited_files(fault, files, tmp_path).culprit
    assert culprit.explanation
    if not culprit.correction:
        return
    name = next(n for n in files if Path(n).name == Path(culprit.file).name)
    again = audited_files(fault, {**files, name: mended(files[name], culprit)}, tmp_path)
    assert again.ok, f"{culprit.correction}\n{again}"
