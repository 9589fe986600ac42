"""Campaigns against hostile inputs and moments; the tests run a small fixed part of each.

    python -m tests.fuzz all --cases 3000 --kills 300

`files`, `results`, `kills` and `fits` in place of `all` run one of them (docs/development.md).
"""
