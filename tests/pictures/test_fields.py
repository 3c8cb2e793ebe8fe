"""The picture of a pipeline shows what one output depends on: found here by trying every cell."""

from hypothesis import given, strategies as st

from poolnorm_cli.calculator.steps import follow
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.pipeline import Pipeline, Step
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.pictures.fields import _layout, field_of, field_picture
from poolnorm_cli.pictures.pipeline import lines_of, pipeline_picture
from tests.pictures.random_windows import BEYOND_KERAS
from tests.pictures.snapshots import PIPES, drawn_pipe


LAYERS = st.one_of(
    st.builds(
        lambda size, stride, padding: MaxPooling(pool_size=size, strides=stride, padding=padding),
        st.integers(1, 4),
        st.integers(1, 4),
        st.sampled_from(["valid", "same"]),
    ),
    BEYOND_KERAS,
    st.builds(lambda size: AdaptiveMaxPooling(output_size=size), st.integers(1, 4)),
)


def read_by(layers: list[Layer], lengths: list[int], output: int) -> set[int]:
    """Return the cells of the input that an output depends on, layer by layer backwards."""
    cells = {output}
    for layer, length in zip(reversed(layers), reversed(lengths), strict=True):
        (rule,) = layer.axis_rules((1, length, 1))
        cells = {each for cell in cells for each in rule.taps_at(cell)}
        cells &= set(range(length))
    return cells


@given(st.lists(LAYERS, min_size=1, max_size=3), st.integers(1, 60), st.integers(24, 120))
def test_marked_cells_are_those_that_the_output_depends_on(
    layers: list[Layer], length: int, width: int
) -> None:
    lengths, shape = list[int](), (1, length, 1)
    for layer in layers:
        lengths.append(shape[1])
        after = layer.output_shape(shape) if _fits(layer, shape[1]) else None
        if after is None or after[1] == 0:
            return
        shape = (1, int(after[1] or 0), 1)
    steps = follow(
        Pipeline(tuple(Step(x, str(n), n) for n, x in enumerate(layers, 1))), (1, length, 1)
    )
    (lines,) = lines_of(steps).values()
    output = (lines[-1].length - 1) // 2
    canvas, _ = field_picture(lines, output, width)
    layout = _layout(lines, field_of(lines, output)[0], width)
    wanted = read_by(layers, lengths, output)

    assert canvas.width <= width
    for cell in [*layout.head, *layout.tail]:
        column = layout.column_at(cell + 0.5)
        assert column is not None
        assert (canvas.rows[0][column].style == "window") == (cell in wanted)
    assert any(each.style == "other" for each in canvas.rows[-1])
    assert pipeline_picture(steps, width).width <= max(width, 24)


def _fits(layer: Layer, length: int) -> bool:
    try:
        layer.output_shape((1, length, 1))
    except UsageError:
        return False
    return True


@given(st.sampled_from(sorted(PIPES)), st.integers(24, 200))
def test_a_picture_of_a_pipeline_fits_its_width(name: str, width: int) -> None:
    canvas = drawn_pipe(name, width)

    assert canvas.width <= width
    assert canvas.title
