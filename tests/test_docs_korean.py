"""The Korean pages: sections, code, pictures and numbers of the English ones, and no link that leads nowhere."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/guide.md", "docs/howto.md", "docs/chapter-6.md")
MEASURED = "## Performance"
"""Written from measurements; the Korean page refers to it."""

NUMBER = re.compile(r"−?\d+(?:,\d{3})*(?:\.\d+)*[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^]]*)\]\(([^)]+)\)")
SPAN = re.compile(r"`([^`]+)`")
HANGUL = re.compile("[가-힣]")


class Section(NamedTuple):
    """A heading and what stands under it, code apart."""

    heading: str
    lines: list[str]
    code: list[str]

    @property
    def prose(self) -> str:
        return " ".join(self.lines)

    @property
    def numbers(self) -> set[str]:
        return set(NUMBER.findall("\n".join([self.heading, *self.lines, *self.code])))


def read(page: str) -> list[Section]:
    sections = [Section("", [], [])]
    fenced = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
            sections[-1].code.append(line)
        elif fenced:
            sections[-1].code.append(line)
        elif line.startswith("#"):
            sections.append(Section(line, [], []))
        else:
            sections[-1].lines.append(line)
    return sections


def korean(page: str) -> str:
    return page.removesuffix(".md") + ".ko.md"


def pairs(page: str) -> list[tuple[Section, Section]]:
    both = zip(read(page), read(korean(page)), strict=True)
    return [(english, translated) for english, translated in both if english.heading != MEASURED]


def without_comment(line: str) -> str:
    return re.sub(r"(^|\s+)# .*$", "", line)


@pytest.mark.parametrize("page", PAGES)
def test_languages_link_to_each_other_under_the_title(page: str) -> None:
    name = Path(page).name
    for path, links in (
        (page, f"English | [한국어]({korean(name)})"),
        (korean(page), f"[English]({name}) | 한국어"),
    ):
        title, _, line, *_ = (ROOT / path).read_text(encoding="utf-8").splitlines()
        assert title.startswith("# ") and line == links


@pytest.mark.parametrize("page", PAGES)
def test_korean_has_every_section(page: str) -> None:
    levels = [[section.heading.partition(" ")[0] for section in read(path)] for path in (page, korean(page))]
    assert levels[1] == levels[0] and len(levels[0]) > 5


@pytest.mark.parametrize("page", PAGES)
def test_korean_has_the_same_code_but_for_comments(page: str) -> None:
    for english, translated in pairs(page):
        assert list(map(without_comment, translated.code)) == list(map(without_comment, english.code))
    lines = list(chain.from_iterable(translated.code for _, translated in pairs(page)))
    assert sum(line.startswith(("fastnet ", "python")) for line in lines) > 5


@pytest.mark.parametrize("page", PAGES)
def test_korean_names_the_same_options(page: str) -> None:
    for english, translated in pairs(page):
        assert set(SPAN.findall(translated.prose)) == set(SPAN.findall(english.prose)), english.heading


@pytest.mark.parametrize("page", PAGES)
def test_korean_shows_the_same_pictures_and_describes_them_in_korean(page: str) -> None:
    for english, translated in pairs(page):
        shown = PICTURE.findall(translated.prose)
        assert [file for _, file in shown] == [file for _, file in PICTURE.findall(english.prose)]
        assert all(HANGUL.search(words) for words, _ in shown)


@pytest.mark.parametrize("page", PAGES)
def test_korean_links_to_the_same_files(page: str) -> None:
    for english, translated in pairs(page):
        there, here = ({link.partition("#")[0] for link in LINK.findall(s.prose)} for s in (translated, english))
        there.add(korean(Path(page).name))  # itself, which the English page links to
        assert [link for link in here if not {link, korean(link)} & there] == []


@pytest.mark.parametrize("page", PAGES)
def test_korean_tables_hold_the_same_numbers(page: str) -> None:
    for english, translated in pairs(page):
        rows = [[NUMBER.findall(line) for line in s.lines if line.startswith("|")] for s in (english, translated)]
        assert rows[1] == rows[0], english.heading


@pytest.mark.parametrize("page", PAGES)
def test_korean_tells_the_same_numbers(page: str) -> None:
    for english, translated in pairs(page):
        assert english.numbers <= translated.numbers, english.heading
        # Korean writes some words of English in digits, such as 7층 for seven layers, but nothing like 0.759 or 1,243.
        measured = {number for number in translated.numbers if re.search(r"[.,]", number)}
        assert measured <= english.numbers, english.heading


def test_korean_names_no_figure_of_performance() -> None:
    english, translated = next(
        both for both in zip(read("README.md"), read("README.ko.md"), strict=True) if both[0].heading == MEASURED
    )
    assert english.numbers and translated.numbers <= {"0"} and not translated.code
    assert {"README.md#performance", "docs/performance.md"} <= set(LINK.findall(translated.prose))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = [section.heading.lstrip("# ").lower() for section in read(str(path.relative_to(ROOT)))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, *(korean(page) for page in PAGES)])
def test_relative_links_lead_somewhere(page: str) -> None:
    links = [link for section in read(page) for link in LINK.findall(section.prose) if "://" not in link]
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent.joinpath(file).resolve() if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [korean(page) for page in PAGES])
def test_ranges_are_not_struck_out(page: str) -> None:
    """GitHub strikes out what stands between two tildes, such as those of two ranges in a paragraph."""
    for section in read(page):
        assert not re.search(r"(?<!\\)~", SPAN.sub("", section.prose)), section.heading
