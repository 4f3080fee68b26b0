"""The page that shows all experiments: one HTML file beside their figures, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fastnet._version import __version__
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.report.text import counted

STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --page: #fbfbfa; --card: #fff; --soft: #5a6169; --line: #d9dcdf;
  --holds: #00664d; --fails: #a34700; --link: #0062a3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --page: #15181b; --card: #1e2226; --soft: #a7afb7; --line: #383e44;
    --holds: #4fc3a1; --fails: #f0a15e; --link: #74bdf0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 0 0 .2rem; }
a { color: var(--link); }
p { margin: .5rem 0; max-width: 46rem; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.2rem;
  margin: 1.4rem 0; }
figure { margin: 1rem 0; }
figure img { display: block; width: 100%; height: auto; background: #fff; border-radius: 6px; padding: .3rem; }
figcaption { font-size: .875rem; color: var(--soft); margin-top: .3rem; }
.scroll { overflow-x: auto; }
.scroll img { min-width: 36rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .4rem 0 1rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.claims { width: 100%; }
.claims td { white-space: normal; text-align: left; }
.yes, .no { font-weight: 600; }
.yes { color: var(--holds); } .no { color: var(--fails); }
"""


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    outcomes : sequence of Outcome
        At least one, all of the same data.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Experiments on {escape(outcomes[0].lab['data']['name'])}</title>",
        f"<style>{STYLE}</style></head><body><main>",
        *_head(outcomes),
        *(part for outcome in outcomes for part in _section(outcome)),
        f'<p class="soft">fastnet {escape(__version__)}</p>',
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _head(outcomes: Sequence[Outcome]) -> Iterator[str]:
    lab = outcomes[0].lab
    seeds = len(lab["seeds"])
    yield "<h1>Overfitting, its remedies, and the search for hyperparameters</h1>"
    yield (
        f'<p class="soft">Sections 6.4 and 6.5 of <cite>Deep Learning from Scratch</cite> as experiments on '
        f"{escape(lab['data']['name'])}, {counted(seeds, 'seed')} each. {escape(' '.join(lab['notes']))}</p>"
    )
    yield '<table class="claims"><caption>What the chapter says, and whether it holds here</caption><tbody>'
    for outcome in outcomes:
        for claim in outcome.claims:
            link = f'<a href="#{outcome.name}">{escape(outcome.title)}</a>'
            yield f"<tr><td>{link}</td><td>{escape(claim.text)}</td><td>{_mark(claim)}</td></tr>"
    yield "</tbody></table>"


def _mark(claim: Claim) -> str:
    kind, text = ("yes", "holds") if claim.holds else ("no", "does not hold")
    return f'<span class="{kind}" title="{escape(claim.rule)}">{text}</span>'


def _section(outcome: Outcome) -> Iterator[str]:
    yield f'<section id="{outcome.name}"><h2>{escape(outcome.title)}</h2>'
    yield f'<p class="soft">{escape(outcome.question)}</p>'
    yield from (f"<p>{escape(sentence)}</p>" for sentence in (outcome.seen, outcome.verdict))
    yield from (f'<p class="soft">{escape(remark)}</p>' for remark in outcome.remarks)
    for figure in outcome.figures:
        name = escape(figure.name)
        picture = f'<img src="{name}.svg" alt="{escape(figure.title)}" loading="lazy">'
        yield f'<figure><div class="scroll"><a href="{name}.svg">{picture}</a></div>'
        yield f'<figcaption><a href="{name}.png">PNG</a> · <a href="{name}.svg">SVG</a></figcaption></figure>'
    for table in outcome.tables:
        yield from _table(table)
    yield f'<p class="soft"><a href="{outcome.name}.json">All numbers as JSON</a></p></section>'


def _table(table: Table) -> Iterator[str]:
    yield f'<div class="scroll"><table><caption>{escape(table.title)}</caption><thead><tr>'
    yield "".join(f"<th>{escape(head)}</th>" for head in table.heads) + "</tr></thead><tbody>"
    for row in table.cells():
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"
