"""Programs in other frameworks that give the output of a run."""
