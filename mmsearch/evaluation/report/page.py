"""The page, section by section."""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

from mmsearch.evaluation.report import charts, comparison, failures, learning, summary, tables, taught, ways
from mmsearch.search.exhibit import escaped, look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mmsearch.evaluation.compare import Comparison
    from mmsearch.evaluation.datasets import Dataset
    from mmsearch.evaluation.geometry import Geometry
    from mmsearch.evaluation.report.learning import Curve
    from mmsearch.evaluation.report.shelf import Shelf
    from mmsearch.evaluation.result import DirectionResult, Evaluation
    from mmsearch.evaluation.variants import Variant


def page(
    evaluation: Evaluation,
    dataset: Dataset,
    geometry: Geometry,
    shelf: Shelf,
    variants: Mapping[str, Sequence[Variant]] | None = None,
    curves: Mapping[str, Curve] | None = None,
) -> str:
    """HTML that is valid UTF-8 and holds everything that it shows.

    Args:
        evaluation: what is told.
        dataset: that was asked.
        geometry: of the space in which it was answered.
        shelf: shows questions and answers.
        variants: ways to search, by direction.
        curves: of the fits that answered, by their names.
    """
    sections = [
        ("summary", "At a glance", _summary(evaluation, geometry)),
        *(
            (
                name.replace("->", "-to-"),
                tables.direction(result.run.query, result.run.target),
                _direction(result, geometry, shelf, evaluation.depth),
            )
            for name, result in evaluation.directions.items()
        ),
        *([("ways", "What the index costs", ways.tables(variants))] if variants else []),
        ("space", "The space", _space(geometry)),
        ("measures", "All measures", _measures(evaluation)),
        *([("learning", "What the fit would learn of more", _curves(curves))] if curves else []),
        ("again", "To get the same again", tables.provenance(evaluation.provenance)),
    ]
    return _filled(evaluation.model, f"on {dataset.name}", _chips(evaluation, dataset), sections)


def comparison_page(found: Comparison, dataset: str) -> str:
    """The same for two systems over the same questions; `dataset` is its name."""
    a, b = found.names
    sections = comparison.sections(found)
    if found.warnings:
        sections.insert(0, ("notes", "Notes", _notes(found.warnings)))
    questions = f"{sum(found.queries.values()):,} questions"
    return _filled(b, f"against {a} on {dataset}", [questions], sections)


def fits_page(name: str, cards: Mapping[str, Mapping[str, Any]]) -> str:
    """The same for fits: by name of each, the card that is kept with it; `name` is that of the index."""
    parts = [section for one, card in cards.items() for section in taught.sections(one, card, alone=len(cards) == 1)]
    chips = [f"{card['media']:,} {card['medium']}s with {card['texts']:,} texts" for card in cards.values()]
    return _filled("What was learnt", f"by {name}", chips, parts)


def _filled(first: str, rest: str, chips: Iterable[str], sections: Sequence[tuple[str, str, str]]) -> str:
    """The template; of each section its anchor, its heading and its body."""
    template = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        look=look(),
        title=escaped(f"{first} {rest}"),
        first=escaped(first),
        rest=escaped(rest),
        chips="".join(f"<li>{escaped(chip)}</li>" for chip in chips),
        links="".join(f'<a href="#{anchor}">{name}</a>' for anchor, name, _ in sections),
        sections="\n".join(
            f'<section id="{anchor}">\n<h2>{name}</h2>\n{body}\n</section>' for anchor, name, body in sections
        ),
    )


def _chips(evaluation: Evaluation, dataset: Dataset) -> Iterator[str]:
    if dataset.split:
        yield f"split {dataset.split}"
    yield f"{evaluation.items:,} items"
    yield f"{sum(result.queries for result in evaluation.directions.values()):,} questions"
    yield f"lists cut at {evaluation.depth:,}"


def _summary(evaluation: Evaluation, geometry: Geometry) -> str:
    tiles = "\n".join(
        summary.card(result, geometry.hubness[name].items) for name, result in evaluation.directions.items()
    )
    listed = f"<h3>Notes</h3>{_notes(evaluation.warnings)}" if evaluation.warnings else ""
    said = "Percent, with 95 % bootstrap intervals over questions: how far a figure would move with other ones."
    return f'<div class="tiles">\n{tiles}\n</div>\n<p class="soft">{said}</p>\n{listed}'


def _notes(warnings: Iterable[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escaped(warning)}</li>" for warning in warnings)}</ul>'


def _direction(result: DirectionResult, geometry: Geometry, shelf: Shelf, depth: int) -> str:
    run = result.run
    hubness, scores = geometry.hubness[run.direction], geometry.scores.get(run.direction)
    plots = [charts.recall_curve(run, hubness.items, depth)]
    if scores is not None:
        plots.append(charts.score_histogram(scores, run.target))
    plots.append(charts.occurrences(hubness, run.target))
    hubs = "".join(
        f'<div class="card"><div class="facts"><b>among the first {hubness.k} for {times:,} questions</b></div>'
        f'<div class="what">{shelf.item(id, run.target)}</div></div>'
        for id, times in hubness.hubs
    )
    return (
        f'<div class="charts">\n{"".join(plots)}\n</div>\n'
        f"<h3>Worst failures</h3>\n{failures.gallery(run, shelf, depth)}\n"
        + (f'<h3>Greatest hubs</h3>\n<div class="cards">{hubs}</div>' if hubs else "")
    )


def _space(geometry: Geometry) -> str:
    parts = "".join(charts.plane(plane) for plane in geometry.planes)
    if geometry.merged:
        parts += (
            '<figure class="chart"><h4>Asking for everything at once</h4>'
            f"{tables.shares(geometry.merged)}<figcaption>What the first ten answers are when all modalities are asked "
            "for, over what the index holds. A modality that fills the answers whatever was asked has scores that "
            "cannot be compared with the others'.</figcaption></figure>"
        )
    if geometry.gaps:
        parts += (
            f'<figure class="chart"><h4>Modality gap</h4>{tables.gaps(geometry.gaps)}<figcaption>The distance of the '
            "mean vectors of two modalities: 0 where they lie together, 2 at most. Cosines are means over all "
            "pairs.</figcaption></figure>"
        )
    return f'<div class="charts space">\n{parts}\n</div>'


def _curves(curves: Mapping[str, Curve]) -> str:
    return "\n".join(f"<h3>{escaped(name)}</h3>\n{learning.charts(curve)}" for name, curve in curves.items())


def _measures(evaluation: Evaluation) -> str:
    return (
        f"{tables.measures(evaluation)}\n"
        '<p class="soft">Percent, but for ranks; small: the 95 % bootstrap interval over questions, captions of one '
        "thing drawn together. Where papers use one name for two measures, both are given.</p>"
    )
