"""What `poolnorm help TOPIC` says: what is the same for many verbs."""

from types import MappingProxyType


TOPICS = MappingProxyType(
    {
        "exit-codes": """\
The exit code says what became of a command:

  0              done; for compare: equal
  1              some inputs of several failed; compare: they differ; shape solve: none found
  2              usage: a flag, a parameter or a shape that cannot be; an output that exists
  3              a backend or device is not available; an output cannot be written
  4              an input cannot be read: missing, damaged, of an unsupported dtype
  129, 130, 143  ended by SIGHUP, SIGINT or SIGTERM
  141            the reader of standard output went away

An error is one line on standard error that begins with `error: `; -vv adds the traceback.
""",
        "files": """\
An input is one of these:

  x.npy         an array
  x.npz         every numeric array of it; --key NAME takes one
  x.npz::NAME   that array
  DIR           the files of a directory; -r looks into its sub-directories
  -             .npy arrays on standard input, one after another

-o FILE writes one output, as .npy or .npz by its name; -o - writes it to standard output.
-O DIR writes one for each input, under its name; --output-name '{stem}_{op}{ext}' renames them.
Without either, shapes and values are printed. What exists is kept, unless --overwrite is given.

--weights FILE::LAYER names a layer of a .keras, .h5, .safetensors or .onnx file;
`poolnorm info FILE` lists them.
""",
        "shapes": """\
A shape is written as sizes with commas between: 4,28,28,3. A size that is not known yet is None or
a name: None,28,28,3 or N,H,W,3. In place of a shape a file may stand, whose header is read.

The first axis is the batch. Pooling takes rank 3, 4 or 5: batch, one to three spatial axes, and
channels, which are last unless --data-format channels_first is given.
""",
        "environment": """\
Variables of the environment that are heeded:

  NO_COLOR          no colour, unless --color always is given
  COLUMNS           how wide help and tables are
  POOLNORM_KERNELS  numpy: without the compiled loops
""",
    }
)
"""Texts by topic."""
