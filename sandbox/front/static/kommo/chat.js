/* A client's side of a chat, to write to the account's newest bot and see what it answers. */
define(['jquery', './texts', './server'], function ($, texts, server) {
  'use strict';

  var ORIGINS = ['whatsapp', 'instagram', 'telegram', 'facebook'];
  var LOOK_AGAIN = 300; // milliseconds
  var $page, $lines, contact;

  function draw(chat) {
    $page.attr('data-state', chat.state);
    $lines.empty();
    chat.lines.forEach(function (line) {
      $lines.append($('<li>').attr('data-who', line.who).text(line.text));
    });
    $lines.scrollTop($lines[0].scrollHeight);
  }

  function look() {
    $.getJSON('/ajax/chats/' + contact).done(draw).always(function () { window.setTimeout(look, LOOK_AGAIN); });
  }

  function conversation(name) {
    var $text = $('<input type="text" name="text" autocomplete="off">').attr('aria-label', texts.message);
    var $send = $('<button class="button-input button-input_blue">').text(texts.send);
    var $form = $('<form class="chat__form">').append($text, $send);
    $lines = $('<ol class="chat__lines">');
    $form.on('submit', function (event) {
      event.preventDefault();
      server.post('/ajax/chats/' + contact, { text: $text.val() }).done(draw).fail(server.complain);
      $text.val('');
    });
    $page.empty().append($('<div class="chat">').append($('<header>').text(name), $lines, $form));
    look();
  }

  function open($holder) {
    var $name = $('<input type="text" name="name">').val('Maria').attr('aria-label', texts.name);
    var $origin = $('<select name="origin">').attr('aria-label', 'origin');
    ORIGINS.forEach(function (origin) { $origin.append($('<option>').text(origin)); });
    var $open = $('<button class="button-input button-input_blue">').text(texts.open_chat);
    var $form = $('<form class="toolbar">').append($name, $origin, $open);
    $page = $('<div class="page">').append($('<h1>').text(texts.chat), $form).appendTo($holder);
    $form.on('submit', function (event) {
      event.preventDefault();
      server.post('/ajax/chats', { name: $name.val(), origin: $origin.val() }).done(function (chat) {
        contact = chat.contact_id;
        conversation(chat.name);
      }).fail(server.complain);
    });
  }

  return { open: open };
});
