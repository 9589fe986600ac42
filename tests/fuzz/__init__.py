"""Campaigns against hostile inputs and moments; the tests run a small fixed part of each.

    python -m tests.fuzz files --cases 2000     damaged recordings and settings files
    python -m tests.fuzz results --cases 600    damaged directories of results
    python -m tests.fuzz kills --kills 100      SIGKILL at random moments
    python -m tests.fuzz fits --seconds 600     random signals and options

Each is run from the root of the repository, prints its counts and what failed, and exits with 1 if
anything did. The same seed gives the same cases.
"""
