/* self.$authorizedAjax: $.ajax with a one-time token of whoever looks in X-Auth-Token (kommo.md 6). */
define(['jquery'], function ($) {
  'use strict';

  return function authorizedAjax(clientId, given) {
    var options = typeof given === 'string' ? { url: given } : given;
    var deferred = $.Deferred();
    var running = $.ajax({
      url: '/ajax/v2/integrations/' + clientId + '/disposable_token',
      data: { url: new URL(options.url, window.location.href).href },
    });

    function settle(how) {
      return function () {
        deferred[how + 'With'](this, arguments);
      };
    }

    running.done(function (answer) {
      var headers = $.extend({}, options.headers, { 'X-Auth-Token': answer.token });
      running = $.ajax($.extend({}, options, { headers: headers }));
      running.done(settle('resolve')).fail(settle('reject'));
    }).fail(settle('reject'));

    return $.extend(deferred.promise(), { abort: function () { running.abort(); } });
  };
});
