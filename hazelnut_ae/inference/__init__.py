"""What a trained run is used for: `load_detector`, new images, numbers, figures, one ONNX file, advice for a folder."""
