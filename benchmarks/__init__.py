"""Measures `dstft` on this machine: `python -m benchmarks`, which writes a page of the figures.

Every figure stands beside a reference that is measured in the same run, the two taking turns, so
that a machine which slows down meanwhile slows both. Claims are told as met or not met.
"""
