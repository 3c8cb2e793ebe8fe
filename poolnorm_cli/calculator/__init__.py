"""Questions about shapes, answered by arithmetic alone: no file, no array, no terminal.

Everything here takes and returns plain values, so that a page in a browser can ask, too.
"""
