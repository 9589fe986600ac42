"""A window learned together with a small network that tells classes of recordings apart.

| file | what is in it |
|---|---|
| `folders` | the folders of the classes, and their check |
| `recordings` | recordings in a folder for each class, cut into pieces, and who is held out |
| `training` | the network, and its training with a window that is learned or fixed |
| `compare` | `dstft optimize --labels`: does the window matter for telling the classes apart? |
"""
