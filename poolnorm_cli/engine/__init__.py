"""One tensor: cut into blocks, sent through a layer, and put together again."""
