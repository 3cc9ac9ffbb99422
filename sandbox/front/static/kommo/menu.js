/* The left menu: the pages there are, and who looks at them. */
define(['jquery', './environment', './texts'], function ($, environment, texts) {
  'use strict';

  var widget = environment.widget;

  function pages() {
    var all = [['settings', '/settings/widgets', texts.widgets]];
    if (widget && widget.status === 'installed' && widget.locations.indexOf('advanced_settings') >= 0) {
      var title = widget.manifest.advanced.title.split('.');
      all.push(['advanced', '/advanced', title.reduce(function (found, key) { return found[key]; }, widget.langs)]);
    }
    return all.concat([['designer', '/salesbot/designer', texts.bots], ['chat', '/chat', texts.chat]]);
  }

  function change(values) {
    var all = $.extend({ user: environment.user.id, to: window.location.pathname }, values);
    window.location.assign('/login?' + $.param(all));
  }

  function chooser(name, options, chosen) {
    var $select = $('<select>').attr({ name: name, 'aria-label': name });
    options.forEach(function (option) {
      $select.append($('<option>').val(option[0]).text(option[1]).prop('selected', option[0] === chosen));
    });
    return $select.on('change', function () { change({ [name]: $select.val() }); });
  }

  function same(values) {
    return values.map(function (value) { return [value, value]; });
  }

  function draw($menu) {
    $menu.append($('<b class="left_menu__account">').text(environment.account.name));
    pages().forEach(function (page) {
      var here = page[0] === document.body.dataset.page;
      $menu.append($('<a>').attr({ href: page[1], 'aria-current': here ? 'page' : null }).text(page[2]));
    });
    var users = environment.users.map(function (one) { return [one.id, one.name]; });
    $menu.append(
      $('<div class="left_menu__profile">').append(
        chooser('user', users, environment.user.id),
        chooser('language', same(environment.languages), environment.user.language),
        chooser('theme', same(environment.themes), environment.user.theme)
      )
    );
  }

  return { draw: draw };
});
