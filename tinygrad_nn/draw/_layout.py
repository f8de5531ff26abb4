"""The drawing process: DOT on standard input to a picture on standard output, by pygraphviz.

Run as a script, in a process of its own; see :mod:`tinygrad_nn.draw.engine`. Imports pygraphviz.
"""

import sys


def main(form: str, dpi: str) -> None:
    """Draw standard input in the format ``form``."""
    import pygraphviz

    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
    if dpi:
        graph.graph_attr["dpi"] = dpi
    sys.stdout.buffer.write(graph.draw(format=form, prog="dot"))


if __name__ == "__main__":
    main(*sys.argv[1:])
