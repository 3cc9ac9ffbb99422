/* The fields of a widget's handler in the designer, with the rules that were measured (kommo.md 1.2). */
define(['jquery', './texts'], function ($, texts) {
  'use strict';

  var CRM_FIELDS = ['{{lead.name}}', '{{lead.cf.10929}}', '{{contact.name}}', '{{contact.cf.10931}}'];
  // Typed text is handed over under the field's name or, in some accounts, as `value_manual` (kommo.md 1.2).
  var typedAs = new URLSearchParams(window.location.search).get('typed_as');

  function isEditable(field) {
    return field.manual !== false && !(field.manual === true && field.required === false);
  }

  /* A default that is an i18n path is translated; whether it is so in every account is not known. */
  function startingValue(widget, field) {
    var value = field.default_value === undefined ? '' : String(field.default_value);
    var text = widget.i18n(value);
    return typeof text === 'string' ? text : value;
  }

  function chooser() {
    var $select = $('<select>').append($('<option value="">').text(texts.choose_field));
    CRM_FIELDS.forEach(function (name) { $select.append($('<option>').val(name).text(name)); });
    return $select;
  }

  function row(widget, name, field) {
    var $input = field.manual === false ? chooser() : $('<textarea rows="2">').val(startingValue(widget, field));
    $input.attr('name', name).prop('readonly', !isEditable(field));
    var $row = $('<label class="designer-row">').attr('data-field-name', name);
    return $row.append($('<span class="designer-row__caption">').text(widget.i18n(field.name)), $input);
  }

  function element($body, name) {
    return $body.find('[data-field-name="' + name + '"]').find('[name="' + name + '"]');
  }

  /* What the bot cannot be saved without: a value in every field that can be typed into. */
  function complete($body, settings) {
    return Object.keys(settings).every(function (name) {
      return !isEditable(settings[name]) || String(element($body, name).val() || '').trim() !== '';
    });
  }

  function values($body, settings) {
    return Object.fromEntries(Object.keys(settings).map(function (name) {
      return [typedAs && isEditable(settings[name]) ? typedAs : name, String(element($body, name).val() || '')];
    }));
  }

  return { row: row, complete: complete, values: values };
});
