"""The version, alone in its file so that `dstft --version` and the build read it without imports."""

__version__ = "0.1.0"
