/* Salesbot's designer: steps are added, connected by their exits, and saved as a bot (kommo.md 1.3, 1.4, 7.9). */
define(['jquery', './texts', './widgets', './server', './designer_steps', './designer_lines'], function (
  $, texts, widgets, server, steps, lines
) {
  'use strict';

  var TRIGGERS = ['every_message', 'new_conversation'];
  var blocks = [];
  var $page, $canvas, $save, $name, $trigger;

  function allComplete() {
    return blocks.length > 0 && blocks.every(function (block) { return block.step.complete(); });
  }

  function refresh() {
    blocks.forEach(function (block, index) {
      block.$block.attr('data-step', index).find('.salesbot-block__number').text(index + 1);
      block.$exits.find('select').each(function () { fillTargets($(this)); });
    });
    drawLines();
    $save.prop('disabled', !allComplete()).toggleClass('button-input-disabled', !allComplete());
  }

  function drawLines() {
    var ways = [];
    blocks.forEach(function (block) {
      block.$exits.find('select').each(function () {
        var target = blockById($(this).val());
        if (target) {
          ways.push({ from: $(this).closest('.salesbot-block__exit')[0], to: target.$block[0] });
        }
      });
    });
    lines.draw($canvas, ways);
  }

  function blockById(id) {
    return blocks.find(function (block) { return block.id === id; });
  }

  function fillTargets($select) {
    var chosen = $select.val() || '';
    $select.empty().append($('<option value="">').text(texts.bot_ends));
    blocks.forEach(function (block, index) {
      $select.append($('<option>').val(block.id).text(texts.step + ' ' + (index + 1) + ': ' + block.step.title));
    });
    $select.val(blockById(chosen) ? chosen : '');
  }

  function exitRow(exit) {
    var $select = $('<select>').attr('data-exit', exit.code).append($('<option value="">'));
    $select.on('change', refresh);
    return $('<label class="salesbot-block__exit">').append($('<span>').text(exit.title), $select);
  }

  function add(step) {
    var $body = $('<div class="salesbot-block__body">');
    var $exits = $('<div class="salesbot-block__exits">');
    var $remove = $('<button type="button" class="salesbot-block__remove">×</button>');
    var $block = $('<section class="salesbot-block">').attr('data-kind', step.kind).append(
      $('<header>').append($('<i class="salesbot-block__number">'), $('<b>').text(step.title), $remove), $body, $exits
    );
    var block = { id: 'block-' + Date.now() + '-' + blocks.length, step: step, $block: $block, $exits: $exits };
    $canvas.append($block);
    step.draw($body);
    step.exits.forEach(function (exit) { $exits.append(exitRow(exit)); });
    blocks.push(block);
    $remove.attr('aria-label', texts.remove).on('click', function () {
      blocks.splice(blocks.indexOf(block), 1);
      $block.remove();
      refresh();
    });
    refresh();
  }

  function targets(block) {
    return Object.fromEntries(block.$exits.find('select').toArray().map(function (select) {
      var index = blocks.indexOf(blockById(select.value));
      return [select.dataset.exit, index < 0 ? null : index];
    }));
  }

  function save() {
    var drawing = {
      name: $name.val(),
      trigger: $trigger.val(),
      blocks: blocks.map(function (block) { return block.step.saved(targets(block)); }),
    };
    server.post('/ajax/bots', drawing).done(function (answer) {
      $page.attr('data-bot', answer.id);
      window.APP.notifications.show_message({ header: texts.saved, text: $name.val() });
    }).fail(server.complain);
  }

  function entry(title, make) {
    return $('<div class="palette__step">').append(
      $('<span>').text(title),
      $('<button type="button" class="button-input">').text(texts.add).on('click', function () { add(make()); })
    );
  }

  function palette(widget) {
    var $palette = $('<aside class="palette">').append($('<h2>').text(texts.steps));
    ['message', 'pause', 'condition'].forEach(function (kind) {
      $palette.append(entry(texts[kind], steps[kind]).attr('data-step-kind', kind));
    });
    (widget ? widgets.described.handlers : []).forEach(function (handler) {
      var $entry = entry(widget.i18n(handler.name), function () { return steps.ofWidget(widget, handler); });
      $entry.prepend($('<img alt="">').attr('src', widgets.described.path + '/images/logo_min.png'));
      $palette.append($entry.attr('data-handler', handler.code));
    });
    return $palette;
  }

  function toolbar() {
    $name = $('<input type="text" name="bot_name">').val(texts.new_bot).attr('aria-label', texts.new_bot);
    $trigger = $('<select name="trigger">').attr('aria-label', texts.trigger);
    TRIGGERS.forEach(function (trigger) {
      $trigger.append($('<option>').val(trigger).text(texts.trigger + ' ' + texts[trigger]));
    });
    $save = $('<button type="button" class="button-input button-input_blue js-bot-save">').text(texts.save);
    return $('<div class="toolbar">').append($name, $trigger, $save.on('click', save));
  }

  function open($holder) {
    $page = $('<div class="page designer">').appendTo($holder);
    $canvas = $('<div class="canvas">').on('input change', refresh);
    $page.append(toolbar(), $('<div class="designer__columns">').append($canvas));
    $(window).on('resize', drawLines);
    widgets.load('salesbot_designer').then(function (widget) {
      var installed = widget && widget.get_install_status() === 'installed';
      $canvas.before(palette(installed ? widget : null));
      refresh();
    });
  }

  return { open: open };
});
