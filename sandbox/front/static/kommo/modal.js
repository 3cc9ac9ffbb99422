/* lib/components/base/modal: `new Modal({class_name, init: function ($modal_body) {}, destroy: function () {}})`. */
define(['jquery'], function ($) {
  'use strict';
  return function Modal(options) {
    var self = this;
    var $body = $('<div class="modal-body modal-body-relative">');
    var $close = $('<button type="button" class="modal-body__close" aria-label="×">×</button>');
    self.$modal = $('<div class="modal modal-list" role="dialog" aria-modal="true">').addClass(options.class_name);
    self.$modal.append($('<div class="modal-scroller custom-scroll">').append($body));

    self.destroy = function () {
      if (!options.destroy || options.destroy() !== false) {
        self.$modal.remove();
      }
    };

    // Whatever fills the body takes the button away; it comes back when the body says that it is loaded.
    $body.on('modal:loaded modal:centrify', function () { $body.prepend($close); });
    self.$modal.on('click', '.modal-body__close', self.destroy);
    $('body').append(self.$modal);
    options.init.call(self, $body);
    $body.trigger('modal:loaded');
  };
});
