"""Writes the page of numbers (hazelnut_ae/shipped/README.md) from the measured files beside it."""
