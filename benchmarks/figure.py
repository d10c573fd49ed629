"""What does the difference look like? Draws docs/images/encodings.png from the runs of encoding.py.

The first unseen phantoms, in order and not chosen: annotated in blue, predicted in amber, above by
codec ``set``, below by ``slots``.

    python benchmarks/figure.py /tmp/encoding
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from spondyl.atomic import write_with
from spondyl.data.coco import read_coco
from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.spine.drawing import draw_overlay

TARGET = Path(__file__).parents[1] / "docs" / "images" / "encodings.png"
FILMS, HEIGHT, GAP = 5, 380, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="the folder that encoding.py was given")
    parser.add_argument("--network", default="unet_small")
    asked = parser.parse_args()
    annotated = {s.key: s for s in read_annotations(asked.runs / "phantoms-0-512").samples}
    rows = []
    for codec in ("set", "slots-top"):
        run = asked.runs / f"{asked.network}-{codec}"
        found = sorted(read_coco(run / "predictions.json").samples, key=lambda s: s.key)[:FILMS]
        rows.append([overlay(each, annotated[each.key]) for each in found])
    picture = sheet(rows)
    write_with(TARGET, lambda path: picture.save(path, format="PNG", optimize=True))


def overlay(found: Sample, annotated: Sample) -> Image.Image:
    drawn = draw_overlay(
        annotated.radiograph(), found.landmarks, reference=annotated.landmarks, long_side=2 * HEIGHT
    )
    return drawn.resize((round(drawn.width * HEIGHT / drawn.height), HEIGHT))


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    width = max(sum(picture.width + GAP for picture in row) for row in rows) - GAP
    canvas = Image.new("RGB", (width, len(rows) * (HEIGHT + GAP) - GAP), "white")
    for number, row in enumerate(rows):
        x = 0
        for picture in row:
            canvas.paste(picture, (x, number * (HEIGHT + GAP)))
            x += picture.width + GAP
    return canvas.quantize(128)


if __name__ == "__main__":
    main()
