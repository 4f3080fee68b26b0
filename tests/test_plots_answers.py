"""Figures of a model's answers from plain values."""

from __future__ import annotations

from fastnet.plots.answers import MOST_WRITTEN, confusion, residuals


def test_cells_are_shaded_by_their_share_of_the_true_class_and_show_their_counts() -> None:
    found = confusion([[9, 1, 0], [4, 4, 0], [0, 0, 0]], ["a", "<b>", "c" * 30])
    shades, digits = found.data
    assert [list(row) for row in shades.z] == [[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert shades.text[1][0] == "true &lt;b&gt;, predicted a<br>4 samples, 50 % of the class"
    assert list(zip(digits.x, digits.y, digits.text, strict=True)) == [
        (0, 0, "9"), (1, 0, "1"), (0, 1, "4"), (1, 1, "4")]  # fmt: skip
    assert digits.textfont.color[0] == "#ffffff" != digits.textfont.color[1]
    assert found.layout.yaxis.range == (2.5, -0.5), "the first class is on top"
    assert found.layout.xaxis.ticktext[2] == "c" * 15 + "…"


def test_many_classes_have_no_digits() -> None:
    n = MOST_WRITTEN + 1
    assert len(confusion([[1] * n] * n, [str(k) for k in range(n)]).data) == 1


def test_each_target_has_its_answers_and_its_residuals() -> None:
    def target(name: str) -> dict:
        marks = {"true": [1.0, 5.0, 3.0], "predicted": [1.5, 4.0, 3.0]}
        return {"name": name, "marks": marks, "residuals": {"edges": [-2.0, 0.0, 2.0], "counts": [1, 2]}}

    found = residuals([target("price"), target("x" * 40)])
    layout = found.layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("true price", "predicted price")
    assert (layout.xaxis4.title.text, layout.yaxis4.title.text) == ("predicted less true", "samples")
    assert layout.xaxis3.title.text == "true " + "x" * 27 + "…"
    marks, line, bars = found.data[:3]
    assert marks.y == (1.5, 4.0, 3.0) and line.x == line.y == (1.0, 5.0)
    assert bars.x == (-1.0, 1.0) and bars.text == ("-2 to 0: 1 samples", "0 to 2: 2 samples")
