"""What pages are made of: the macros, rendered by themselves."""

import re

import pytest
from flask import Flask, g

from app.web.console.charts import Series, columns, lines
from app.web.console.look import Look
from tests.webhooks import Door

MACROS = """
{% from "console/macros.html" import action, badge, bar, confirm, pagination, refreshed, stat, stats, table %}
{% from "console/charts.html" import chart %}
"""
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def app() -> Flask:
    return Door().app()


def rendered(app: Flask, template: str, **values: object) -> str:
    with app.test_request_context("/console/"):
        g.look = Look("pt")
        return app.jinja_env.from_string(MACROS + template).render(**values)


def test_a_chart_has_its_figures_in_a_table_below(app: Flask) -> None:
    drawn = columns(["10h", "11h", "12h"], [Series("respondidos", [1200, 0, 3]), Series("com falha", [5, None, 1], 2)])
    html = rendered(app, "{{ chart('Turnos por hora', drawn, 'Hora') }}", drawn=drawn)
    rows = re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', html)
    assert [(label, re.findall(r">([^<]+)</td>", cells)) for label, cells in rows] == [
        ("10h", ["1.200", "5"]),
        ("11h", ["0", "—"]),
        ("12h", ["3", "1"]),
    ]
    assert '<caption class="hidden">Turnos por hora</caption>' in html
    # What is drawn is for the eye alone: readers of the screen get the table.
    assert '<div class="plot" aria-hidden="true">' in html
    assert html.count("<rect class=") == 2 + 4  # the legend and the parts of the columns


def test_lines_of_a_chart_differ_by_more_than_their_colour(app: Flask) -> None:
    drawn = lines(["a", "b"], [Series("p50", [1, 2], 1), Series("p99", [3, 4], 2)])
    html = rendered(app, "{{ chart('Tempo', drawn, 'Hora', digits=1) }}", drawn=drawn)
    assert html.count('<path class="line tone-1"') == html.count('<path class="line tone-2"') == 2
    assert "<td" in html
    assert ">1,0</td>" in html


def test_a_chart_of_nothing_is_drawn_too(app: Flask) -> None:
    assert "<figure" in rendered(app, "{{ chart('Nada', drawn, 'Hora') }}", drawn=columns([], []))


@pytest.mark.parametrize(("part", "whole", "width"), [(412, 500, 82.4), (0, 500, 0.0), (700, 500, 100), (1, 0, 0)])
def test_a_bar_is_as_long_as_what_is_used(app: Flask, part: int, whole: int, width: float) -> None:
    html = rendered(app, "{{ bar('Mês', part, whole, '412 de 500') }}", part=part, whole=whole)
    assert f'<rect class="part" width="{width}"' in html
    assert "412 de 500" in html


def test_a_confirmation_asks_before_it_sends_and_works_without_script(app: Flask) -> None:
    template = "{% call confirm('/console/x', 'Apagar', 'Apagar tudo?', 'Sim', {'id': 7}, next='/console/log') %}"
    html = rendered(app, template + '<input name="why">{% endcall %}')
    assert html.index("<summary") < html.index("Apagar tudo?") < html.index('<button type="submit"')
    assert re.findall(r'name="(\w+)"', html) == ["csrf_token", "id", "next", "why"]
    assert 'value="7"' in html


def test_a_confirmation_needs_no_further_fields(app: Flask) -> None:
    assert rendered(app, "{{ confirm('/console/x', 'Apagar', 'Apagar?', 'Sim') }}").count("<input") == 1


def test_pages_beside_this_one(app: Flask) -> None:
    assert "<nav" not in rendered(app, "{{ pagination(none, none) }}")
    html = rendered(app, "{{ pagination('/console/log', none) }}")
    assert 'rel="prev">← Mais recentes</a>' in html
    assert 'rel="next"' not in html


def test_a_table_of_nothing_says_so(app: Flask) -> None:
    template = "{% call(row) table('Contas', ['Conta'], rows) %}<tr><th scope='row'>{{ row }}</th></tr>{% endcall %}"
    assert "Não há nada aqui." in rendered(app, template, rows=[])
    assert rendered(app, template, rows=[1, 2]).count("<th scope='row'>") == 2


EVERYWHERE = [
    "{{ badge(x) }}",
    "{{ bar(x, 1, 2, x) }}",
    "{{ action(x, x, {x: x}, x) }}",
    "{{ confirm(x, x, x, x, {x: x}, next=x) }}",
    "{{ pagination(x, x, x, x) }}",
    "{% call stats() %}{{ stat(x, x, x, '', x) }}{% endcall %}",
    "{% call(row) table(x, [x, (x, 'number')], [x]) %}{{ row }}{% endcall %}",
    "{{ chart(x, drawn, x) }}",
]


@pytest.mark.parametrize("template", EVERYWHERE)
def test_what_a_macro_is_given_is_shown_as_text(app: Flask, template: str) -> None:
    drawn = columns([SCRIPT, SCRIPT], [Series(SCRIPT, [1, 2]), Series(SCRIPT, [1, 2])])
    html = rendered(app, template, x=SCRIPT, drawn=drawn)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_part_that_refreshes_itself_can_be_paused(app: Flask) -> None:
    html = rendered(app, "{% call refreshed('state', 7) %}now{% endcall %}")
    assert 'data-refresh-for="state" data-seconds="7"' in html
    assert 'data-at="Atualizado às {time}"' in html
    assert re.search(r'<button type="button"[^>]*aria-controls="state"', html)
    assert re.search(r'<div id="state">\s*now\s*</div>', html)
