"""The page in a headless browser: on a phone and a desk, light and dark, for eyes, keyboard and screen reader."""

import re
from itertools import pairwise

import pytest

CONTRAST = """
(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.matches("title, desc, style")) continue;
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || (element.closest("svg") && !element.closest(".picture:not(.light) svg"))) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${element.tagName} ${ink} ${element.textContent.slice(0, 40)}`);
  }
  return found;
})()
"""
"""Texts of less contrast than 4.5; those on the colours of a heat map are drawn in black or white by the plot."""

OVER = """
[...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, .picture") &&
  (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1) && !e.matches(".skip"))
  .map(e => e.tagName + " " + e.textContent.slice(0, 40))
"""


@pytest.fixture
def page(browser, shared):
    """Return a function that shows the shared report in a window, and the browser."""

    def show(**window):
        browser.open(shared[1] / "report.html", **window)
        return browser

    return show


def test_nothing_leaves_the_file_and_the_console_is_empty(page):
    shown = page()
    asked = [address for address in shown.requests() if not address.startswith("data:")]
    assert len(asked) == 1
    assert asked[0].startswith("file:")
    assert shown.complaints() == []
    assert shown.run("document.scripts.length") == 0


def test_the_policy_of_the_page_would_refuse_whatever_a_name_smuggled_in(page):
    shown = page()
    added = "const i = new Image(); i.src = 'https://example.invalid/x.png'; document.body.append(i);"
    refused = f"new Promise(done => {{ document.addEventListener('securitypolicyviolation', () => done(1)); {added} }})"
    assert shown.run(refused) == 1


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window_but_what_scrolls_in_its_own_box(page, width):
    shown = page(width=width)
    assert shown.run("document.documentElement.scrollWidth") <= width
    assert shown.run(OVER) == []


def test_no_picture_or_table_is_cut_in_print(page):
    shown = page(width=720, media="print")
    # An A4 page without its margins is 688 pixels wide.
    wide = "[...document.querySelectorAll('svg, table')].map(e => e.getBoundingClientRect().width)"
    assert max(shown.run(wide)) <= 721
    assert shown.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert shown.run("Math.min(...[...document.querySelectorAll('details svg')].map(e => e.clientHeight))") > 50


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(page, dark):
    shown = page(dark=dark)
    shown.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert shown.run(CONTRAST) == []


def test_the_contrast_is_measured_at_all(page):
    shown = page()
    shown.run("document.querySelector('figcaption').style.color = '#bbbbbb'")
    assert len(shown.run(CONTRAST)) == 1


def test_links_lead_to_what_is_there_and_the_first_one_skips_the_contents(page):
    shown = page()
    targets = shown.run("[...document.links].map(a => a.getAttribute('href'))")
    assert len(targets) > 5
    assert all(target.startswith("#") for target in targets)
    assert all(shown.run(f"document.querySelectorAll('{target}').length") == 1 for target in targets)
    assert targets[0] == "#main"
    assert shown.run("document.querySelector('a').compareDocumentPosition(document.querySelector('nav'))") == 4


def test_headings_are_nested_and_there_is_one_of_the_first_rank(page):
    ranks = page().run("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(e => Number(e.tagName[1]))")
    assert ranks[0] == 1
    assert ranks.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(ranks))


def test_every_picture_has_a_name_every_table_a_caption_every_heading_a_scope(page):
    shown = page()
    assert shown.run("document.querySelectorAll('figure').length") > 10
    names = shown.run("[...document.querySelectorAll('svg')].map(e => [e.getAttribute('role'), e.ariaLabel])")
    assert all(role == "img" and len(name) > 20 for role, name in names)
    assert shown.run("document.images.length") == 0
    assert shown.run("[...document.querySelectorAll('table')].every(e => e.caption && e.caption.textContent)")
    assert shown.run("[...document.querySelectorAll('th')].every(e => e.scope && e.textContent)")
    assert shown.run("[...document.querySelectorAll('.scroll')].every(e => e.tabIndex == 0 && e.ariaLabel)")


def test_no_two_elements_share_an_id_and_every_reference_inside_a_picture_is_met(shared):
    text = shared[0].html
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) > 100
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    assert set(re.findall(r'xlink:href="#([^"]+)"', text)) <= set(ids)


def test_the_page_is_small(shared):
    assert len(shared[0].html.encode()) < 5e6
