"""`unpool`: maxima put back where they were, which takes a second file, of indices."""

from poolnorm_cli.cli.verb_layer import command_of
from poolnorm_cli.layers.unpooling import MaxUnpooling


NODE = command_of("unpool", MaxUnpooling)
