"""Which step of a hand-written backward pass is at fault, and which line a person would change.

    matching           what each value is: a derivative of the loss with respect to what, times what
    locate             the first step whose true derivative, put in its place, mends the gradients
    repair, linear     whether it does: computed, or foretold from what the pass is linear in
    changes, pairing   what a step may be changed to, in each of its executions
    blame, arguments, retrace, naming
                       from that step to the line: a function or its call, and where in a row

The answer is a `Suspect`.
"""
