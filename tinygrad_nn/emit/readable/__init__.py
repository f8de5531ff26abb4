"""NumPy source for people: statements with the names, shapes and lines of their program.

    derive.py        ``derive`` and ``source``: the module, its comments
    idioms.py        what a person would write: means, masks, products
    inplace_plan.py  what is written as a change in place
    statements.py    which node gets a line of its own
    expressions.py   one node as an expression
    signature.py, results.py    the head of the function, and its end

From outside only ``derive`` and ``source`` are called.
"""
