/* Settings → Integrations: the card of the widget, and the upload of an archive. */
define(['jquery', './environment', './texts', './widgets', './server', './settings_modal'], function (
  $, environment, texts, widgets, server, settingsModal
) {
  'use strict';

  function status() {
    return environment.widget.status === 'installed' ? texts.installed : texts.not_installed;
  }

  function card(described) {
    var $card = $('<button type="button" class="widget-card js-open-widget">').attr('data-code', described.code);
    return $card.append(
      $('<img alt="">').attr('src', described.path + '/images/logo_medium.png?v=' + described.version),
      $('<b>').text(described.langs.widget.name),
      $('<span>').text(described.langs.widget.short_description),
      $('<i class="widget-card__status">').text(status())
    );
  }

  function uploadForm() {
    var $file = $('<input type="file" accept=".zip" name="archive">');
    $file.on('change', function () {
      $.ajax({ url: '/ajax/widgets', method: 'POST', data: $file[0].files[0], processData: false, contentType: false })
        .done(function () { window.location.reload(); })
        .fail(server.complain);
    });
    return $('<label class="upload">').text(texts.upload).append($file);
  }

  function open($page) {
    var $area = $('<div class="page">').append($('<h1>').text(texts.widgets)).appendTo($page);
    if (environment.user.admin) {
      $area.append(uploadForm());
    }
    if (!environment.widget) {
      $area.append($('<p class="hint">').text(texts.no_widget));
      return;
    }
    var $card = card(environment.widget).prop('disabled', true).appendTo($area);
    widgets.load('settings').then(function (widget) {
      $card.prop('disabled', false).on('click', function () { settingsModal.open(widget); });
    });
  }

  return { open: open };
});
