/* The steps of the designer: what is drawn in a block, which ways lead out of it, and what is saved of it. */
define(['jquery', './texts', './designer_fields'], function ($, texts, fields) {
  'use strict';

  function caption(text) {
    return $('<div class="designer-row">').append($('<span class="designer-row__caption">').text(text));
  }

  function exit(code, title) {
    return { code: code, title: title };
  }

  /* A step is {title, exits, draw($body), complete(), saved(targets)}; targets: exit code -> index of a block. */
  function message() {
    var $text = $('<textarea rows="2" name="text">');
    return {
      kind: 'message',
      title: texts.message,
      exits: [exit('then', texts.then)],
      draw: function ($body) { $body.append($('<label class="designer-row">').append($text)); },
      complete: function () { return $text.val().trim() !== ''; },
      saved: function (targets) { return { kind: 'message', text: $text.val(), then: targets.then }; },
    };
  }

  function pause() {
    return {
      kind: 'pause',
      title: texts.pause,
      exits: [exit('then', texts.then)],
      draw: function ($body) { $body.append($('<p class="hint">').text(texts.until_message)); },
      complete: function () { return true; },
      saved: function (targets) { return { kind: 'pause', then: targets.then }; },
    };
  }

  function condition() {
    var $terms = ['term1', 'term2'].map(function (name) { return $('<input type="text">').attr('name', name); });
    var $operation = $('<select name="operation">');
    ['=', '!='].forEach(function (operation) { $operation.append($('<option>').text(operation)); });
    return {
      kind: 'condition',
      title: texts.condition,
      exits: [exit('then', texts.holds), exit('otherwise', texts.otherwise)],
      draw: function ($body) {
        $body.append($('<div class="designer-row">').append($terms[0], $operation, $terms[1]));
      },
      complete: function () { return $terms[0].val().trim() !== ''; },
      saved: function (targets) {
        return {
          kind: 'condition', term1: $terms[0].val(), operation: $operation.val(), term2: $terms[1].val(),
          then: targets.then, otherwise: targets.otherwise,
        };
      },
    };
  }

  /* The Widget step (kommo.md 1.3, 1.4). Kommo calls the script when the step is added, and when the bot is saved. */
  function ofWidget(widget, handler) {
    var $drawn;
    return {
      kind: 'widget',
      title: widget.i18n(handler.name),
      exits: [],
      draw: function ($body) {
        $drawn = $body;
        Object.keys(handler.settings).forEach(function (name) {
          $body.append(fields.row(widget, name, handler.settings[name]));
        });
        var answer = widget.callbacks.salesbotDesignerSettings.call(
          widget, $body, function (text) { return caption(text)[0].outerHTML; }, fields.values($body, handler.settings)
        );
        // Without named exits a step has a single one.
        this.exits = (answer && answer.exits) || [exit('', texts.then)];
      },
      complete: function () { return fields.complete($drawn, handler.settings); },
      saved: function (targets) {
        var values = fields.values($drawn, handler.settings);
        return {
          kind: 'widget',
          source: widget.callbacks.onSalesbotDesignerSave.call(widget, handler.code, values),
          exits: targets,
        };
      },
    };
  }

  return { message: message, pause: pause, condition: condition, ofWidget: ofWidget };
});
