"""Every threshold in bytes, each with the reason or the measurement behind it.

Plain numbers, so that they cost nothing at start. A name ends in `BYTES`; one that begins with
`LARGEST` or `LONGEST` is a limit on what is read, and what is above it is refused. The text below a
name goes on from the word "bytes".
"""

# --- how a tensor is divided -------------------------------------------------------------------

TILE_BYTES = 2 << 20
"""Of a tile of a kernel: little enough to stay in cache beside what is made of it; enough for loops
of some tens of microseconds, below which two threads get in each other's way at the interpreter's
lock."""
CONVERTED_TILE_BYTES = 256 << 10
"""Of a tile in the type in which it is computed, where items are stored in another: it and what is
made of it stay in the second-level cache."""
BLOCK_BYTES = 4 << 20
"""Of a block on the processor: few enough that some blocks and their results share the last-level
cache, so that reading, computing and writing meet there; many enough that handing them on costs
nothing beside."""
GATHERED_BYTES = 64 << 20
"""Of an array in memory over which statistics are gathered in one call: an interrupt does not wait
longer than some hundredths of a second."""
CACHED_BLOCK_BYTES = 256 << 10
"""Of a block for each thread, where loops alone work on what is read and written: so much of it and
of what is made of it stays in a core's own cache, from which the system copies sooner. With many
threads blocks are larger: between two of them each thread needs the interpreter's lock."""
DEVICE_BLOCK_BYTES = 32 << 20
"""Of a block on a device, to which a copy and the start of each operator cost as much as computing
many cells does."""
RING_BLOCK_BYTES = 8 << 20
"""Of a block on a device to which several threads bring blocks at once."""
RING_BYTES = 1 << 20
"""Of a block that is worth pinned memory and a stream: below, the runtime copies it as soon."""
RING_PIECE_BYTES = 16 << 20
"""Of pinned memory through which other memory is copied to a device: most blocks are one piece."""
HUGE_PAGE_BYTES = 2 << 20
"""Of a huge page, of which all are pinned as soon as a small one."""
COMPARED_BYTES = 64 << 10
"""Of an input besides the block up to which it is looked at whether a device has it already: to
compare takes microseconds, to wait for a copy behind those of blocks a millisecond."""
MOST_PINNED_BYTES = 512 << 20
"""Of pinned memory for blocks and results: no other program can have it while this one runs."""
WHOLE_SAMPLE_BYTES = 16 << 20
"""Of a sample up to which it is worked on whole: to take it apart takes longer than it saves."""
DIVIDED_BYTES = 1 << 20
"""Of a tensor from which on its samples are divided, where they can be: each thread is to have some
of it, and a block is to stay in cache."""
THREADED_BYTES = 8 << 20
"""Of a tensor below which waking another thread takes longer than it saves."""
THREADED_ARRAYS_BYTES = 64 << 20
"""The same where NumPy computes, whose short loops get in each other's way at the interpreter's
lock."""
THREAD_BYTES = 1 << 20
"""Of a tensor for each thread: what it works on takes longer than to wake it."""
SPREAD_BYTES = 256 << 20
"""Of an array on which loops are called at once, in all threads: some hundredths of a second,
so that an interrupt is never far away."""
ALONE_BYTES = 256 << 10
"""Of an array below which a loop is one thread's in any case (`native/spread.c`)."""
SHARE_BYTES = 256 << 10
"""Of a block of a small tensor, where several threads share it: the loop over it takes longer than
to hand it on."""
ONE_THREAD_BLOCK_BYTES = 48 << 20
"""Of a block above which one is in memory at a time: that is worth more than a second thread."""
SPLIT_BYTES = 128 << 20
"""Of a file from which on it is done in parts, where several processes can do them at once: a tenth
of a second of work, beside which opening the file once more is nothing."""
PART_BYTES = 32 << 20
"""Of a part: several for each process, so that none waits long for the last one."""
LARGE_RUN_BYTES = 64 << 20
"""Of all inputs together below which `--jobs auto` starts no processes: starting them takes longer
than the work."""
SAMPLE_STATISTICS_BYTES = 256 << 20
"""Of the statistics of all samples up to which they are held, so that samples can be cut into
strips: beyond, they take as much memory as some whole samples do."""
SCANNED_FIRST_BYTES = 64 << 10
"""Of a block whose range of values is found sooner than statistics are got out of a graph."""

# --- memory that a run takes -------------------------------------------------------------------

PROCESS_BYTES = 36 << 20
"""Of a process that has begun and holds no tensor yet."""
ONNX_PROCESS_BYTES = 160 << 20
"""The same with ONNX Runtime."""
CHECKED_BYTES = 256 << 20
"""Of a sample with its output, or of weights, from which on this machine's memory is looked at
beforehand; to look takes longer than small runs do."""
SCRATCH_BYTES = 8 << 20
"""Of the tiles of one thread: what goes into one, what comes out, and two steps between."""
WINDOW_BYTES = 160
"""Of a window in a list: a tuple of two ints as CPython has them."""
UNKNOWN_MEMORY_BYTES = 1 << 30
"""That a program may count on where nothing says how many there are: the least of machines that
people run tensors on."""
KEPT_TASK_BYTES = 32 << 20
"""Of a task after which a worker keeps no buffers for the next one, which may be of another
shape."""

# --- reading and writing -----------------------------------------------------------------------

PIECE_BYTES = 1 << 20
"""Copied or checked at a time: a few hundred calls a second for a fast disk, and it stays in
cache."""
MASK_PIECE_BYTES = 1 << 20
"""Of a mask read at a time where all of it is kept as bool: little beside what is kept."""
TRANSFER_BYTES = 16 << 20
"""Asked of the system in one call, so that an interrupt is never far away: a disk of 200 MB/s gives
them in less than a tenth of a second."""
SMALL_FILE_BYTES = 64 << 10
"""Of a file that is read in one go: to open it twice takes longer."""
SMALL_FIRST_BLOCK_BYTES = 64 << 10
"""Of a first block that is written together with the header, in one call: copying it behind the
header takes less time than a second call."""
GROUP_COMMIT_BYTES = 64 << 20
"""Of outputs after which a run waits until they are on the disk: more would make the wait long, and
fewer many waits."""
COPIED_BYTES = 64 << 20
"""Copied in memory to measure its bandwidth for `--profile`: more than the caches of most machines
hold."""
INFLATE_BYTES = 256 << 10
"""Of deflated data read, or of inflated data checked, at a time: both fit into the second cache."""
SPACE_ASKED_BYTES = 1 << 20
"""Of an output below which nobody asks for free space: the first write tells as soon."""
LARGE_MEMBER_BYTES = 2_000_000_000
"""Of a member of a zip from where it may come to need 64-bit fields, which begin at 2^32 - 1."""
SAFETENSORS_ROOM_BYTES = 4 << 10
"""Of the header of a `.safetensors` of named arrays, of which more may come: some forty entries.
Where more do, all that was written is moved on."""

# --- other machines ----------------------------------------------------------------------------

CLOUD_PIECE_BYTES = 8 << 20
"""Asked of an object store at a time: at 100 MB/s they take about as long as the answer to a
request, and stores want parts of 5 MiB or more in uploads."""
REMOTE_HEADER_BYTES = 64 << 10
"""Asked for where only a header is wanted: the largest that NumPy reads fits in it."""
COPIED_FROM_WEB_BYTES = 8 << 20
"""Of a `.npy` on a web server up to which it is copied, so that it is asked for once."""
LEAST_BYTES_A_MINUTE = 60 << 10
"""That a server has to send: one that sends less than 1024 bytes a second is as good as none."""
LARGEST_UNSIZED_BYTES = 4 << 30
"""Of what does not say its size that are copied, where nothing else is allowed: a stream without an
end would fill the disk."""
LARGEST_PAGE_BYTES = 16 << 20
"""Of the page of a directory: about a hundred thousand links."""

# --- what is refused ---------------------------------------------------------------------------

LARGEST_ARRAY_BYTES = 2**62
"""Of a whole array, each empty axis counted as one item: below it, no sum of two sizes leaves a
64-bit number."""
LARGEST_TABLE_BYTES = 1 << 30
"""Of a text file of numbers, which is read whole: some minutes of reading."""
LARGEST_DICTIONARY_BYTES = 128 << 20
"""That a member of a zip may want remembered while it is unpacked: what zstd takes unasked, and
twice what xz -9 does."""
LARGEST_HEADER_BYTES = 10_000
"""Of the header of a `.npy`: NumPy reads no longer one."""
LARGEST_ZIP_TABLE_BYTES = 16 << 20
"""Of the table of contents of a zip; one of a hundred thousand long names has less."""
LARGEST_PASSED_OVER_BYTES = 256 << 20
"""That members which are passed over may make of a hundredth of that: an archive bomb."""
LIST_PIECE_BYTES = 64 << 10
"""Of a list of files read at a time, which may be a pipe that another program fills slowly."""
LONGEST_LISTED_NAME_BYTES = 64 << 10
"""Of a name in a list: a presigned URL has hundreds, what is no list has no end of them."""
LARGEST_LINE_BYTES = 1 << 20
"""Of a line of a journal, which has two names and a fault in it."""
LARGEST_CONFIG_BYTES = 1 << 20
"""Of the config of one layer: the longest has some thousand bytes, and may have arrays in it."""
LARGEST_WEIGHT_BYTES = 64 << 20
"""Of one weight of a normalization layer: a vector, or some axes of a sample."""
HDF5_MEMORY_BYTES = 15 * LARGEST_WEIGHT_BYTES // 4
"""That h5py may allocate while it reads, beside what the process has."""
LARGEST_JSON_BYTES = 8 << 20
"""Of a model's config; that of NASNetLarge, of 1041 layers, has one eighth of them."""
LARGEST_HEAP_BYTES = 64 << 20
"""Of a heap of HDF5: what a model's config may have several times over."""
LARGEST_INFLATED_BYTES = 256 << 20
"""Of deflated weights; Keras stores them as they are, and then any size will do."""
LARGEST_PROTOBUF_BYTES = 2**31 - 1
"""That a message of protocol buffers, and so an ONNX file, can have."""
LARGEST_INDEX_BYTES = 10 << 20
"""Of the index of a `.safetensors` in shards: a hundred thousand names of a hundred bytes."""
LARGEST_SAFETENSORS_HEADER_BYTES = 100_000_000
"""Of the header of a `.safetensors`: what the format allows."""
LARGEST_NAMES_BYTES = 24 << 20
"""Of all names of a `.safetensors`; those of a model of ninety thousand arrays have a fifth of
it."""
LONGEST_SAFETENSORS_NAME_BYTES = 4096
"""Of a name of an array in a `.safetensors`: as long as a path of Linux."""
WIRE_WINDOW_BYTES = 64 << 10
"""Of an ONNX file held at a time while its fields are found: some thousand small fields."""
LONGEST_ONNX_NAME_BYTES = 8192
"""Of a name in an ONNX graph: exporters join the names of all modules around a node."""
