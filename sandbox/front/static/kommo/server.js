/* What the pages themselves ask the server of the account. */
define(['jquery', './texts'], function ($, texts) {
  'use strict';

  function reasons(answer) {
    return ((answer.responseJSON || {}).reasons || [answer.status + ' ' + answer.statusText]).join('\n');
  }

  function post(path, body) {
    return $.ajax({ url: path, method: 'POST', contentType: 'application/json', data: JSON.stringify(body) });
  }

  function complain(answer) {
    window.APP.notifications.show_message_error({ header: texts.failed, text: reasons(answer) });
  }

  return { post: post, complain: complain };
});
