"""Errors that a user can mend: one line each, saying what is wrong, where, and the remedy."""


class DstftError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is what `dstft` exits with."""

    exit_code = 1


class InputError(DstftError):
    """A recording could not be read, or holds nothing to learn from."""


class OutputError(DstftError):
    """A result could not be written; nothing that existed before was changed."""


class UsageError(DstftError, ValueError):
    """An option, a setting or an argument is out of its range or contradicts another one."""

    exit_code = 2
