"""Learn and teach visual anomaly detection with a convolutional autoencoder and hazelnuts.

The map: which file holds the code of which notebook.

    notebook                         code of the lesson
    01 background                    metrics (counting right and wrong), diagrams
    02 dataset                       dataset
    03 data augmentation             augmentation
    04 architecture                  autoencoder
    05 training                      training
    06 residual thresholding         detection
    07 threshold and latent size     thresholds
    08 results table                 results, metrics, published
    09 comparison systems            comparison
    10 beyond                        patchcore (memory bank), baselines (other rungs), synthetic_anomalies (threshold)

Beside the lessons: presets (every number of a run), figures (the article's pictures), cli (the command line).

Rooms that no lesson leads into:

    predict      new images without masks: `load_detector`, tables, pictures and a report
    advise       what to choose for a folder of images, and why
    engine       what a long run and a hostile world need: runs, checkpoints, speed, memory, careful decoding
    download     real data sets
    synthetic    the painter of hazelnuts
    course       what the notebooks share: their data and run, how they are built and executed
    grade        students' notebooks, run beside the checks and apart from them
    studies      the measurements behind the course, as commands
    shipped      numbers and weights that come along
"""

__version__ = "0.1.0"


def __getattr__(name):
    """`from hazelnut_ae import load_detector`, without which nothing here asks for the seconds that torch takes."""
    if name == "load_detector":
        from hazelnut_ae.inference.loaded import load_detector

        return load_detector
    raise AttributeError(f"module 'hazelnut_ae' has no attribute {name!r}")
