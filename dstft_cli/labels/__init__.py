"""A window learned together with a small network that tells classes of recordings apart.

| file | what is in it |
|---|---|
| `recordings` | recordings in a folder for each class, cut into pieces, and who is held out |
| `training` | the network, and its training with a window that is learned or fixed |
| `compare` | `dstft optimize --labels`: does the window matter for telling the classes apart? |
"""

from dstft_cli.labels.compare import run_labels

__all__ = ["run_labels"]
