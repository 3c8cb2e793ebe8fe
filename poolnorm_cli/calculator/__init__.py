"""Questions about shapes, answered by arithmetic alone: no file, no array, no terminal.

Nothing here needs more than Python, so that a page in a browser can ask, too.
"""
