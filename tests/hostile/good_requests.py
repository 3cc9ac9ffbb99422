"""A good request for every route of the application: what attacks start from, so that they get past the first check.

Whoever adds a route adds its good request here; a test fails until then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flask import Flask

from tests.hostile.recorder import name_of


@dataclass(frozen=True, slots=True)
class Good:
    """status: of its answer. places, query, form: `{account}` and the like stand for what the site has (site.py).

    changes: whether accounts or their ledgers may be another ones after it.
    """

    status: int = 200
    places: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, object] | None = None
    changes: bool = False


_ACCOUNT = {"account_id": "{account}"}
_RQ = {"instance_number": "0"}
_JOB = {"job_id": "{job}"}
_LIST = {"queue_name": "{queue}", "registry_name": "queued", "per_page": "25", "order": "asc", "page": "1"}
_QUEUE = {"queue_name": "{queue}"}
_SPAN = {"account": "{account}", "since": "2026-01-01T00:00", "until": "2099-01-01T00:00", "untold": ""}
_BACK = {"next": "/console/log"}
_PROFILE = {"model": "gpt-6-luna", "instructions": "Seja breve.", "vector_store_ids": ["vs_1"], "temperature": 0.5}
_SETTINGS = {"locale": "es", "timezone": "America/Recife", "failure_text": "Desculpe.", "profile": _PROFILE}

GOOD: Mapping[str, Good] = {
    "POST /kommo/salesbot": Good(
        form={"data[message]": "Oi", "data[contact_id]": "5", "data[lead_id]": "7", "data[origin]": "waba"},
        changes=True,
    ),
    # The simulated Kommo has no window of its own; test_addresses.py asks where there is one.
    "GET /kommo/oauth/start": Good(404, query={"client_id": "{integration}"}),
    "GET /kommo/oauth/callback": Good(),
    "GET /kommo/oauth/revoked": Good(202),
    "GET /widget/settings": Good(),
    "PUT /widget/settings": Good(json=_SETTINGS, changes=True),
    "POST /widget/check": Good(json={"locale": "pt", "profile": _PROFILE}),
    "GET /widget/usage": Good(query={"period": "2026-11", "lang": "pt"}),
    "OPTIONS /widget/settings": Good(204),
    "OPTIONS /widget/check": Good(204),
    "OPTIONS /widget/usage": Good(204),
    "GET /healthz": Good(),
    "GET /readyz": Good(503),
    "GET /metrics": Good(),
    "GET /openapi.json": Good(),
    "GET /help": Good(query={"lang": "pt"}),
    "GET /help/errors/{code}": Good(places={"code": "busy"}, query={"lang": "es"}),
    "GET /help/style.css": Good(),
    "GET /help/{_rest}": Good(404, places={"_rest": "no/such/page"}, query={"lang": "en"}),
    "GET /console/static/{filename}": Good(places={"filename": "console.css"}, query={"v": "1"}),
    "GET /console/login": Good(302, query={"next": "/console/log"}),
    "POST /console/login": Good(303, form={"username": "{username}", "password": "{password}", **_BACK}),
    "POST /console/logout": Good(303),
    "POST /console/preferences": Good(303, form={"language": "es", "theme": "dark", **_BACK}),
    "GET /console/": Good(),
    "GET /console/accounts": Good(query={"q": "{subdomain}", "after": ""}),
    "GET /console/accounts/{account_id}": Good(places=_ACCOUNT, query={"period": "{period}"}),
    "GET /console/accounts/{account_id}/ledger": Good(
        places=_ACCOUNT, query={"period": "{period}", "older_than": "{entry}"}
    ),
    "POST /console/accounts/{account_id}/pause": Good(303, places=_ACCOUNT, form=_BACK, changes=True),
    "POST /console/accounts/{account_id}/resume": Good(303, places=_ACCOUNT, form=_BACK, changes=True),
    "POST /console/accounts/{account_id}/plan": Good(
        303, places=_ACCOUNT, form={"plan": "{plan}", "when": "now", **_BACK}, changes=True
    ),
    "POST /console/accounts/{account_id}/boosts": Good(
        303, places=_ACCOUNT, form={"key": "hostile-1", "requests": "5", "expires": "2099-01-01", **_BACK}, changes=True
    ),
    "POST /console/accounts/{account_id}/boosts/void": Good(
        303, places=_ACCOUNT, form={"key": "hostile-1", **_BACK}, changes=True
    ),
    "POST /console/accounts/{account_id}/check-up": Good(places=_ACCOUNT, form=_BACK),
    "GET /console/turns": Good(
        query={"q": "", "account": "{account}", "lead": "7", "contact": "5", "ending": "answered", **_SPAN}
        | {"older_than": ""}
    ),
    "GET /console/turns/{request_id}": Good(places={"request_id": "{answered}"}),
    "POST /console/turns/{request_id}/replay": Good(303, places={"request_id": "{failed}"}, form=_BACK, changes=True),
    "GET /console/replays": Good(query=_SPAN),
    "POST /console/replays": Good(303, form=_SPAN),
    "GET /console/replays/{account_id}/{batch_id}": Good(places={**_ACCOUNT, "batch_id": "{batch}"}),
    "POST /console/replays/{account_id}/{batch_id}/stop": Good(
        303, places={**_ACCOUNT, "batch_id": "{batch}"}, form=_BACK
    ),
    "GET /console/log": Good(query={"older_than": "{entry}"}),
    "GET /console/rq/static/{filename}": Good(places={"filename": "css/main.css"}),
    "GET /console/rq/": Good(),
    "GET /console/rq/{instance_number}/view/queues": Good(places=_RQ),
    "GET /console/rq/{instance_number}/view": Good(places=_RQ),
    "GET /console/rq/{instance_number}/": Good(404, places={"instance_number": "1"}),
    "GET /console/rq/{instance_number}/view/workers": Good(places=_RQ),
    "GET /console/rq/{instance_number}/view/jobs": Good(302, places=_RQ, query=_LIST),
    "GET /console/rq/{instance_number}/view/jobs/{queue_name}/{registry_name}/{per_page}/{order}/{page}": Good(
        places={**_RQ, **_LIST}
    ),
    "GET /console/rq/{instance_number}/view/job/{job_id}": Good(places={**_RQ, **_JOB}),
    "GET /console/rq/favicon.ico": Good(),
    "GET /console/rq/{instance_number}/data/queues.json": Good(places=_RQ),
    "GET /console/rq/{instance_number}/data/jobs/{queue_name}/{registry_name}/{per_page}/{order}/{page}.json": Good(
        places={**_RQ, **_LIST}
    ),
    "GET /console/rq/{instance_number}/data/job/{job_id}.json": Good(places={**_RQ, **_JOB}),
    "GET /console/rq/{instance_number}/data/workers.json": Good(places=_RQ),
    "POST /console/rq/job/{job_id}/delete": Good(303, places=_JOB, form=_BACK),
    "POST /console/rq/job/{job_id}/requeue": Good(303, places=_JOB, form=_BACK),
    "POST /console/rq/requeue/{queue_name}": Good(303, places=_QUEUE, form=_BACK),
    "POST /console/rq/queue/{queue_name}/{registry_name}/empty": Good(
        303, places={**_QUEUE, "registry_name": "queued"}, form=_BACK
    ),
    "POST /console/rq/queue/{queue_name}/compact": Good(303, places=_QUEUE, form=_BACK),
}


def routes_of(app: Flask) -> Iterator[str]:
    """Every route of an application by name, once for each method that it takes but HEAD."""
    for rule in app.url_map.iter_rules():
        yield from (name_of(rule, method) for method in sorted(rule.methods or ()) if method != "HEAD")
