/* The fields of manifest.json's `settings` in the modal (kommo.md 7.6). */
define(['jquery'], function ($) {
  'use strict';

  function input(widget, code, field) {
    var value = widget.params[code] || '';
    if (field.type === 'custom') {
      var id = widget.params.widget_code + '_custom';
      return $('<div>').append(
        $('<div>').attr('id', id + '_content'),
        $('<input type="hidden">').attr({ id: id, name: code }).val(value)
      );
    }
    if (field.type !== 'text' && field.type !== 'pass') {
      throw new Error('settings of the type ' + field.type + ' are not simulated');
    }
    var type = field.type === 'pass' ? 'password' : 'text';
    var $input = $('<input class="widget_settings_block__controls__ text-input" autocomplete="off">');
    return $input.attr({ type: type, name: code, 'data-required': String(field.required !== false) }).val(value);
  }

  function row(widget, code, field) {
    var title = widget.i18n(field.name);
    return $('<div class="widget_settings_block__item_field">').append(
      $('<div class="widget_settings_block__title_field">').attr('title', title).text(title),
      $('<div class="widget_settings_block__input_field">').append(input(widget, code, field))
    );
  }

  function named(code) {
    return '.widget_settings_block__input_field [name="' + code + '"]';
  }

  /* What finds every field. */
  function selector(settings) {
    return Object.keys(settings).map(named).join(',');
  }

  /* Everything that can be saved, by the code of its field. */
  function values($fields, settings) {
    return Object.fromEntries(Object.keys(settings).map(function (code) {
      return [code, String($fields.find(named(code)).val() || '')];
    }));
  }

  function complete($fields) {
    return $fields.find('[data-required="true"]').toArray().every(function (one) { return one.value.trim() !== ''; });
  }

  return { row: row, selector: selector, values: values, complete: complete };
});
