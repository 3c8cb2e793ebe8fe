"""Many inputs: which they are, where their outputs go, who does the work, what is remembered."""
