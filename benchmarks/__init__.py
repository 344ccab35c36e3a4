"""Throughput, processor time and memory of the whole path, measured in one run (`make bench`)."""
