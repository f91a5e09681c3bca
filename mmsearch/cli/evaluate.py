"""`mmsearch eval`: how well an index, or a model, answers a dataset; and which of two does it better."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli.locate import is_index, locate, place
from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption, RerankOption
from mmsearch.errors import QueryError, UnknownModel

if TYPE_CHECKING:
    from mmsearch.evaluation.geometry import Geometry
    from mmsearch.evaluation.result import Evaluation
    from mmsearch.evaluation.scores import Scores
    from mmsearch.evaluation.trial import Trial
    from mmsearch.evaluation.variants import Variant

    Told = Callable[[str, int, int], None]


def evaluate(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A file or folder: media with captions, labels or classes.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Measure this model in a temporary index. Default: lite. With --index, where its model is now."
        ),
    ] = None,
    index: IndexOption = None,
    fit_of: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Measure the model of this index, with what it has learnt, instead."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the dataset. Default: test if there is one, else all.")
    ] = None,
    rerank: RerankOption = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Ask with stored vectors where the index has them; encode nothing again.")
    ] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="Also measure every way to search: exact, approximate, reranked, …")
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Two models, indexes or files of --per-query: is the difference chance?"),
    ] = None,
    per_query: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures of each query: .csv or .jsonl.")
    ] = None,
    trec: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write runs and qrels as trec_eval reads them.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write a page to look at.")] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure retrieval quality: hit@K (R@K of CLIP papers), recall@K, nDCG, MRR, mAP, ranks; with intervals."""
    from mmsearch.cli import figures, present
    from mmsearch.cli.progress import counter
    from mmsearch.evaluation.evaluate import DEPTH
    from mmsearch.evaluation.runs import TOP
    from mmsearch.search.rerank import names

    chain = names(rerank) if rerank is not None else None
    for file in (report, per_query):  # told now, and not after minutes of asking
        if file is not None and not file.absolute().parent.is_dir():
            raise QueryError(f"there is no folder {file.absolute().parent} for {file}")
    if compare is not None:
        if model or index or fit_of or variants or per_query or trec:
            raise QueryError("--compare A B says what is measured: it goes with --split, --rerank, --report and --json")
        with counter() as told:
            _compare(dataset, compare, split, chain, stored, device, report, as_json, told)
        return
    if fit_of is not None and (model or index):
        raise QueryError("--fit-of INDEX says what is measured: it goes with neither --model nor --index")
    with counter() as told, _trial(dataset, model, index, fit_of, split, device, told) as trial:
        found = trial.evaluate(rerank=chain, stored=stored, keep=DEPTH if trec else TOP, progress=told)
        found = found.since({"command": shlex.join(["mmsearch", *sys.argv[1:]])})
        ways = trial.variants(stored=stored, progress=told) if variants else {}
        geometry = _write(trial, found, ways, chain, per_query, trec, report)
    if as_json:
        space = {} if geometry is None else {"geometry": geometry.to_json()}
        present.print_json(found.to_json() | figures.variants_json(ways) | space)
    else:
        figures.evaluation(found)
        figures.variants(ways)


def _write(
    trial: Trial,
    found: Evaluation,
    ways: Mapping[str, Sequence[Variant]],
    rerank: Sequence[str] | None,
    per_query: Path | None,
    trec: Path | None,
    report: Path | None,
) -> Geometry | None:
    """The files that were asked for; what the page found out about the space."""
    if per_query is not None:
        from mmsearch.evaluation import scores

        scores.write(found, trial.dataset, per_query)
    if trec is not None:
        from mmsearch.evaluation.trec import write

        write(found, trec)
    if report is None:
        return None
    from mmsearch.evaluation.report import write as write_page

    return write_page(
        found, trial.dataset, report, index=trial.index, match=trial.match, rerank=rerank, variants=ways or None
    )


def _compare(
    dataset: Path,
    sides: tuple[str, str],
    split: str | None,
    rerank: tuple[str, ...] | None,
    stored: bool,
    device: str | None,
    report: Path | None,
    as_json: bool,
    told: Told,
) -> None:
    from mmsearch.cli import figures, present
    from mmsearch.evaluation import datasets, scores
    from mmsearch.evaluation.compare import compare

    def measured(named: str) -> Mapping[str, Scores]:
        file = Path(named).expanduser()
        if file.is_file():
            return scores.read(file)
        if not named.strip():
            raise QueryError(f"{named!r} is no model, no index and no file of --per-query")
        model, index = (None, named) if is_index(place(named)) else (named, None)
        try:
            with _trial(dataset, model, index, None, split, device, told) as trial:
                return scores.scores(trial.evaluate(rerank=rerank, stored=stored, progress=told))
        except UnknownModel as error:
            raise QueryError(f"{named!r} is no model, no index and no file of --per-query: {error}") from error

    asked = datasets.read(dataset.expanduser(), split=split)
    texts = {record.id: scores.told(record) for record in asked.records}
    found = compare(measured(sides[0]), measured(sides[1]), sides, texts=texts)
    if report is not None:
        from mmsearch.evaluation.report import write_comparison

        write_comparison(found, asked.name, report)
    if as_json:
        present.print_json(found.to_json())
    else:
        figures.comparison(found)


@contextmanager
def _trial(
    dataset: Path,
    model: str | None,
    index: str | None,
    fit_of: str | None,
    split: str | None,
    device: str | None,
    told: Told,
) -> Iterator[Trial]:
    """An index that is there, or a temporary one."""
    from mmsearch.encoders import registry
    from mmsearch.engine import open_index

    if index is None:
        from mmsearch.evaluation.model import trial

        taught = None if fit_of is None else locate(fit_of)
        named = model or registry.DEFAULT
        with trial(dataset, named, split=split, fit_of=taught, device=device, progress=told) as made:
            yield made
    else:
        with open_index(locate(index), model, create=False, device=device) as opened:
            yield opened.trial(dataset, split=split)
