"""What is on disk for `lite`: three folders in the cache, each made once, at pull, out of pinned packages.

::

    minilm-…            text.onnx, text.onnx.data, tokenizer.json
    efficientnet-…      image.onnx, head.npz (classifier `weight`, `bias`; `mean` of the features)
    yamnet-…            audio.onnx, head.npz (classifier `weight`)

Making them needs the `onnx` package, which is slow to import; using them does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsearch.encoders.lite import pins
from mmsearch.errors import WeightsMissing
from mmsearch.packages import Package, cache_folder, fetch, installing

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Part:
    """One encoder's files.

    Attributes:
        name: of the encoder.
        recipe: raised whenever `build` makes other files.
        packages: where they come from.
        build: from the packages' folders, in that order, into a new folder.
        engine: whether the files depend on the version of ONNX Runtime.
    """

    name: str
    recipe: int
    packages: tuple[Package, ...]
    build: Callable[[tuple[Path, ...], Path], None]
    engine: bool = False

    @property
    def version(self) -> str:
        """Of the features: follows from the weights and the recipe, not from this machine."""
        pinned = "".join(package.sha256 for package in self.packages)
        return f"{self.recipe}-{hashlib.sha256(pinned.encode()).hexdigest()[:8]}"

    @property
    def weights(self) -> Mapping[str, str]:
        """Archive -> sha256, as pinned and as verified at pull."""
        return {package.filename: package.sha256 for package in self.packages}

    @property
    def folder(self) -> Path:
        """Where its files are, or will be."""
        suffix = ""
        if self.engine:
            import onnxruntime

            suffix = f"-ort{onnxruntime.__version__}"
        return cache_folder() / "models" / f"{self.name}-{self.version}{suffix}"

    @property
    def installed(self) -> bool:
        """Whether its files are there."""
        return (self.folder / SUMS).is_file()

    def install(self, source: Path | None = None) -> Path:
        """Make the files unless they are there; returns their folder.

        Raises:
            WeightsMissing: a package is not in the cache and cannot be fetched.
            WeightsDamaged: a package is not the one that was pinned.
        """
        if self.installed:
            return self.folder
        made_from = tuple(fetch(package, source=source) for package in self.packages)
        with installing(self.folder) as (folder, staging):
            if not self.installed:
                self.build(made_from, staging)
                lines = [f"{_digest(path)}  {path.name}\n" for path in sorted(staging.iterdir())]
                (staging / SUMS).write_text("".join(lines))
        return folder

    def file(self, name: str) -> Path:
        """The path of one file.

        Raises:
            WeightsMissing: the part is not installed, or was removed since.
        """
        path = self.folder / name
        if not path.is_file():
            raise WeightsMissing(f"{path} is not there; `mmsearch models pull lite` makes it again")
        return path

    def damaged(self) -> list[Path]:
        """The files that are not as they were made: hashes all of them."""
        lines = (self.folder / SUMS).read_text().splitlines()
        files = [(self.folder / name, digest) for digest, name in (line.split("  ") for line in lines)]
        return [path for path, digest in files if not path.is_file() or _digest(path) != digest]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _minilm(folders: tuple[Path, ...], target: Path) -> None:
    """Let ONNX Runtime optimise the graph now, once, and keep its tensors in a file that it maps into memory.

    Opening the published graph takes .18 s, most of it to turn int8 tables into float ones; opening this takes .01.
    """
    import onnxruntime

    model, tokenizer = folders
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target / "text.onnx")
    external = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{external}file_name", "text.onnx.data")
    options.add_session_config_entry(f"{external}min_size_in_bytes", "1024")
    onnxruntime.InferenceSession(str(model / "model.onnx"), options, providers=["CPUExecutionProvider"])
    (target / "tokenizer.json").write_bytes((tokenizer / "tokenizer.json").read_bytes())


def _efficientnet(variant: str) -> Callable[[tuple[Path, ...], Path], None]:
    def build(folders: tuple[Path, ...], target: Path) -> None:
        from mmsearch.encoders.lite import checkpoint, efficientnet

        state = checkpoint.load(folders[0] / "weights.pth")
        efficientnet.build(state, variant, target / "image.onnx")
        np.savez(
            target / "head.npz",
            weight=state["_fc.weight"],
            bias=state["_fc.bias"],
            mean=efficientnet.mean_features(state),
        )

    return build


def _yamnet(folders: tuple[Path, ...], target: Path) -> None:
    from mmsearch.encoders.lite import yamnet

    np.savez(target / "head.npz", weight=yamnet.build(folders[0] / "yamnet.onnx.zip", target / "audio.onnx"))


TEXT = Part("minilm", 1, (pins.MINILM, pins.TOKENIZER), _minilm, engine=True)
IMAGE0 = Part("efficientnet-lite0", 1, (pins.LITE0,), _efficientnet("lite0"))
IMAGE2 = Part("efficientnet-lite2", 1, (pins.LITE2,), _efficientnet("lite2"))
AUDIO = Part("yamnet", 1, (pins.YAMNET,), _yamnet)
