/* What the server told the page. */
define(function () {
  'use strict';
  return JSON.parse(document.getElementById('environment').textContent);
});
