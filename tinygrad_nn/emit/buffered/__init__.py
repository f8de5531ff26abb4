"""NumPy source with ``out=``: which value lies in which memory, and cheaper calls.

    steps.py         for each node its NumPy statements, as templates
    patterns.py      a table of cheaper statements
    plan.py          which memory each value lies in, from liveness
    source.py        ``build``: the text of steps and plan, and its execution

From outside only ``build`` is called: by ``tg.compile``.
"""
