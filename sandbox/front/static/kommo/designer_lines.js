/* Draws the ways from the exits of blocks to the blocks that follow. */
define(['jquery'], function ($) {
  'use strict';

  var SVG = 'http://www.w3.org/2000/svg';

  function element(name, attributes) {
    var made = document.createElementNS(SVG, name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    return made;
  }

  function arrowHead() {
    var marker = element('marker', {
      id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto',
    });
    marker.append(element('path', { d: 'M0 0 L8 4 L0 8 z', fill: 'currentColor' }));
    var definitions = element('defs', {});
    definitions.append(marker);
    return definitions;
  }

  /* Forward in a curve; backward around below the blocks, each on a level of its own. */
  function way(from, to, bottom) {
    if (to.x > from.x) {
      var middle = (from.x + to.x) / 2;
      return ['M', from.x, from.y, 'C', middle, from.y, middle, to.y, to.x, to.y].join(' ');
    }
    return [
      'M', from.x, from.y, 'h', 18, 'V', bottom, 'H', to.x - 22, 'V', to.y, 'H', to.x,
    ].join(' ');
  }

  /* ways: [{from: element of the exit, to: element of the block}] */
  function draw($canvas, ways) {
    $canvas.children('svg').remove();
    var place = $canvas[0].getBoundingClientRect();
    var left = place.left - $canvas[0].scrollLeft;
    var top = place.top - $canvas[0].scrollTop;
    var svg = element('svg', { class: 'designer-lines' });
    svg.append(arrowHead());
    var lowest = Math.max.apply(null, [0].concat($canvas.find('.salesbot-block').toArray().map(function (block) {
      return block.getBoundingClientRect().bottom - top;
    })));
    ways.forEach(function (one, index) {
      var from = one.from.getBoundingClientRect();
      var to = one.to.getBoundingClientRect();
      var path = way(
        { x: from.right - left, y: from.top + from.height / 2 - top },
        { x: to.left - left - 2, y: to.top + 24 - top },
        lowest + 14 + 10 * index
      );
      svg.append(element('path', { d: path, fill: 'none', stroke: 'currentColor', 'marker-end': 'url(#arrow)' }));
    });
    $canvas.prepend(svg);
  }

  return { draw: draw };
});
