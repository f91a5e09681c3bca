"""Drawings: SVG to PNG, by resvg, which brings its own rasteriser and needs no system library."""

from __future__ import annotations

from pathlib import Path

from mmsearch.errors import MediaError, MissingExtra

WIDTH = 512
"""Of the rasterised drawing, in pixels."""


def rasterise(svg: Path, png: Path) -> None:
    """Write the drawing on white, `WIDTH` pixels wide.

    Raises:
        MissingExtra: resvg is not installed.
        MediaError: it is no SVG.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise MissingExtra('the demo has drawings; install what draws them: pip install "mmsearch[demo]"') from error
    try:
        content = svg_to_bytes(svg_path=str(svg), width=WIDTH, background="white", skip_system_fonts=True)
    except ValueError as error:
        raise MediaError(f"{svg} cannot be drawn: {error}") from error
    png.write_bytes(content)
