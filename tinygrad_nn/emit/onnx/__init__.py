"""An ONNX model of a forward graph, checked before it is written.

    export.py        ``to_onnx``: the model, its inputs and outputs
    values.py        tensors under construction, types held against the standard; ``exports``
    elementwise.py, arrays.py, indexing.py    the table: how each of NumPy's functions is written
    batch.py         what depends on the batch size, learned by tracing again

From outside only ``to_onnx`` is called. To add an operation, write it into the table.
"""
