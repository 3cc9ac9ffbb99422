/* The modal of a widget's settings, with the class names and ids that widgets rely on. */
define(['jquery', './environment', './texts', './modal', './server', './settings_fields'], function (
  $, environment, texts, Modal, server, fields
) {
  'use strict';

  var DISABLED = 'button-input-disabled';
  var described = environment.widget;
  var settings = described ? described.manifest.settings || {} : {};

  function button(name, text) {
    var $button = $('<button type="button" class="button-input">').addClass('js-widget-' + name);
    $button.attr({ 'data-id': described.code, id: name + '_' + described.code });
    return $button.append($('<span class="button-input-inner">').append(
      $('<span class="button-input-inner__text">').text(text)
    ));
  }

  function usable($button, yes) {
    $button.prop('disabled', !yes).toggleClass(DISABLED, !yes).toggleClass('button-input_blue', yes);
  }

  function isInstalled(widget) {
    return widget.params.active === 'Y';
  }

  function commandPlate(widget) {
    var installed = isInstalled(widget);
    var $plate = $('<div class="widget-settings__command-plate">').append(
      $('<div class="widget-state">').addClass('widget-state_status_' + widget.params.status).append(
        $('<span class="widget-state__name">').text(installed ? texts.installed : texts.not_installed)
      )
    );
    if (!environment.user.admin) {
      return $plate.append($('<p class="hint">').text(texts.admins_only));
    }
    if (installed) {
      return $plate.append(button('uninstall', texts.uninstall));
    }
    return $plate.append(
      $('<label class="widget-settings__consent">').append(
        $('<input type="checkbox">'), $('<span>').text(texts.consent)
      ),
      button('install', texts.install)
    );
  }

  function baseSpace(widget) {
    var support = described.manifest.widget.support || {};
    var $space = $('<div class="widget-settings__base-space">').append(
      $('<div class="widget_main_info">').append(
        $('<div class="widget_settings_block__img">').append(
          $('<img alt="">').attr('src', described.path + '/images/logo_main.png?v=' + described.version)
        ),
        $('<div class="widget_settings_block__head">').append(
          $('<div class="widget_settings_block__title">').text(widget.i18n('widget.name')),
          $('<div class="widget_settings_block__head-desc">').text(widget.i18n('widget.short_description'))
        ),
        commandPlate(widget)
      )
    );
    if (support.link) {
      $space.append('<hr class="widget_settings_block__separator">');
      var $link = $('<a class="widget-support-page__button" target="_blank">').attr('href', support.link);
      $space.append($link.text(texts.support));
    }
    return $space;
  }

  function settingsBlock(widget) {
    var $fields = $('<div class="widget_settings_block__fields" id="widget_settings__fields_wrapper">');
    Object.keys(settings).forEach(function (code) { $fields.append(fields.row(widget, code, settings[code])); });
    if (isInstalled(widget)) {
      var $save = button('save', texts.save).attr('data-onsave-destroy-modal', 'true');
      usable($save, false);
      $fields.append(
        $('<div class="widget_settings_block__controls widget_settings_block__controls_top">').append($save)
      );
    }
    return $('<div class="widget_settings_block">').attr('id', 'widget_settings_block_' + described.code).append(
      $('<div class="widget_settings_block__descr">').text(widget.i18n('widget.description')),
      $fields
    );
  }

  function draw(widget, $body) {
    var $content = $('<div class="widget-settings">').append(
      baseSpace(widget),
      $('<div class="widget-settings__desc-space">').append(settingsBlock(widget))
    );
    $body.html($content).trigger('modal:loaded');
    widget.callbacks.settings.call(widget, $body);
    $body.trigger('modal:centrify');
  }

  /* onSave may answer true or a promise; what it leaves in `fields` is what gets saved. */
  function asked(widget, $body, active) {
    var configuration = {
      id: described.code,
      code: described.code,
      widget_code: described.code,
      active: active ? 'Y' : 'N',
      fields: fields.values($body.find('.widget_settings_block__fields'), settings),
    };
    var saving = widget.callbacks.onSave ? widget.callbacks.onSave.call(widget, configuration) : true;
    return Promise.resolve(saving).then(function (agreed) {
      if (agreed !== true) {
        throw new Error('onSave did not agree');
      }
      return configuration.fields;
    });
  }

  function stored(widget, what, values) {
    return server.post('/ajax/widgets/' + described.code + '/' + what, values).then(function (answer) {
      widget.set_settings(values);
      widget.params.active = answer.status === 'installed' ? 'Y' : 'N';
      widget.set_status(answer.status);
    }, server.complain);
  }

  /* What Kommo's modal does right after Install is not written down: here it is drawn again, and settings called. */
  function install(widget, $body, $button) {
    usable($button, false);
    asked(widget, $body, true)
      .then(function (values) { return stored(widget, 'install', values); })
      .then(function () {
        if (widget.callbacks.onInstall) {
          widget.callbacks.onInstall.call(widget);
        }
        draw(widget, $body);
      }, function () { usable($button, true); });
  }

  function uninstall(widget, $body, $button) {
    usable($button, false);
    asked(widget, $body, false)
      .then(function (values) {
        if (widget.callbacks.destroy) {
          widget.callbacks.destroy.call(widget);
        }
        return stored(widget, 'uninstall', values);
      })
      .then(function () { draw(widget, $body); }, function () { usable($button, true); });
  }

  function save(widget, $body, $button, modal) {
    var closes = $button.attr('data-onsave-destroy-modal') === 'true';
    usable($button, false);
    asked(widget, $body, true)
      .then(function (values) { return stored(widget, 'save', values); })
      .then(function () {
        if (closes) {
          modal.destroy();
        }
      }, function () { $button.trigger('button:save:error'); });
  }

  function handle(widget, $body, modal) {
    // Only Kommo's own fields wake the button up; a widget with fields of its own triggers `change` on the hidden one.
    $body.on('input change', fields.selector(settings), function (event) {
      var $fields = $(event.currentTarget).closest('.widget_settings_block__fields');
      usable($body.find('.js-widget-save'), environment.user.admin && fields.complete($fields));
    });
    $body.on('change', '.widget-settings__consent input', function (event) {
      usable($body.find('.js-widget-install'), event.target.checked);
    });
    $body.on('button:save:error', '.js-widget-save', function (event) { usable($(event.currentTarget), true); });
    $body.on('click', '.js-widget-install', function (event) { install(widget, $body, $(event.currentTarget)); });
    $body.on('click', '.js-widget-uninstall', function (event) { uninstall(widget, $body, $(event.currentTarget)); });
    $body.on('click', '.js-widget-save', function (event) { save(widget, $body, $(event.currentTarget), modal); });
  }

  function open(widget) {
    return new Modal({
      class_name: 'widget-settings__modal ' + described.code,
      init: function ($body) {
        handle(widget, $body, this);
        draw(widget, $body);
        usable($body.find('.js-widget-install'), false);
      },
    });
  }

  return { open: open };
});
