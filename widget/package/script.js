/*
 * ByteGPT in Kommo: the settings, the page of usage, and the step of the Salesbot.
 * Kommo loads this file as it stands. Every text comes from i18n/, and no text is ever read as HTML.
 */
define(['jquery'], function ($) {
  'use strict';

  // Where the service is. `bytegpt widget build` writes the address here and changes nothing else in the package.
  const PUBLIC_URL = 'https://bytegpt.invalid';

  // ---------------------------------------------------------------------------------------------------------------
  // The step of the Salesbot. Kommo keeps what is returned here inside the bot until the bot is saved again.

  // A long answer comes as reply, reply_2 … reply_5; `parts` says how many there are.
  const MOST_PARTS = 5;
  // The designer saves no bot with an empty field, so the field's default is a hyphen.
  const NO_INSTRUCTIONS = /^[\s\-–—]*$/;

  function goTo(step) {
    return { handler: 'goto', params: { type: 'question', step: step } };
  }

  function leave(exit) {
    return { handler: 'exits', params: { value: exit } };
  }

  function show(key) {
    return { handler: 'show', params: { type: 'text', value: '{{json.' + key + '}}' } };
  }

  function whenAny(alternatives, result) {
    const conditions = alternatives.map(function (pair) {
      return { term1: pair[0], term2: pair[1], operation: '=' };
    });
    return { handler: 'conditions', params: { logic: 'or', conditions: conditions, result: result } };
  }

  function numbers(first, last) {
    const found = [];
    for (let number = first; number <= last; number += 1) {
      found.push(number);
    }
    return found;
  }

  function asked(handler, instructions, forCustomers) {
    const data = {
      handler: handler,
      instructions: instructions,
      message: '{{message_text}}',
      contact_id: '{{contact.id}}',
      contact_name: '{{contact.name}}',
      origin: '{{origin}}'
    };
    if (forCustomers) {
      data.customer_id = '{{customer.id}}';
    } else {
      data.lead_id = '{{lead.id}}';
    }
    return data;
  }

  // Step 0 asks and waits. Step 1 shows the answer, or the text for clients when there is none. Step 2 shows what a
  // long answer has more, and leaves. Without a status nothing is shown: the client would read a bare placeholder.
  function salesbotSteps(handler, instructions, forCustomers) {
    const request = { url: PUBLIC_URL + '/kommo/salesbot', data: asked(handler, instructions, forCustomers) };
    const known = [['{{json.status}}', 'success'], ['{{json.status}}', 'fail']];
    const further = numbers(2, MOST_PARTS).map(function (part) {
      const enough = numbers(part, MOST_PARTS).map(function (parts) {
        return ['{{json.parts}}', String(parts)];
      });
      return whenAny(enough, [show('reply_' + part)]);
    });
    const steps = [
      [{ handler: 'widget_request', params: request }, goTo(1)],
      [whenAny(known, [show('reply'), goTo(2)]), leave('fail')],
      further.concat([whenAny([known[0]], [leave('success')]), leave('fail')])
    ];
    return steps.map(function (question) {
      return { question: question, require: [] };
    });
  }

  // What was typed by hand may arrive under another name than the field's.
  function instructionsIn(params) {
    const given = params || {};
    const written = [given.value_manual, given.instructions].filter(function (text) {
      return typeof text === 'string' && !NO_INSTRUCTIONS.test(text);
    });
    return written.length ? written[0].trim() : '';
  }

  function worksWithCustomers() {
    return typeof APP !== 'undefined' && Boolean(APP.getBaseEntity) && APP.getBaseEntity() === 'customers';
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Elements. A child is an element or a text; a text becomes a text node.

  function el(tag, attributes, children) {
    const made = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      made.setAttribute(name, attributes[name]);
    });
    return fill(made, children || []);
  }

  function fill(element, children) {
    element.textContent = '';
    children.filter(Boolean).forEach(function (child) {
      element.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
    });
    return element;
  }

  function button(name, caption, onClick, attributes) {
    const made = el('button', Object.assign({ type: 'button', 'data-bytegpt': name }, attributes), [caption]);
    made.className = 'bytegpt__button' + (name === 'save' ? ' bytegpt__button--main' : '');
    made.addEventListener('click', function () {
      if (made.getAttribute('aria-disabled') !== 'true') {
        onClick();
      }
    });
    return made;
  }

  // Not `disabled`: whoever works with the keyboard would lose the place.
  function allow(made, allowed) {
    made.setAttribute('aria-disabled', String(!allowed));
  }

  function paragraph(text, modifier) {
    return el('p', { class: 'bytegpt__text' + (modifier ? ' bytegpt__text--' + modifier : '') }, [text]);
  }

  function folded(name, title, children) {
    const summary = el('summary', { class: 'bytegpt__summary' }, [title]);
    const body = el('div', { class: 'bytegpt__folded' }, children);
    return el('details', { class: 'bytegpt__details', 'data-bytegpt': name }, [summary, body]);
  }

  // What happens is read out by screen readers; the place for it is kept free, so that nothing jumps.
  function liveRegion(name) {
    return el('div', { class: 'bytegpt__result', 'data-bytegpt': name, role: 'status', 'aria-live': 'polite' });
  }

  function say(region, outcome, children) {
    region.setAttribute('data-outcome', outcome);
    fill(region, children);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Texts, the service, and the page around us.

  function translator(self) {
    return function (path, values) {
      const found = path.split('.').reduce(function (section, key, place) {
        return place === 0 ? self.i18n(key) : (section || {})[key];
      }, null);
      return Object.keys(values || {}).reduce(function (text, name) {
        return text.split('{' + name + '}').join(String(values[name]));
      }, typeof found === 'string' ? found : path);
    };
  }

  // What went wrong with a call: `status` 0 when nothing came back, `code` and `message` as the service says them.
  function problemOf(xhr) {
    const body = (xhr && xhr.responseJSON) || {};
    const error = body.error || {};
    return {
      status: (xhr && xhr.status) || 0,
      code: error.code || '',
      message: error.message || '',
      fields: error.fields || {},
      settings: body.settings || null
    };
  }

  // One call of Kommo's for each request: it puts a one-time token into the header.
  function serviceOf(self, t) {
    return function (method, path, body) {
      const query = (path.indexOf('?') < 0 ? '?' : '&') + 'lang=' + t('language.code');
      const options = {
        url: PUBLIC_URL + '/widget/' + path + query,
        method: method,
        dataType: 'json',
        timeout: method === 'GET' ? 20000 : 45000
      };
      if (body) {
        options.contentType = 'application/json';
        options.data = JSON.stringify(body);
      }
      return new Promise(function (resolve, reject) {
        self.$authorizedAjax(options).then(resolve, function (xhr) {
          reject(problemOf(xhr));
        });
      });
    };
  }

  function told(t, problem) {
    if (problem.message) {
      return problem.message;
    }
    return problem.status ? t('problems.unexpected', { status: problem.status }) : t('problems.unreachable');
  }

  function helpLink(t, errorCode, caption) {
    const address = PUBLIC_URL + '/help/errors/' + encodeURIComponent(errorCode) + '?lang=' + t('language.code');
    const hidden = el('span', { class: 'bytegpt__hidden' }, [' (' + t('results.opens_new_tab') + ')']);
    const attributes = { class: 'bytegpt__link', href: address, target: '_blank', rel: 'noopener noreferrer' };
    return el('a', attributes, [caption, hidden]);
  }

  function codeOf(self) {
    return (self.get_settings() || {}).widget_code || (self.params || {}).widget_code;
  }

  function addStylesheet(self) {
    const params = self.params || {};
    const address = (params.cdn_path || params.path) + '/style.css?v=' + self.get_version();
    const present = Array.prototype.some.call(document.querySelectorAll('link'), function (link) {
      return link.getAttribute('href') === address;
    });
    if (!present) {
      document.head.appendChild(el('link', { rel: 'stylesheet', type: 'text/css', href: address }));
    }
  }

  function newRoot(place) {
    Array.prototype.forEach.call(place.querySelectorAll('.bytegpt'), function (old) {
      old.remove();
    });
    return place.appendChild(el('div', { class: 'bytegpt' }));
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Usage.

  function written(t, number) {
    return new Intl.NumberFormat(t('language.tag')).format(number);
  }

  function dated(t, day, form) {
    const parts = day.split('-').map(Number);
    const moment = Date.UTC(parts[0], parts[1] - 1, parts[2] || 1);
    return new Intl.DateTimeFormat(t('language.tag'), Object.assign({ timeZone: 'UTC' }, form)).format(moment);
  }

  function monthOf(t, period) {
    return dated(t, period, { month: 'long', year: 'numeric' });
  }

  function usageBar(t, usage) {
    const total = usage.allowance + usage.boosts;
    const taken = usage.used + usage.reserved;
    const percent = total ? Math.min(100, Math.round((taken / total) * 100)) : 100;
    const level = usage.remaining === 0 ? 'full' : percent >= 80 ? 'near' : 'calm';
    const caption = t('usage.of', {
      used: written(t, taken), total: written(t, total), month: monthOf(t, usage.period)
    });
    const left = t('usage.remaining', { remaining: written(t, usage.remaining) });
    const filled = el('div', { class: 'bytegpt__filled' });
    filled.style.width = percent + '%';
    const meter = el('div', {
      class: 'bytegpt__meter bytegpt__meter--' + level, role: 'meter', 'aria-label': t('usage.title'),
      'aria-valuemin': '0', 'aria-valuemax': '100', 'aria-valuenow': String(percent),
      'aria-valuetext': caption + '. ' + left + '.'
    }, [filled]);
    const words = { full: 'usage.used_up', near: 'usage.nearly', calm: 'usage.renews' };
    return [
      el('div', { class: 'bytegpt__caption' }, [el('span', {}, [caption]), el('strong', {}, [left])]),
      meter,
      paragraph(t(words[level]), level === 'calm' ? 'quiet' : 'warning')
    ];
  }

  function figure(t, name, value) {
    const text = typeof value === 'number' ? written(t, value) : String(value);
    return el('div', { class: 'bytegpt__figure' }, [
      el('dt', {}, [t('usage.' + name)]), el('dd', {}, [text])
    ]);
  }

  function figures(t, usage) {
    return el('dl', { class: 'bytegpt__figures' }, [
      figure(t, 'plan', usage.plan), figure(t, 'allowance', usage.allowance), figure(t, 'boosts', usage.boosts),
      figure(t, 'used', usage.used), figure(t, 'reserved', usage.reserved), figure(t, 'left', usage.remaining)
    ]);
  }

  function dayRow(t, row, most) {
    const bar = el('div', { class: 'bytegpt__filled' });
    bar.style.width = (most ? Math.round((row.requests / most) * 100) : 0) + '%';
    const counts = ['requests', 'answers', 'failed', 'refused'].map(function (name) {
      return el('td', { class: 'bytegpt__number' }, [written(t, row[name])]);
    });
    const day = el('th', { scope: 'row' }, [dated(t, row.day, { day: '2-digit', month: '2-digit' })]);
    const share = el('td', { class: 'bytegpt__share', 'aria-hidden': 'true' }, [bar]);
    return el('tr', {}, [day].concat(counts, [share]));
  }

  function daysTable(t, usage) {
    const most = Math.max.apply(null, [0].concat(usage.by_day.map(function (row) { return row.requests; })));
    const headings = ['day', 'requests', 'answers', 'failed', 'refused'].map(function (name) {
      const kind = name === 'day' ? {} : { class: 'bytegpt__number' };
      return el('th', Object.assign({ scope: 'col' }, kind), [t('usage.' + name)]);
    });
    headings.push(el('td', { class: 'bytegpt__share', 'aria-hidden': 'true' }));
    const rows = usage.by_day.map(function (row) { return dayRow(t, row, most); });
    const table = el('table', { class: 'bytegpt__table', 'data-bytegpt': 'days' }, [
      el('caption', { class: 'bytegpt__hidden' }, [t('usage.by_day')]),
      el('thead', {}, [el('tr', {}, headings)]),
      el('tbody', {}, rows)
    ]);
    const scrolled = { class: 'bytegpt__scrolled', role: 'region', tabindex: '0', 'aria-label': t('usage.by_day') };
    return usage.by_day.length ? el('div', scrolled, [table]) : paragraph(t('usage.nothing'), 'quiet');
  }

  function monthBefore(period, months) {
    const parts = period.split('-').map(Number);
    return new Date(Date.UTC(parts[0], parts[1] - 1 - months, 1)).toISOString().slice(0, 7);
  }

  // The page of usage: a month, its bar, its figures and its days. The newest month is the one of the first answer.
  function usagePage(root, t, service) {
    const previous = button('previous', '‹', function () { turn(1); }, { 'aria-label': t('usage.previous') });
    const next = button('next', '›', function () { turn(-1); }, { 'aria-label': t('usage.next') });
    const month = el('span', { class: 'bytegpt__month', 'aria-live': 'polite' });
    const body = el('div', { class: 'bytegpt__page' }, [paragraph(t('usage.loading'), 'quiet')]);
    let newest = null;
    let shown = null;

    function turn(months) {
      load(monthBefore(shown, months));
    }

    function load(period) {
      allow(previous, false);
      allow(next, false);
      service('GET', 'usage' + (period ? '?period=' + period : '')).then(display, function (problem) {
        fill(body, [
          paragraph(told(t, problem), 'error'),
          button('retry', t('notices.retry'), function () { load(period); })
        ]);
      });
    }

    function display(usage) {
      shown = usage.period;
      newest = newest || shown;
      fill(month, [monthOf(t, shown)]);
      fill(body, usageBar(t, usage).concat([
        figures(t, usage), el('h3', { class: 'bytegpt__heading' }, [t('usage.by_day')]), daysTable(t, usage),
        paragraph(t('usage.what_is'), 'quiet')
      ]));
      allow(previous, true);
      allow(next, shown < newest);
    }

    const months = el('div', { class: 'bytegpt__months' }, [previous, month, next]);
    fill(root, [el('h2', { class: 'bytegpt__heading' }, [t('usage.title')]), months, body]);
    load(null);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // What stands in the form, and what of it has to be sent.

  const LIMITS = ['contact_daily_limit', 'contact_weekly_limit', 'contact_monthly_limit'];
  const PROFILE = ['model', 'instructions', 'vector_store_ids'];

  function text(value) {
    return value === null || value === undefined ? '' : String(value).replace(/\r\n?/g, '\n').trim();
  }

  function listed(value, separator) {
    return value.split(separator).map(text).filter(Boolean);
  }

  // The saved settings as they stand in the form, by field. The key is never shown again.
  function formValues(settings) {
    const profile = settings.profile || {};
    const values = {
      openai_api_key: '',
      assistant_id: text(settings.assistant_id),
      model: text(profile.model),
      instructions: text(profile.instructions),
      vector_store_ids: (profile.vector_store_ids || []).join('\n'),
      assistant_definition: '',
      failure_text: text(settings.failure_text),
      locale: text(settings.locale),
      timezone: text(settings.timezone),
      alert_marks: (settings.alert_marks || []).join(', ')
    };
    LIMITS.forEach(function (name) {
      values[name] = text(settings[name]);
    });
    return values;
  }

  // Each reads what was typed. The message of what it throws is the name of a text in `problems`.
  const READERS = {
    openai_api_key: function (value) {
      if (/\s/.test(value)) {
        throw new Error('key_with_spaces');
      }
      return value;
    },
    assistant_id: function (value) { return value || null; },
    failure_text: function (value) { return value || null; },
    vector_store_ids: function (value) { return listed(value, /[\s,;]+/); },
    alert_marks: function (value) {
      return listed(value, /[\s,;%]+/).map(function (mark) {
        if (!/^[1-9][0-9]?$/.test(mark)) {
          throw new Error('marks_not_percent');
        }
        return Number(mark);
      });
    },
    assistant_definition: function (value) {
      let definition = null;
      try {
        definition = JSON.parse(value);
      } catch (error) {
        throw new Error('definition_not_json');
      }
      if (definition === null || typeof definition !== 'object' || Array.isArray(definition)) {
        throw new Error('definition_not_json');
      }
      return definition;
    }
  };
  LIMITS.forEach(function (name) {
    READERS[name] = function (value) {
      if (value && !/^[1-9][0-9]{0,8}$/.test(value)) {
        throw new Error('limit_not_whole');
      }
      return value ? Number(value) : null;
    };
  });

  // The body of a PUT or a check: what differs from the saved settings. `problems` names a text for each wrong field.
  function changesOf(saved, values) {
    const before = formValues(saved);
    const names = Object.keys(before).filter(function (name) { return text(values[name]) !== before[name]; });
    const read = {};
    const problems = {};
    names.forEach(function (name) {
      try {
        read[name] = READERS[name] ? READERS[name](text(values[name])) : text(values[name]);
      } catch (problem) {
        problems[name] = problem.message;
      }
    });
    const body = {};
    Object.keys(read).filter(function (name) { return PROFILE.indexOf(name) < 0; }).forEach(function (name) {
      body[name] = read[name];
    });
    if (names.indexOf('assistant_definition') < 0 && PROFILE.some(function (name) { return name in read; })) {
      body.profile = profileChange(saved.profile, values, read, problems);
    }
    return { body: body, names: names, problems: problems };
  }

  // A profile that is emptied is removed; a new one needs its model.
  function profileChange(savedProfile, values, read, problems) {
    if (PROFILE.every(function (name) { return !text(values[name]); })) {
      return null;
    }
    if (!text(values.model)) {
      problems.model = 'model_missing';
    }
    const change = {};
    PROFILE.filter(function (name) { return name in read && (savedProfile || text(values[name])); })
      .forEach(function (name) { change[name] = read[name]; });
    return change;
  }

  // ---------------------------------------------------------------------------------------------------------------
  // The settings.

  function field(t, name, options) {
    const id = 'bytegpt-' + name;
    const control = options.control || el('input', { type: 'text' });
    const hint = options.hint ? el('p', { class: 'bytegpt__hint', id: id + '-hint' }, [options.hint]) : null;
    const error = el('p', { class: 'bytegpt__error', id: id + '-error' });
    control.id = id;
    control.className = 'bytegpt__control';
    control.setAttribute('aria-describedby', (hint ? id + '-hint ' : '') + id + '-error');
    control.setAttribute('autocomplete', 'off');
    const label = el('label', { class: 'bytegpt__label', for: id }, [t('form.' + name)]);
    return {
      name: name, control: control, hint: hint, label: t('form.' + name),
      element: el('div', { class: 'bytegpt__field' }, [label, control, hint, error]),
      complain: function (words) {
        fill(error, words ? [words] : []);
        control.setAttribute('aria-invalid', String(Boolean(words)));
      }
    };
  }

  function area(rows) {
    return el('textarea', { rows: String(rows), spellcheck: 'false' });
  }

  function localeChoice(t) {
    return el('select', {}, ['pt', 'es', 'en'].map(function (code) {
      return el('option', { value: code }, [t('locales.' + code)]);
    }));
  }

  function zoneChoice() {
    const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf('timeZone') : [];
    const list = el('datalist', { id: 'bytegpt-zones' }, zones.map(function (zone) {
      return el('option', { value: zone });
    }));
    return { control: el('input', { type: 'text', list: 'bytegpt-zones', spellcheck: 'false' }), list: list };
  }

  function whole() {
    return el('input', { type: 'text', inputmode: 'numeric' });
  }

  // Password managers would offer the password of Kommo for the key, and to remember the key.
  function secret() {
    return el('input', {
      type: 'password', spellcheck: 'false', autocapitalize: 'off', 'data-lpignore': 'true', 'data-1p-ignore': 'true'
    });
  }

  function fieldsOf(t, zone) {
    const plain = el('input', { type: 'text', spellcheck: 'false', autocapitalize: 'off' });
    const model = el('input', { type: 'text', spellcheck: 'false', autocapitalize: 'off', maxlength: '200' });
    const made = [
      field(t, 'openai_api_key', { control: secret(), hint: t('form.openai_api_key_hint') }),
      field(t, 'assistant_id', { control: plain, hint: t('form.assistant_id_hint') }),
      field(t, 'model', { control: model, hint: t('form.model_hint') }),
      field(t, 'instructions', { control: area(8) }),
      field(t, 'vector_store_ids', { control: area(2), hint: t('form.vector_store_ids_hint') }),
      field(t, 'assistant_definition', { control: area(4), hint: t('form.assistant_definition_hint') }),
      field(t, 'failure_text', { control: area(3), hint: t('form.failure_text_hint') }),
      field(t, 'contact_daily_limit', { control: whole() }),
      field(t, 'contact_weekly_limit', { control: whole() }),
      field(t, 'contact_monthly_limit', { control: whole() }),
      field(t, 'locale', { control: localeChoice(t) }),
      field(t, 'timezone', { control: zone.control, hint: t('form.timezone_hint') }),
      field(t, 'alert_marks', { hint: t('form.alert_marks_hint') })
    ];
    return made.reduce(function (byName, one) {
      byName[one.name] = one;
      return byName;
    }, {});
  }

  function stepsPart(t) {
    const steps = ['first', 'second', 'third', 'fourth'].map(function (name) {
      return el('li', {}, [t('steps.' + name)]);
    });
    return folded('steps', t('steps.title'), [el('ol', { class: 'bytegpt__list' }, steps)]);
  }

  const ERRORS = [
    'openai_timeout', 'openai_authentication', 'assistant_not_found', 'openai_quota', 'openai_connection',
    'openai_unexpected', 'plan_quota', 'contact_limit', 'no_message', 'busy', 'account_paused'
  ];

  function helpPart(t) {
    const links = ERRORS.map(function (code) {
      return el('li', {}, [helpLink(t, code, t('errors.' + code))]);
    });
    return folded('help', t('help.title'), [
      paragraph(t('help.intro'), 'quiet'), el('ul', { class: 'bytegpt__list' }, links)
    ]);
  }

  function settingsForm(root, t, service, page) {
    const zone = zoneChoice();
    const fields = fieldsOf(t, zone);
    const notices = el('div', { class: 'bytegpt__notices', 'data-bytegpt': 'notices' });
    const tested = liveRegion('result');
    const savedResult = liveRegion('saved');
    const profileNote = paragraph('', 'quiet');
    const usage = el('section', { class: 'bytegpt__part', 'data-bytegpt': 'usage' });
    const test = button('test', t('form.test'), runTest);
    const save = button('save', t('form.save'), function () { runSave(); });
    const parts = {};
    let settings = null;
    let busy = false;

    // -- what is shown

    function elements(names) {
      return names.map(function (name) { return fields[name].element; });
    }

    function fieldset(children) {
      return el('fieldset', { class: 'bytegpt__fieldset' }, children);
    }

    function build() {
      parts.connection = fieldset([
        el('legend', { class: 'bytegpt__heading' }, [t('form.connection')])
      ].concat(elements(['openai_api_key', 'assistant_id'])));
      parts.profile = fieldset([profileNote].concat(elements(PROFILE), elements(['assistant_definition'])));
      parts.failure = fieldset(elements(['failure_text']));
      parts.limits = fieldset([
        paragraph(t('form.limits_hint'), 'quiet'), el('div', { class: 'bytegpt__row' }, elements(LIMITS))
      ]);
      parts.language = fieldset(elements(['locale', 'timezone', 'alert_marks']).concat([zone.list]));
      fill(root, [
        notices,
        parts.connection,
        el('div', { class: 'bytegpt__actions' }, [test]),
        tested,
        folded('profile', t('form.profile'), [parts.profile]),
        folded('failure', t('form.failure'), [parts.failure]),
        folded('limits', t('form.limits'), [parts.limits]),
        folded('language', t('form.language'), [parts.language]),
        el('div', { class: 'bytegpt__actions' }, [save]),
        savedResult,
        usage,
        stepsPart(t),
        helpPart(t)
      ]);
    }

    function listen() {
      Object.keys(fields).forEach(function (name) {
        fields[name].control.addEventListener('input', function () { edited(fields[name]); });
      });
    }

    function edited(one) {
      one.complain('');
      definitionWins();
      page.changed();
    }

    // What is pasted replaces the profile, so nobody should type into it meanwhile.
    function definitionWins() {
      const pasted = Boolean(text(fields.assistant_definition.control.value));
      PROFILE.forEach(function (name) { fields[name].control.readOnly = pasted || !mayChange(); });
    }

    function mayChange() {
      return settings !== null && settings.status.can_change;
    }

    function display(received) {
      settings = received;
      const values = formValues(settings);
      Object.keys(fields).forEach(function (name) {
        fields[name].control.value = values[name];
        fields[name].complain('');
      });
      displayState();
    }

    function displayState() {
      const profile = settings.profile;
      const sleeping = profile && profile.source === 'imported' && !profile.active;
      const imported = profile && profile.source === 'imported' && profile.active;
      const note = sleeping ? 'profile_sleeping' : imported ? 'profile_imported' : 'profile_hint';
      fill(profileNote, [t('form.' + note)]);
      fields.openai_api_key.control.placeholder = settings.openai_api_key || 'sk-…';
      fill(fields.openai_api_key.hint, [keyHint()]);
      fields.assistant_id.control.placeholder = 'asst_…';
      fields.failure_text.control.placeholder = settings.status.default_failure_text;
      Object.keys(fields).forEach(function (name) {
        fields[name].control.disabled = !mayChange() && fields[name].control.tagName === 'SELECT';
        fields[name].control.readOnly = !mayChange();
      });
      save.hidden = !mayChange();
      fill(notices, stateNotices());
    }

    function keyHint() {
      const key = settings.openai_api_key;
      const words = !key ? 'openai_api_key_hint' : mayChange() ? 'openai_api_key_saved' : 'openai_api_key_shown';
      return t('form.' + words, { key: key });
    }

    function stateNotices() {
      const status = settings.status;
      const bad = status.missing.map(function (name) { return t('notices.missing_' + name); });
      if (status.paused) {
        bad.unshift(t('notices.paused'));
      }
      const found = bad.map(function (words) { return paragraph(words, 'warning'); });
      if (!found.length) {
        found.push(paragraph(t('notices.ready'), 'good'));
      }
      if (!status.can_change) {
        found.unshift(paragraph(t('notices.read_only'), 'note'));
      }
      return found;
    }

    function only(children) {
      settings = null;
      fill(root, children);
    }

    function retry(caption) {
      return button('retry', caption, load);
    }

    // -- loading

    function open(installed) {
      if (installed) {
        load();
      } else {
        only([paragraph(t('notices.not_installed'), 'note'), retry(t('notices.is_installed')), stepsPart(t)]);
      }
    }

    function load() {
      only([paragraph(t('form.loading'), 'quiet')]);
      service('GET', 'settings').then(function (received) {
        build();
        display(received);
        loadUsage();
      }, function (problem) {
        const waiting = problem.code === 'account_not_installed';
        only([
          paragraph(waiting ? t('notices.installing') : told(t, problem), waiting ? 'note' : 'error'),
          retry(t('notices.retry'))
        ]);
      });
    }

    function loadUsage() {
      const title = el('h3', { class: 'bytegpt__heading' }, [t('usage.title')]);
      fill(usage, [title, paragraph(t('usage.loading'), 'quiet')]);
      service('GET', 'usage').then(function (received) {
        fill(usage, [title].concat(usageBar(t, received)));
      }, function (problem) {
        fill(usage, [title, paragraph(told(t, problem), 'error')]);
      });
    }

    // -- test and save

    function typed() {
      return Object.keys(fields).reduce(function (values, name) {
        values[name] = fields[name].control.value;
        return values;
      }, {});
    }

    function changes() {
      return changesOf(settings, typed());
    }

    function hasChanges() {
      return settings !== null && mayChange() && changes().names.length > 0;
    }

    // Marks the wrong fields, opens the parts they stand in, and goes to the first of them.
    function complained(region, words) {
      const wrong = Object.keys(fields).filter(function (name) { return words[name]; });
      wrong.forEach(function (name) {
        fields[name].complain(words[name]);
        const part = fields[name].element.closest('details');
        if (part) {
          part.open = true;
        }
      });
      if (wrong.length) {
        say(region, 'failed', [paragraph(t('results.check_fields'), 'error')]);
        fields[wrong[0]].control.focus();
      }
      return wrong.length > 0;
    }

    function translated(problems) {
      return Object.keys(problems).reduce(function (words, name) {
        words[name] = t('problems.' + problems[name]);
        return words;
      }, {});
    }

    // The service names fields as it knows them, `profile.model` among them, and explains them in English.
    function refusedFields(problem) {
      return Object.keys(problem.fields).reduce(function (words, path) {
        words[path.replace(/^profile\./, '').replace(/\..*$/, '')] = t('problems.wrong_value');
        return words;
      }, {});
    }

    function working(region, words, locked) {
      busy = true;
      [test, save].forEach(function (one) { allow(one, false); });
      Object.keys(parts).forEach(function (name) { parts[name].disabled = locked; });
      say(region, 'busy', [paragraph(words, 'quiet')]);
    }

    function done() {
      busy = false;
      [test, save].forEach(function (one) { allow(one, true); });
      Object.keys(parts).forEach(function (name) { parts[name].disabled = false; });
    }

    function runTest() {
      const change = mayChange() ? changes() : { body: {}, names: [], problems: {} };
      if (busy || complained(tested, translated(change.problems))) {
        return;
      }
      working(tested, t('results.testing'), false);
      service('POST', 'check', change.body).then(function (check) {
        done();
        say(tested, check.ok ? 'ok' : 'failed', testResult(check, change.names.length > 0));
      }, function (problem) {
        done();
        if (!complained(tested, refusedFields(problem))) {
          say(tested, 'failed', [paragraph(told(t, problem), 'error')]);
        }
      });
    }

    function testResult(check, unsaved) {
      if (!check.ok) {
        return failure(check);
      }
      const answer = check.reply && el('blockquote', { class: 'bytegpt__reply' }, [check.reply]);
      return [
        paragraph(t(check.reply ? 'results.test_ok' : 'results.test_ok_silent'), 'good'),
        answer,
        check.assistants_api_gone ? paragraph(t('results.api_gone_answered'), 'warning') : null,
        leftBehind(check),
        unsaved ? paragraph(t('results.test_unsaved'), 'warning') : null
      ];
    }

    function failure(check) {
      const gone = check.assistants_api_gone;
      return [
        el('p', { class: 'bytegpt__text bytegpt__text--error' }, [el('strong', {}, [check.error])]),
        check.remedy ? paragraph(check.remedy) : null,
        gone ? paragraph(t('results.api_gone'), 'warning') : null,
        gone ? button('fill-profile', t('results.fill_profile'), openProfile) : null,
        leftBehind(check),
        helpLink(t, check.error_code, t('results.learn_more'))
      ];
    }

    function leftBehind(check) {
      const tools = check.left_behind || [];
      return tools.length ? paragraph(t('results.left_behind', { tools: tools.join(', ') }), 'warning') : null;
    }

    function openProfile() {
      fields.model.element.closest('details').open = true;
      fields.model.control.focus();
    }

    // Resolves to whether everything that was typed is saved.
    function runSave() {
      const change = changes();
      if (busy || complained(savedResult, translated(change.problems))) {
        return Promise.resolve(false);
      }
      if (!change.names.length) {
        say(savedResult, 'ok', [paragraph(t('results.nothing_changed'), 'quiet')]);
        return Promise.resolve(true);
      }
      const mine = typed();
      working(savedResult, t('results.saving'), true);
      return service('PUT', 'settings', Object.assign({ version: settings.version }, change.body)).then(
        function (received) {
          done();
          display(received);
          say(tested, 'none', []);
          say(savedResult, received.setup.ok ? 'ok' : 'failed', saveResult(received.setup));
          return true;
        },
        function (problem) {
          done();
          saveFailed(problem, change.names, mine);
          return false;
        }
      );
    }

    function saveResult(setup) {
      if (!setup.ok) {
        return [paragraph(t('results.saved_not_working'), 'warning')].concat(failure(setup));
      }
      return [paragraph(t('results.saved_ok'), 'good'), leftBehind(setup)];
    }

    function saveFailed(problem, names, mine) {
      if (problem.code === 'settings_changed' && problem.settings) {
        display(problem.settings);
        say(savedResult, 'failed', overtaken(names, mine));
      } else if (!complained(savedResult, refusedFields(problem))) {
        const lost = problem.status === 0;
        say(savedResult, 'failed', [paragraph(lost ? t('problems.perhaps_saved') : told(t, problem), 'error')]);
      }
    }

    function overtaken(names, mine) {
      const labels = names.map(function (name) { return fields[name].label; }).join(', ');
      return [
        el('p', { class: 'bytegpt__text bytegpt__text--error' }, [el('strong', {}, [t('notices.changed_title')])]),
        paragraph(t('notices.changed', { fields: labels })),
        button('reapply', t('notices.reapply'), function () { reapply(names, mine); })
      ];
    }

    function reapply(names, mine) {
      names.forEach(function (name) {
        fields[name].control.value = mine[name];
        const part = fields[name].element.closest('details');
        if (part) {
          part.open = true;
        }
      });
      definitionWins();
      page.changed();
      say(savedResult, 'ok', [paragraph(t('notices.reapplied'), 'note')]);
      save.focus();
    }

    listen();
    return { open: open, load: load, hasChanges: hasChanges, save: runSave };
  }

  // ---------------------------------------------------------------------------------------------------------------
  // What Kommo calls.

  return function () {
    const self = this;
    const t = translator(self);
    const service = serviceOf(self, t);
    // How long the install hook may take to reach the service before we look again.
    const INSTALLATION_MS = 3000;
    let form = null;
    let $modal = null;
    let looking = null;

    function yes() {
      return true;
    }

    function nothing() {}

    function openSettings($given) {
      window.clearTimeout(looking);
      const code = codeOf(self);
      window.clearTimeout(looking);
      $modal = $given && $given.length ? $given : $('.modal.' + code);
      const own = $modal.find('#' + code + '_custom_content');
      const place = own.length ? own : $modal.find('.widget_settings_block');
      form = settingsForm(newRoot((place.length ? place : $modal)[0]), t, service, { changed: wakeKommosButton });
      form.open(self.get_install_status() !== 'install');
    }

    // Kommo's own Save button wakes up when the value behind our field changes. The value itself means nothing:
    // whatever stands there can be read by every user of the account.
    function wakeKommosButton() {
      $('#' + codeOf(self) + '_custom').val(Date.now()).trigger('change');
    }

    // Install and Save of Kommo, and also disabling, which saves nothing of ours.
    function onSave(event) {
      if (form === null || (event && event.active === 'N')) {
        return true;
      }
      if (!form.hasChanges()) {
        lookAfterInstallation();
        return true;
      }
      return form.save().then(function (saved) {
        if (!saved) {
          $modal.find('.js-widget-save').trigger('button:save:error');
          throw new Error('the settings of ByteGPT are not saved');
        }
        return true;
      });
    }

    function lookAfterInstallation() {
      if (self.get_install_status() === 'install') {
        looking = window.setTimeout(form.load, INSTALLATION_MS);
      }
    }

    function forget() {
      window.clearTimeout(looking);
      form = null;
    }

    self.callbacks = {
      render: function () {
        addStylesheet(self);
        return true;
      },
      init: yes,
      bind_actions: yes,
      settings: function ($given) {
        openSettings($given);
        return true;
      },
      onSave: onSave,
      destroy: forget,
      advancedSettings: function () {
        usagePage(newRoot(document.getElementById('work-area-' + codeOf(self))), t, service);
        return true;
      },
      contacts: { selected: nothing },
      leads: { selected: nothing },
      todo: { selected: nothing },
      salesbotDesignerSettings: function () {
        return {
          exits: [
            { code: 'success', title: t('salesbot.exit_success') },
            { code: 'fail', title: t('salesbot.exit_fail') }
          ]
        };
      },
      onSalesbotDesignerSave: function (handlerCode, params) {
        return JSON.stringify(salesbotSteps(handlerCode, instructionsIn(params), worksWithCustomers()));
      }
    };
    return self;
  };
});
