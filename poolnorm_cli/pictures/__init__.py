"""Pictures: canvases of character cells, what is drawn on them, and how they are shown or kept.

A picture is drawn once, on a `Canvas` (`canvas.py`), whoever looks at it; `terminal.py` writes it
for a terminal or a pipe, `svg.py` and `png.py` as a file. None of this needs NumPy or rich.
"""
