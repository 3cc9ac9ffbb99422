"""How a page looks: what sticks out of it, and whether its texts can be told from what they stand on."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

# WCAG 2.2, level AA, for texts of normal size.
ENOUGH_CONTRAST = 4.5

_STICKING_OUT = """
selector => [...document.querySelectorAll(selector)].flatMap(root => [root, ...root.querySelectorAll('*')])
  .filter(element => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
  .filter(element => getComputedStyle(element).overflowX === 'visible')
  .filter(element => getComputedStyle(element).display !== 'inline')
  .map(element => element.outerHTML.slice(0, 120))
"""

# Colours are painted and read back, so that every notation of CSS is understood.
_CONTRASTS = """
selector => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const painted = colours => {
    context.clearRect(0, 0, 1, 1);
    colours.forEach(colour => { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); });
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => {
    const [red, green, blue] = rgb.map(value => value / 255).map(
      value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = element => getComputedStyle(element).backgroundColor;
  const grounds = element => element ? [...grounds(element.parentElement), ground(element)] : ['#fff'];
  const texts = [...document.querySelectorAll(selector + ' *')].filter(element =>
    element.checkVisibility({visibilityProperty: true, opacityProperty: true}) && element.getClientRects().length &&
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  return texts.map(element => {
    const below = grounds(element);
    const ink = light(painted([...below, getComputedStyle(element).color]));
    const paper = light(painted(below));
    return {
      text: element.textContent.trim().slice(0, 60),
      contrast: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05),
    };
  });
}
"""


def sticking_out(page: Page, selector: str) -> list[str]:
    """Elements whose content is wider than they are, although nothing lets it scroll."""
    return list(page.evaluate(_STICKING_OUT, selector))


def faint_texts(page: Page, selector: str) -> list[dict[str, Any]]:
    """Visible texts with too little contrast."""
    found = page.evaluate(_CONTRASTS, selector)
    assert found
    return [text for text in found if text["contrast"] < ENOUGH_CONTRAST]


def photograph(page: Page, path: Path, scrolled: str | None = None) -> None:
    """Take a picture of the whole page. scrolled: an element that scrolls by itself; it is given room for all of it."""
    if scrolled is not None:
        size = page.viewport_size
        assert size is not None
        height = page.locator(scrolled).evaluate("element => element.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
        page.screenshot(path=path)
        page.set_viewport_size(size)
    else:
        page.screenshot(path=path, full_page=True)
