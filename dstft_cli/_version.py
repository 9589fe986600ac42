"""The version. `dstft --version` and the build read it without imports."""

__version__ = "0.2.0"
