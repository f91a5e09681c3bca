"""Folders as datasets come, with real pictures and sounds of a few bytes."""

import numpy as np
import soundfile
from PIL import Image

PICTURES = (".jpg", ".png")


def media(folder, *names):
    """Make files; what they are is told by their suffix."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in PICTURES:
            Image.new("RGB", (8, 8), (40 * number % 256, 90, 160)).save(path)
        else:
            soundfile.write(path, np.sin(np.arange(800) * (number + 1) / 9) / 2, 8000)
    return folder


def text(path, content, encoding="utf-8"):
    """Write a description, line ends as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def texts(dataset, modality):
    """What goes with each picture or sound: texts by record id, both directions agreeing."""
    words = {record.id: record.text for record in dataset.records if record.text is not None}
    by_direction = {judged.direction: judged.qrels for judged in dataset.judgements}
    found = {}
    for asking, answers in by_direction[f"text->{modality}"].items():
        for medium in answers:
            found.setdefault(medium, []).append(words[asking])
    backwards = by_direction.get(f"{modality}->text", {})
    assert {medium: {words[id] for id in ids} for medium, ids in backwards.items()} == {
        medium: set(said) for medium, said in found.items()
    }
    return found
