/* The page that belongs to the widget alone (kommo.md 1.8). */
define(['jquery', './widgets'], function ($, widgets) {
  'use strict';

  function open($page) {
    var described = widgets.described;
    $page.append($('<div id="work_area">').append(
      $('<div class="content__top__preset">'),
      $('<div>').attr('id', 'work-area-' + described.code)
    ));
    widgets.load('advanced_settings').then(function (widget) {
      $page.find('.content__top__preset').text(widget.i18n(described.manifest.advanced.title));
      widget.callbacks.advancedSettings.call(widget);
    });
  }

  return { open: open };
});
