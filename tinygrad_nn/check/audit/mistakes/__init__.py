"""Why a step is wrong: the classic mistakes, each a change that is undone and tried.

    search                      tries them all, the cheapest first
    trial, forward, foresight   what a change does; what the forward pass offers; what is
                                refused without being computed
    edits, operands, locals, missing, parts, terms, factors, values, idle, writing, sides
                                the mistakes, by kind
    words, sentences, numbers, decompose
                                how they are told

A mistake is believed if undoing it makes every wrong gradient right, in several draws.
"""
