"""hazelnut_ae: visual anomaly detection with a convolutional autoencoder, to learn and to teach."""

__version__ = "0.1.0"
