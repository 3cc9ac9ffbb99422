/* Loads the widget of the account as Kommo does: script.js as an AMD module, its object over Kommo's own. */
define(['jquery', './environment', './widget_base'], function ($, environment, WidgetBase) {
  'use strict';

  var described = environment.widget;

  /* The class_name that script.js defines inherits Kommo's methods, and has them while it is constructed. */
  function constructed(CustomWidget) {
    CustomWidget.prototype = new WidgetBase(described);
    var widget = new CustomWidget();
    window.APP.widgets.list[described.code] = widget;
    return widget;
  }

  /* render comes first and decides about the others (kommo.md 7.7); a promise decides when it is kept. */
  function started(widget) {
    return Promise.resolve(widget.callbacks.render.call(widget)).then(function (shown) {
      if (shown === true) {
        widget.callbacks.init.call(widget);
        widget.callbacks.bind_actions.call(widget);
      }
      return widget;
    });
  }

  /* A promise of the running widget; null where the account has none, or none for this place. */
  function load(location) {
    if (!described || described.locations.indexOf(location) < 0) {
      return Promise.resolve(null);
    }
    return new Promise(function (resolve, reject) {
      // The version is what clears the cached file (kommo.md 7.1).
      requirejs([described.path + '/script.js?v=' + described.version], resolve, reject);
    }).then(constructed).then(started);
  }

  return { load: load, described: described };
});
