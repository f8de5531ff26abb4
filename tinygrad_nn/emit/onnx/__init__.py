"""An ONNX model of a forward graph, checked before it is written."""
