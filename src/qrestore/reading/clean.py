"""What a drawing of a symbol without any flaw says."""

from qrestore.arrays import Matrix, to_uint8
from qrestore.symbol.decode import Code, readers
from qrestore.symbol.render import render

_MODULE_PX = 5


def read_clean(matrix: Matrix) -> Code | None:
    """Read a module matrix by the quickest reader, for which a clean drawing is enough; corners are the drawing's."""
    quickest = next(iter(readers().values()))
    return next(iter(quickest(to_uint8(render(matrix, _MODULE_PX)))), None)
