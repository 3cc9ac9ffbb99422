/* What every widget inherits: the methods of `self` (kommo.md 7.7; developers.kommo.com: script.js). */
define(['jquery', './environment', './authorized_ajax', './twig'], function ($, environment, authorizedAjax, twig) {
  'use strict';

  /* described: environment.widget */
  function WidgetBase(described) {
    this.langs = described.langs;
    this.clientId = described.client_id;
    this.params = $.extend({}, described.settings, {
      id: described.code,
      widget_id: described.code,
      widget_code: described.code,
      version: described.version,
      path: described.path,
      cdn_path: described.cdn_path,
      status: described.status,
      active: described.status === 'installed' ? 'Y' : 'N',
    });
    this.settings = described.settings;
    this.callbacks = {};
    // Kommo's own methods work whatever they are taken from: some widgets call a bare `system()`.
    this.system = this.system.bind(this);
    this.$authorizedAjax = this.$authorizedAjax.bind(this);
  }

  WidgetBase.prototype = {
    constructor: WidgetBase,

    set_callbacks: function (callbacks) {
      $.extend(this.callbacks, callbacks);
    },

    /* `i18n('section')` is an object, `i18n('section.key')` its text. */
    i18n: function (path) {
      return String(path).split('.').reduce(function (found, key) {
        return found === undefined || found === null ? undefined : found[key];
      }, this.langs);
    },

    set_lang: function (langs) {
      $.extend(this.langs, langs);
    },

    system: function () {
      return {
        area: window.APP.widgets.system.area,
        amouser_id: environment.user.id,
        amouser: window.APP.constant('user').login,
        domain: window.location.host,
        subdomain: environment.account.subdomain,
        server: window.location.origin,
      };
    },

    get_settings: function () {
      return $.extend({}, this.params);
    },

    set_settings: function (changed) {
      $.extend(this.params, changed);
    },

    get_version: function () {
      return this.params.version;
    },

    get_install_status: function () {
      return this.params.status;
    },

    set_status: function (status) {
      if (['install', 'installed', 'error'].indexOf(status) < 0) {
        throw new Error('a widget has no status ' + status);
      }
      this.params.status = status;
      $(document).trigger('widget:status', [status]);
    },

    /* `{data: template}` or `{ref: '/tmpl/controls/….twig'}`; files of the widget come with `load`. */
    render: function (what, params) {
      if (what.href) {
        $.ajax({ url: what.base_path + what.href, dataType: 'text', data: { v: what.v } }).done(function (template) {
          what.load({ render: function (values) { return twig.render(template, values); } });
        });
        return '';
      }
      return twig.render(what.ref ? twig.control(what.ref) : what.data, params);
    },

    $authorizedAjax: function (options) {
      return authorizedAjax(this.clientId, options);
    },

    /* A request through Kommo's own server, without a token. */
    crm_post: function () {
      throw new Error('crm_post is not simulated: it carries no token (kommo.md 6)');
    },
  };

  return WidgetBase;
});
