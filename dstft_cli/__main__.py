"""`python -m dstft_cli` is `dstft`."""

import sys

from dstft_cli.cli import main

sys.exit(main())
