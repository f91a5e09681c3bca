"""How folders of photos are embedded elsewhere: reader, mapper, writer, as in clip-retrieval; written from its docs.

Worker processes of torch's `DataLoader` open and preprocess (Pillow, torchvision), the model works through batches, the
vectors are written as .npy and the paths beside them.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

WORKERS, BATCH = 4, 256


class Photos:
    """What the workers do with a photo; a dataset as torch knows it. Picklable."""

    def __init__(self, files, preprocess) -> None:
        self._files, self._preprocess = files, preprocess

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int):
        from PIL import Image

        return self._preprocess(Image.open(self._files[number])), str(self._files[number])


class Loop:
    """The model and its preprocessing are made here, so that they are not part of what is timed."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        from mmsearch.encoders import heavy

        self._torch, self.model, self.preprocess = heavy.torch(), *load(name)
        self._device = device
        self.model.to(device)
        self._half = device != "cpu"
        if self._half:
            self.model.half()

    def __call__(self, files: list[Path], target: Path) -> None:
        """Embed files; write `vectors.npy` and the paths into `target`."""
        import numpy as np

        torch = self._torch
        target.mkdir(parents=True, exist_ok=True)
        workers = min(WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
        loader = torch.utils.data.DataLoader(
            Photos(files, self.preprocess),
            batch_size=min(BATCH, len(files)),
            num_workers=workers,
            pin_memory=self._half,
        )
        vectors, paths = [], []
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for pictures, names in loader:
                vectors.append(self.vectors(pictures.to(self._device, non_blocking=True)))
                paths += names
        np.save(target / "vectors.npy", np.concatenate(vectors))
        _write(target, paths)

    def vectors(self, pictures):
        """Unit vectors `(n, d)` in NumPy of preprocessed pictures `(n, 3, size, size)` on the device."""
        with self._torch.inference_mode():
            found = self.model.encode_image(pictures.half() if self._half else pictures)
            return (found / found.norm(dim=-1, keepdim=True)).cpu().numpy()


def load(name: str):
    """open_clip's own model and preprocessing of a model that `models.clip` wrote."""
    from mmsearch.encoders import heavy
    from mmsearch.encoders.clip import source

    open_clip, found = heavy.open_clip(), source.parse(name.removeprefix("clip:"))
    if found.folder:
        model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{found.folder}")
    else:
        known = open_clip.list_pretrained_tags_by_model(found.architecture)
        cfg = open_clip.get_pretrained_cfg(found.architecture, known[0]) if known else {}
        model, _, preprocess = open_clip.create_model_and_transforms(
            found.architecture,
            pretrained=str(found.file),
            image_mean=cfg.get("mean"),
            image_std=cfg.get("std"),
            image_interpolation=cfg.get("interpolation"),
            image_resize_mode=cfg.get("resize_mode"),
        )
    return model.eval(), preprocess


def _write(folder: Path, paths: list[str]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        (folder / "paths.json").write_text(json.dumps(paths))
    else:
        pyarrow.parquet.write_table(pyarrow.table({"path": paths}), folder / "paths.parquet")
