"""The L2 penalty on the weights, in the two conventions that are both in use.

    "half":  1/2 reg sum(W**2), gradient    reg W
    "full":      reg sum(W**2), gradient  2 reg W

Mixing them, the loss of one with the gradient of the other, makes every weight gradient wrong.
Both parts therefore come from the one factor below: the loss adds `factor * reg * sum(W**2)`, the
gradient `2 * factor * reg * W`.
"""

FACTORS = {"half": 0.5, "full": 1.0}


def factor(l2):
    """Return the number before `reg * sum(W**2)` in the convention named `l2`.

    Raises ValueError for a name that is neither "half" nor "full".
    """
    if not isinstance(l2, str) or l2 not in FACTORS:
        raise ValueError(
            'l2 must be "half" (1/2 reg sum(W**2), gradient reg W) '
            'or "full" (reg sum(W**2), gradient 2 reg W)\n'
            f"  got {l2!r}"
        )
    return FACTORS[l2]
