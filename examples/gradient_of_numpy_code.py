"""The gradient and the Hessian of an ordinary NumPy function; nothing in it is made for that."""

import numpy as np

import tinygrad_nn as tg


def rosenbrock(x):
    """Rosenbrock's valley, lowest at (1, 1, ..., 1): easy to enter, hard to follow."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


gradient = tg.grad(rosenbrock)
hessian = tg.hessian(rosenbrock)

x = np.array([-1.2, 1.0])
print("at x        ", x)
print("value       ", rosenbrock(x))
print("gradient    ", gradient(x))
print("Hessian     ", str(hessian(x)).replace("\n", "\n" + 13 * " "))

# With second derivatives Newton's method needs a handful of steps where descent needs thousands.
for step in range(1, 7):
    x = x - np.linalg.solve(hessian(x), gradient(x))
    print(f"Newton, {step}   ", x)
