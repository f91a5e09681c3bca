"""Files of the model hub: from the hub's own cache if they are there, else fetched, and never a long wait for nothing.

Which hub, which cache, which proxy and whether to go online at all is the user's own setting (`HF_ENDPOINT`, `HF_HOME`,
`HTTPS_PROXY`, `HF_HUB_OFFLINE`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmsearch.encoders.prepared import digest
from mmsearch.errors import MissingExtra, UnknownModel, WeightsDamaged, WeightsMissing

PATIENCE_SECONDS: Final = 4.0
"""For the hub to say anything at all; resolving its name included, which no timeout of a connection covers."""

_SHA256: Final = 64  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of one repository.

    Attributes:
        repository: `organisation/name`.
        files: each in ways to be called, the better one first; one of each is needed.
        optional: taken where they are there.
        by: what fetches them where there is a network, for the error; `mmsearch models pull` if it is not given.
    """

    repository: str
    files: Sequence[Sequence[str]]
    optional: Sequence[str] = ()
    by: str = ""


def fetch(wanted: Wanted, spec: str, instead: str) -> Path:
    """The folder that holds the files of a repository.

    Args:
        wanted: which.
        spec: the name of the model, for the error.
        instead: how to name local files for it, for the error.

    Raises:
        WeightsMissing: they are not in the cache, and the hub cannot be reached or does not have them.
        WeightsDamaged: a file in the cache does not have the hash by which it is stored.
        MissingExtra: what talks to the hub is not installed.
    """
    paths = [path for names in wanted.files if (path := _cached(wanted.repository, names)) is not None]
    if len(paths) < len(wanted.files) or len({path.parent for path in paths}) > 1:
        missing = [names[0] for names in wanted.files if not _cached(wanted.repository, names)]
        by = wanted.by or f'mmsearch models pull "{spec}"'
        _reach(missing or [f"{names[0]}, all of one commit" for names in wanted.files], spec, by, instead)
        paths, revision = [], None
        for names in wanted.files:  # all of one commit, that of the first
            paths.append(_download(wanted.repository, names, revision, spec, instead))
            revision = paths[0].parent.name
        for name in wanted.optional:
            with contextlib.suppress(WeightsMissing):
                _download(wanted.repository, [name], revision, spec, instead)
    for path in paths:
        _verify(path)
    return paths[0].parent


def _cached(repository: str, names: Sequence[str]) -> Path | None:
    for name in names:
        try:
            found = _hub().try_to_load_from_cache(repository, name)
        except ValueError as error:  # its own class for what no repository can be called
            raise UnknownModel(f"{repository!r} can be no repository of the hub: {error}") from error
        if isinstance(found, str):
            return Path(found)
    return None


def _download(repository: str, names: Sequence[str], revision: str | None, spec: str, instead: str) -> Path:
    """The first of the names that the repository has."""
    said = ""
    for name in names:
        try:
            return Path(_hub().hf_hub_download(repository, name, revision=revision))
        except _hub().errors.EntryNotFoundError:
            said = f"the repository {repository} has no {' or '.join(names)}"
        except Exception as error:  # of the hub, of its HTTP client, of the disk
            said = str(error).strip().partition("\n")[0]
            break
    raise WeightsMissing(f"{spec}: its files could not be fetched from {repository}: {said}; {instead}")


def _reach(missing: Sequence[str], spec: str, by: str, instead: str) -> None:
    """Ask the hub for anything, and give up soon: its own client would try for minutes."""
    from huggingface_hub import constants

    said: list[str] = []

    def ask() -> None:
        try:
            _hub().get_session().head(constants.ENDPOINT, timeout=PATIENCE_SECONDS)
            said.append("")
        except Exception as error:  # of whichever HTTP client it has
            said.append(str(error).strip().partition("\n")[0] or type(error).__name__)

    if constants.HF_HUB_OFFLINE:
        said.append("HF_HUB_OFFLINE is set")
    else:
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(PATIENCE_SECONDS)
    if said != [""]:
        why = said[0] if said else f"it did not answer within {PATIENCE_SECONDS:.0f} seconds"
        raise WeightsMissing(
            f"the weights of {spec} ({', '.join(missing)}) are not in the cache {constants.HF_HUB_CACHE}, and the "
            f"model hub cannot be reached: {why}. On a machine with a network, `{by}` fills that cache, which can be "
            f"copied; {instead}"
        )


def _verify(path: Path) -> None:
    """The hub stores large files under their sha256, and links to them."""
    stored = Path(os.path.realpath(path))
    if len(stored.name) == _SHA256 and digest(stored) != stored.name:
        raise WeightsDamaged(
            f"{path} does not have the sha256 by which it is stored; remove {stored}, it is fetched again"
        )


def _hub() -> Any:  # noqa: ANN401  (its types change from version to version)
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingExtra('the model hub needs the package huggingface_hub: pip install "mmsearch[clip]"') from error
    return huggingface_hub
