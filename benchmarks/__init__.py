"""Measures poolnorm beside other ways to do the same, on the same files in the same run."""

from poolnorm_cli.backends.installed import disable_telemetry


disable_telemetry()  # here and in every process that is started from here
