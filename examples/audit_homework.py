"""Find the wrong line in a hand-written backward pass: homework.py, which is wrong in one.

With a path, also write the report as a web page. The exit status is 0 if the wrong line is found.
The same from a shell, with an exit status of 1 for a wrong gradient:

    python -m tinygrad_nn audit examples/homework.py::TwoLayerNet.loss
"""

import sys

from homework import TwoLayerNet

import tinygrad_nn as tg
from tinygrad_nn.datasets import toy, toy_parameters

net = TwoLayerNet(input_size=4, hidden_size=10, num_classes=3)
net.params = toy_parameters()
X, y = toy()

audit = tg.audit(net.loss, X, y, reg=0.1)
print(audit)

if len(sys.argv) > 1:
    print(f"\nwritten to {audit.html(sys.argv[1])}")

wrong = [row.parameter for row in audit.rows if not row.ok]
sys.exit(0 if wrong == ["W2"] and "2 * reg * W2" in audit.culprit.code else 1)
