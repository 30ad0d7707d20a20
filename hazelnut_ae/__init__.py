"""Learn and teach visual anomaly detection with a convolutional autoencoder and hazelnuts.

Which module holds the code of which notebook:

    notebook                         code of the lesson
    01 background                    metrics (counting right and wrong), curves, diagrams
    02 dataset                       dataset
    03 data augmentation             augmentation
    04 architecture                  autoencoder
    05 training                      training
    06 residual thresholding         detection
    07 threshold and latent size     thresholds
    08 results table                 results, metrics, curves, bootstrap, published
    09 comparison systems            comparison
    10 beyond                        patchcore, neighbours, backbones, transformer, baselines, synthetic_anomalies

Beside the lessons: presets (every number of a run), figures and charts (pictures), cli and options (the command line),
graph (runs a detector in onnxruntime), errors (problems told in one sentence).

The other folders, each importing only from those below it:

    course       what the notebooks share: their data and run; executing and grading them
    inference    new images without masks: `load_detector`, prediction, report, export; evaluation; advice
    comparison   the comparison systems of notebook 9
    download     real data sets
    engine       training runs on disk: checkpoints, resume, devices, several processes
    synthetic    the painter of hazelnuts
    shipped      weights and measured numbers that come with the package
    io           files, images and the cache
"""

__version__ = "0.1.0"


def __getattr__(name):
    """Imports `load_detector` on first use, so that `import hazelnut_ae` does not wait for PyTorch."""
    if name == "load_detector":
        from hazelnut_ae.inference.loaded import load_detector

        return load_detector
    raise AttributeError(f"module 'hazelnut_ae' has no attribute {name!r}")
