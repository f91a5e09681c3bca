"""The names that installed packages carry, read from their files: none of the packages is imported.

::

    open_clip     names of the 1,000 classes of ImageNet (ILSVRC 2012)
    torchvision   things of COCO, actions of Kinetics-400
    timm          ImageNet's larger hierarchy: WordNet's names and definitions
    Pillow        colours of CSS
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmsearch.errors import MissingExtra

# ILSVRC 2012 orders its classes by what they are: the first of each kind.
ANIMALS, OBJECTS, FOODS, LANDSCAPES = 0, 398, 924, 970
NO_SINGULAR = {
    "binoculars", "clogs", "jeans", "tights", "pajamas", "bars", "sunglasses", "trunks", "potatoes", "wool",
    "velvet", "espresso", "syrup", "broccoli", "guacamole", "dough", "hay", "rapeseed", "corn", "tissue",
    "paper", "stinkhorn", "hen-of-the-woods", "wine", "mail", "bearskin",
}  # fmt: skip
NOT_DONE_BY_PEOPLE = ("crawling baby", "punching bag", "baby waking up", "hockey stop", "bee keeping")
# Dictionary entries on people are left out: many are rude, most show nothing.
ON_PEOPLE = re.compile(
    r"\b(person|people|someone|somebody|who|man|men|woman|women|boy|girl|child|member|he|she|his|her|offensive|slang|"
    r"sexual\w*|sex|ethnic|native|genus|unit|act)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Words:
    """Lists of names that the grammar takes by the field's name with `!` before it.

    Attributes:
        animal: in the singular, mostly kinds of dogs, birds and reptiles.
        object: things made by people, in the singular.
        food: dishes and fruit, in the singular.
        thing: everyday things and animals.
        action: what people do, in the -ing form.
        colour: "dark green".
        defined: a thing, a colon and what it is.
    """

    animal: tuple[str, ...]
    object: tuple[str, ...]
    food: tuple[str, ...]
    thing: tuple[str, ...]
    action: tuple[str, ...]
    colour: tuple[str, ...]
    defined: tuple[str, ...]

    def lists(self) -> dict[str, tuple[str, ...]]:
        """By the name that the grammar uses."""
        return {f"!{field.name}": getattr(self, field.name) for field in fields(self)}


@cache
def installed() -> Words:
    """The names that the packages of `mmsearch[clip]` carry.

    Raises:
        MissingExtra: a package, or its list of names, is not there.
    """
    imagenet = _literal("open_clip", "zero_shot_metadata.py", "IMAGENET_CLASSNAMES")
    coco = _literal("torchvision", "models/_meta.py", "_COCO_CATEGORIES")
    kinetics = _literal("torchvision", "models/_meta.py", "_KINETICS400_CATEGORIES")
    return Words(
        animal=_nouns(imagenet[ANIMALS:OBJECTS]),
        object=_nouns(imagenet[OBJECTS:FOODS]),
        food=_nouns(imagenet[FOODS:LANDSCAPES]),
        thing=_nouns(name for name in coco if name not in ("__background__", "N/A", "person")),
        action=_actions(kinetics),
        colour=_colours(),
        defined=_definitions(),
    )


def _nouns(names: Any) -> tuple[str, ...]:  # noqa: ANN401  (any strings)
    plain = (re.split(r" \(| or | / ", name)[0] for name in names)
    return tuple(dict.fromkeys(name for name in plain if name.split()[-1] not in NO_SINGULAR))


def _actions(names: list[str]) -> tuple[str, ...]:
    plain = (re.split(r" \(| or ", name)[0] for name in names)
    return tuple(
        name
        for name in dict.fromkeys(plain)
        if name not in NOT_DONE_BY_PEOPLE and any(name.split()[place].endswith("ing") for place in (0, -1))
    )


def _colours() -> tuple[str, ...]:
    """Single words, and of `lightblue` "light blue". Longer names are compounds written as one word."""
    from PIL import ImageColor

    names = list(ImageColor.colormap)
    single = [name for name in names if len(name) <= 8 and not any(name != o and name.endswith(o) for o in names)]
    modified = [re.fullmatch(r"(light|dark|pale|deep)(\w+)", name) for name in names]
    return tuple(single + [f"{found[1]} {found[2]}" for found in modified if found and found[2] in single])


def _definitions() -> tuple[str, ...]:
    """Of the 12,000 classes of ImageNet that have many pictures: "tangerine: any of various deep orange mandarins"."""
    names, texts = (
        dict(line.split("\t", 1) for line in _file("timm", f"data/_info/imagenet_synset_to_{kind}.txt"))
        for kind in ("lemma", "definition")
    )
    found = []
    for synset in _file("timm", "data/_info/imagenet12k_synsets.txt"):
        name = names[synset].split(",")[0]
        text = re.sub(r"\([^)]*\)", "", texts[synset]).split(";")[0].strip()
        if 3 <= len(text.split()) <= 14 and not ON_PEOPLE.search(f"{name} {texts[synset]}"):
            found.append(f"{name}: {' '.join(text.split())}")
    return tuple(found)


def _literal(package: str, path: str, name: str) -> list[str]:
    """What a module assigns to `name`, without running it."""
    for statement in ast.parse("\n".join(_file(package, path))).body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in statement.targets
        ):
            return list(ast.literal_eval(statement.value))
    raise MissingExtra(f"the {package} that is installed holds no {name} in {path}; {_REMEDY}")


def _file(package: str, path: str) -> list[str]:
    """Lines of a file of a package."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(f"captions are made of names that the package {package} carries; {_REMEDY}")
    try:
        return (Path(next(iter(found.submodule_search_locations))) / path).read_text("utf-8").splitlines()
    except OSError as error:
        raise MissingExtra(f"the {package} that is installed holds no {path}; {_REMEDY}") from error


_REMEDY = 'pip install "mmsearch[clip]" gets the packages that it takes'
