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

WHOLE_SAMPLE_BYTES = 16 << 20
"""Of a sample up to which it is worked on whole: to take it apart takes longer than it saves."""
THREADED_BYTES = 32 << 20
"""Of a tensor below which handing blocks from thread to thread takes longer than it saves. In NumPy
it is twice as much, whose short loops get in each other's way at the interpreter's lock."""
ONE_THREAD_BLOCK_BYTES = 48 << 20
"""Of a block above which one is in memory at a time: that is worth more than a second thread."""
CHECKED_BYTES = 256 << 20
"""Of a sample with its output, or of weights, from which on this machine's memory is looked at
beforehand; to look takes longer than small runs do."""
COPIED_BYTES = 64 << 20
"""That are copied to measure this machine's memory: many times the last-level cache."""
