"""What does a model hub get of a network: card, both files and their digests, ready to upload?

The checkpoint must have its kernels in half precision (``spondyl calibrate --half``), the graph
must be its export, and the model card must say what was measured of these very weights.

    python benchmarks/hub.py spondyl-base.safetensors --onnx spondyl-base.onnx --out hub/base
    cd hub/base && sha256sum -c SHA256SUMS
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
from pathlib import Path

import yaml

from spondyl.atomic import write_text
from spondyl.learning.checkpoint import load_model
from spondyl.session import load_session

CARD = Path(__file__).parents[1] / "docs" / "model-card.md"
ABOUT = {
    "license": "apache-2.0",
    "library_name": "spondyl",
    "pipeline_tag": "keypoint-detection",
    "tags": ["medical", "radiograph", "x-ray", "spine", "vertebra", "landmarks", "onnx"],
}
USE = """
```
pip install .  # in a checkout of spondyl
spondyl predict film.png --weights {name}.onnx --out found  # without torch
spondyl train films --init {name}.safetensors --out run  # fine-tunes; needs spondyl[train]
```

Weights `{digest}`. Names in *italics* are pages of spondyl's documentation.
"""
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]+\)")
MARK = re.compile(r"<!-- .* -->\n+")


def main() -> None:
    asked = arguments()
    write_folder(asked.checkpoint, asked.onnx, asked.out)
    print(asked.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="written by spondyl calibrate --half")
    parser.add_argument("--onnx", type=Path, required=True, help="its export")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    return parser.parse_args()


def write_folder(checkpoint: Path, graph: Path, out: Path, *, card: Path = CARD) -> None:
    """The folder; both files get the checkpoint's name, and the digests are written last."""
    text, name = card.read_text("utf-8"), checkpoint.stem
    digest = checked(checkpoint, graph, text)
    images = IMAGE.findall(text)
    sources = {f"{name}.safetensors": checkpoint, f"{name}.onnx": graph}
    for target, source in {**sources, **{each: card.parent / each for each in images}}.items():
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, out / target)
    write_text(out / "README.md", readme(name, digest, text))
    files = ["README.md", *sources, *images]
    sums = [f"{hashlib.sha256((out / file).read_bytes()).hexdigest()}  {file}\n" for file in files]
    write_text(out / "SHA256SUMS", "".join(sums))


def checked(checkpoint: Path, graph: Path, card: str) -> str:
    """The digest of the weights, which are half, and of which graph and card are, too."""
    model, made_by = load_model(checkpoint), load_session(graph).made_by
    if not model.half:
        raise SystemExit(f"{checkpoint}: whole kernels; need what spondyl calibrate --half wrote")
    if made_by["weights_digest"] != model.digest:
        raise SystemExit(f"{graph}: of other weights; need the export of {checkpoint}")
    if model.digest not in card:
        raise SystemExit(
            f"{checkpoint}: the model card says nothing of weights {model.digest}; "
            "run benchmarks/shipped.py with them first"
        )
    return model.digest


def readme(name: str, digest: str, card: str) -> str:
    """The card under the network's name, links to pages that are not there turned into words."""
    body = MARK.sub("", LINK.sub(r"*\1*", card)).removeprefix("# Model card\n")
    head = yaml.safe_dump(ABOUT, sort_keys=False)
    return f"---\n{head}---\n\n# {name}\n{USE.format(name=name, digest=digest)}{body}"


if __name__ == "__main__":
    main()
