"""Every threshold in bytes, each with the reason or the measurement behind it."""

TILE_BYTES = 2 << 20
"""Of a tile of a kernel: little enough to stay in cache beside what is made of it; enough for loops
of some tens of microseconds, below which two threads get in each other's way at the interpreter's
lock."""

BLOCK_BYTES = 4 << 20
"""Of a block on the processor: few enough that some blocks and their results share the last-level
cache, so that reading, computing and writing meet there; many enough that handing them on costs
nothing beside."""
DEVICE_BLOCK_BYTES = 32 << 20
"""Of a block on a device, to which a copy and the start of each operator cost as much as computing
many cells does."""
SCANNED_FIRST_BYTES = 64 << 10
"""Of a block whose range of values is found sooner than statistics are got out of a graph."""

PROCESS_BYTES = 36 << 20
"""Of a process that has begun and holds no tensor yet."""
ONNX_PROCESS_BYTES = 160 << 20
"""The same with ONNX Runtime."""
