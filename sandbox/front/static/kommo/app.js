/* The global APP (developers.kommo.com: environment variables, adding notifications). */
define(['jquery', './environment'], function ($, environment) {
  'use strict';

  var THEMES = { light: 1, dark: 2 };
  // Pages of widgets are told apart by their code in APP.getWidgetsArea(), not in APP.widgets.system.area.
  var AREAS = { settings: 'settings', advanced: 'advanced-settings', designer: 'salesbot_designer', chat: 'chats' };
  var area = AREAS[document.body.dataset.page];

  function user(one) {
    return {
      id: one.id, name: one.name, login: 'user' + one.id + '@example.com', theme: THEMES[one.theme],
      uuid: 'user-' + one.id, is_admin: one.admin ? 'Y' : 'N',
    };
  }

  var constants = {
    user: user(environment.user),
    user_rights: { is_admin: environment.user.admin },
    account: {
      id: environment.account.id, name: environment.account.name, subdomain: environment.account.subdomain,
      language: environment.user.language,
    },
    managers: Object.fromEntries(environment.users.map(function (one) { return [one.id, user(one)]; })),
    groups: {},
    task_types: {},
  };

  function notify(kind) {
    return function (message) {
      var text = typeof message.text === 'object' ? message.text : message;
      var $note = $('<div class="notification">').addClass('notification_' + kind);
      $note.append($('<b>').text(text.header || ''), $('<p>').text(text.text || ''));
      $('#notifications').append($note.on('click', function () { $note.remove(); }));
    };
  }

  return {
    lang_id: environment.user.language,
    constant: function (key) { return constants[key]; },
    getBaseEntity: function () { return 'leads'; },
    getWidgetsArea: function () {
      return area === 'advanced-settings' ? area + ':' + environment.widget.code : area;
    },
    isCard: function () { return false; },
    isDev: function () { return false; },
    data: { current_view: {}, current_list: false, current_card: false },
    widgets: { system: { area: area }, list: {} },
    notifications: {
      show_message: notify('information'),
      show_message_error: notify('error'),
      show_notification: notify('call'),
      add_error: notify('error'),
      add_call: notify('call'),
    },
  };
});
