"""Upscaling without torch: the ONNX graph, the backends that run it, tiles and streams."""
