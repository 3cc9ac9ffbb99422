/* Starts a page: Kommo's own modules by the names that widgets know, then the page itself. */
requirejs.config({
  baseUrl: '/static',
  paths: { jquery: 'vendor/jquery.min' },
  map: { '*': { 'lib/components/base/modal': 'kommo/modal' } },
});

requirejs(['jquery', 'kommo/app', 'kommo/menu', 'kommo/' + document.body.dataset.page], function ($, app, menu, page) {
  'use strict';
  window.APP = app;
  menu.draw($('#left_menu'));
  page.open($('#page_holder'));
});
