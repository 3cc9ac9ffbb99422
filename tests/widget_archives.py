"""A widget as small as Kommo takes it, to try the simulated pages and the upload with."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from sandbox.front.pictures import SIZES

SCRIPT = """
define(['jquery'], function ($) {
  return function () {
    var self = this;
    var yes = function () { return true; };
    function note(what) { $('<p class="tiny">').text(what).appendTo('body'); }
    this.callbacks = {
      render: yes, init: yes, bind_actions: yes,
      settings: function ($modal) {
        var id = '#' + self.get_settings().widget_code + '_custom';
        var $own = $('<input id="tiny_own">').val($modal.find(id).val());
        $own.on('change', function () { $modal.find(id).val($own.val()).trigger('change'); });
        $modal.find(id + '_content').append($own, $('<b id="tiny_greeting">').text(self.i18n('settings.greeting')));
        note('settings ' + self.get_install_status());
      },
      onSave: function (configuration) {
        note('saved ' + configuration.active + ' ' + configuration.fields.custom);
        return configuration.fields.custom === 'refuse' ? Promise.reject(new Error('refused')) : Promise.resolve(true);
      },
      onInstall: function () { note('installed'); },
      destroy: function () { note('destroyed'); },
      advancedSettings: function () {
        $('#work-area-' + self.params.widget_code).append($('<b id="tiny_area">').text(self.system().area));
        return true;
      },
      salesbotDesignerSettings: function () {
        return { exits: [{ code: 'success', title: 'Answered' }, { code: 'fail', title: 'Failed' }] };
      },
      onSalesbotDesignerSave: function (handler, params) {
        return JSON.stringify([{ question: [
          { handler: 'show', params: { type: 'text', value: handler + ' VERSION ' + JSON.stringify(params) } },
          { handler: 'exits', params: { value: 'success' } }
        ], require: [] }]);
      }
    };
    window.tinyWidget = self;
    return this;
  };
});
"""

TEXTS: dict[str, dict[str, Any]] = {
    language: {
        "widget": {"name": "Tiny", "short_description": "A tiny widget", "description": "Does nothing."},
        "settings": {"custom": "Own", "greeting": greeting},
        "salesbot": {"name": "Tiny step", "words": "Words", "default": f"{greeting}!"},
        "advanced": {"title": "Tiny page"},
    }
    for language, greeting in (("pt", "Olá"), ("es", "Hola"), ("en", "Hello"))
}

DEFAULT_FIELD = {"name": "salesbot.words", "type": "text", "required": False, "default_value": "salesbot.default"}


def manifest(*, field: Mapping[str, Any] | None = None, version: str = "1.0.0") -> dict[str, Any]:
    """A manifest. field: the one field of the Salesbot step."""
    return {
        "widget": {
            "name": "widget.name",
            "description": "widget.description",
            "short_description": "widget.short_description",
            "version": version,
            "interface_version": 2,
            "init_once": False,
            "locale": list(TEXTS),
            "installation": True,
        },
        "locations": ["settings", "advanced_settings", "salesbot_designer"],
        "settings": {"custom": {"name": "settings.custom", "type": "custom", "required": False}},
        "advanced": {"title": "advanced.title"},
        "salesbot_designer": {"tiny": {"name": "salesbot.name", "settings": {"words": field or DEFAULT_FIELD}}},
    }


def widget_files(**manifest_changes: Any) -> dict[str, bytes]:
    """The files of an archive that Kommo takes. manifest_changes: see `manifest`."""
    described = manifest(**manifest_changes)
    script = SCRIPT.replace("VERSION", described["widget"]["version"])
    return {
        "manifest.json": json.dumps(described).encode(),
        "script.js": script.encode(),
        **{f"i18n/{language}.json": json.dumps(texts).encode() for language, texts in TEXTS.items()},
        **{f"images/{name}": png(*size) for name, size in SIZES.items()},
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """These files as an archive."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def png(width: int, height: int) -> bytes:
    """A grey picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x99" * width) * height
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
