"""Training of the embedded network: data recipe, network, fitting, evaluation, ONNX export (needs the extra `[train]`)."""
