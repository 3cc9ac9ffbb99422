/* As much of Twig as widgets need for plain forms: `{{ a.b }}`, escaped, and Kommo's own controls. */
define(['jquery'], function ($) {
  'use strict';

  var CONTROLS = {
    '/tmpl/controls/button.twig':
      '<button type="button" class="button-input {{ class_name }}" id="{{ id }}">' +
      '<span class="button-input-inner"><span class="button-input-inner__text">{{ text }}</span></span></button>',
    '/tmpl/controls/input.twig':
      '<input type="text" class="text-input {{ class_name }}" id="{{ id }}" name="{{ name }}" value="{{ value }}" ' +
      'placeholder="{{ placeholder }}" autocomplete="off">',
    '/tmpl/controls/textarea.twig':
      '<textarea class="text-input text-input-textarea {{ class_name }}" id="{{ id }}" name="{{ name }}" ' +
      'placeholder="{{ placeholder }}">{{ value }}</textarea>',
  };

  function value(values, path) {
    return path.split('.').reduce(function (found, key) {
      return found === undefined || found === null ? undefined : found[key];
    }, values);
  }

  function escaped(text) {
    return $('<i>').text(text === undefined || text === null ? '' : text).html().replace(/"/g, '&quot;');
  }

  return {
    render: function (template, values) {
      if (/\{%/.test(template)) {
        throw new Error('the simulated Twig knows {{ values }} only');
      }
      return template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, function (whole, path) {
        return escaped(value(values, path));
      });
    },
    control: function (name) {
      if (!CONTROLS[name]) {
        throw new Error('the control ' + name + ' is not simulated');
      }
      return CONTROLS[name];
    },
  };
});
