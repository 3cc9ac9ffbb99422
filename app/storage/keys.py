"""Every Redis key of ByteGPT: reading this module tells all the state there is.

The keys `rq:…` are RQ's own. Scripts that build keys from a prefix (lua/queue.lua) repeat the ones below.
"""

import hashlib

PREFIX = "bytegpt:"


def account(account_id: int) -> str:
    """Hash: one account. Until it is removed.

    `record` (JSON), `secrets` (sealed), `version`, `paused`, `plan`, and `next_plan` from `next_plan_period` on;
    `retention_days`, and `removing` while it is being removed.
    """
    return f"{PREFIX}account:{account_id}"


def accounts() -> str:
    """Set: the ids of all accounts. For ever."""
    return f"{PREFIX}accounts"


def integration(client_id: str) -> str:
    """String: a private integration's one or two secrets, newest first (sealed). 7 days from its last account."""
    return f"{PREFIX}integration:{client_id}"


def integration_accounts(client_id: str) -> str:
    """Set: the ids of the accounts that use a private integration. Until the last one goes."""
    return f"{PREFIX}integration:{client_id}:accounts"


def plans() -> str:
    """Hash: requests a month by plan name. For ever."""
    return f"{PREFIX}plans"


def turn(request_id: str) -> str:
    """Hash: one turn, its texts sealed. 30 days from its end, longer where its account keeps texts for longer."""
    return f"{PREFIX}turn:{request_id}"


def turn_steps(request_id: str) -> str:
    """List: what happened to the turn, each a JSON object with `at` and `step`. As long as the turn."""
    return f"{turn(request_id)}:steps"


def turns_of(account_id: int) -> str:
    """Sorted set: ids of an account's turns by the time of acceptance, for a little longer than the turns are kept."""
    return f"{PREFIX}turns:{account_id}"


def turns() -> str:
    """Sorted set: ids of all accounts' turns by the time of acceptance. 31 days."""
    return f"{PREFIX}turns"


def turns_of_lead(account_id: int, lead_id: int) -> str:
    """Sorted set: ids of the turns of one lead, by acceptance. A little longer than the last of them is kept."""
    return f"{PREFIX}lead:{account_id}:{lead_id}"


def turns_of_contact(account_id: int, conversation_key: str) -> str:
    """Sorted set: ids of the turns of one contact, by acceptance. The same, or until the contact is forgotten."""
    return f"{PREFIX}contact:{account_id}:{conversation_key}"


def ended_turns(kind: str) -> str:
    """Sorted set: ids of all accounts' turns that ended in one unhappy way, by acceptance. 31 days."""
    return f"{PREFIX}all_ended:{kind}"


def ended_turns_of(account_id: int, kind: str) -> str:
    """Sorted set: the same of one account. A little longer than the turns are kept."""
    return f"{PREFIX}ended:{account_id}:{kind}"


def open_turns() -> str:
    """Sorted set: ids of turns that are not closed, by the end of their lease. Swept by every worker."""
    return f"{PREFIX}open"


def return_url(account_id: int, url: str) -> str:
    """String: the turn that a return_url was accepted as. 72 hours."""
    return f"{PREFIX}return_url:{account_id}:{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def line(account_id: int, conversation_key: str) -> str:
    """List: ids of the open turns of one conversation, the one that is worked on first. Gone when empty."""
    return f"{PREFIX}line:{account_id}:{conversation_key}"


def conversation(account_id: int, conversation_key: str) -> str:
    """Hash: the conversation at OpenAI of one client of one account. Until it is forgotten."""
    return f"{PREFIX}conversation:{account_id}:{conversation_key}"


def past_conversations(account_id: int, conversation_key: str) -> str:
    """Set: what that client's conversation was before, `<api> <id>`. Until it is forgotten."""
    return f"{PREFIX}past_conversations:{account_id}:{conversation_key}"


def forgetting(account_id: int, conversation_key: str) -> str:
    """Hash: how far one contact is forgotten, and ids at OpenAI to delete. Until they are deleted, 400 days at most."""
    return f"{PREFIX}forgetting:{account_id}:{conversation_key}"


def removal(account_id: int) -> str:
    """Hash: how much of an account was removed so far, by kind. Until it is removed."""
    return f"{PREFIX}removal:{account_id}"


def texts_erased() -> str:
    """Hash: up to which acceptance each account's texts were erased, in milliseconds. Until the account is removed."""
    return f"{PREFIX}texts_erased"


def quota(account_id: int, period: str) -> str:
    """Hash: an account's month: `allowance plan used reserved boosted boost:<boost> alert:<mark>`. 400 days."""
    return f"{PREFIX}quota:{account_id}:{period}"


def ledger(account_id: int, period: str) -> str:
    """Stream: the entries behind an account's counters of one month, append-only. 400 days from the last entry."""
    return f"{PREFIX}ledger:{account_id}:{period}"


def usage_day(account_id: int, day: str) -> str:
    """Hash: figures of an account's day by field (app/domain/usage.py). 400 days from the last change."""
    return f"{PREFIX}usage:{account_id}:{day}"


def usage_minutes(account_id: int, day: str) -> str:
    """Hash: requests and tokens by minute and model, on one day of UTC. 400 days from the last change."""
    return f"{PREFIX}minutes:{account_id}:{day}"


def boosts(account_id: int) -> str:
    """Sorted set: boosts that may have something left, `<added>:<key>`, by expiry. Until the account is removed."""
    return f"{PREFIX}boosts:{account_id}"


def boost_left(account_id: int) -> str:
    """Hash: what is left of each boost, by the same name, and of all (`*`). Until the account is removed."""
    return f"{PREFIX}boost_left:{account_id}"


def boost_records(account_id: int) -> str:
    """Hash: every boost ever added, by its key (JSON). Until the account is removed."""
    return f"{PREFIX}boost:{account_id}"


def open_month(account_id: int) -> str:
    """String: the month in whose ledger the balance of the boosts stands. Until the account is removed."""
    return f"{PREFIX}open_month:{account_id}"


def near_limit() -> str:
    """Sorted set: ids of accounts that were near the limit of their month, by per cent. Until somebody looks again."""
    return f"{PREFIX}near_limit"


def account_names() -> str:
    """Sorted set, all of one score: every account as `<subdomain> <id>`. As long as the account."""
    return f"{PREFIX}account_names"


def account_minute(account_id: int, minute: int) -> str:
    """String: webhooks of one account in one minute. 2 minutes."""
    return f"{PREFIX}minute:{account_id}:{minute}"


def text_minute(account_id: int, minute: int, text: str) -> str:
    """String: webhooks with one text for one lead in one minute; the text is hashed. 2 minutes."""
    return f"{PREFIX}minute:{account_id}:{minute}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def contact_span(account_id: int, conversation_key: str, span: str) -> str:
    """String: requests of one contact in one day, week or month of the account's zone. 3, 10 or 40 days."""
    return f"{PREFIX}contact_span:{account_id}:{conversation_key}:{span}"


def widget_token(account_id: int, digest: str) -> str:
    """String: who used a one-time token of the widget's front end, known by a hash. Until the token expires."""
    return f"{PREFIX}widget_token:{account_id}:{digest}"


def widget_minute(account_id: int, what: str, minute: int) -> str:
    """String: saves or checks of one account's settings in one minute. 2 minutes."""
    return f"{PREFIX}widget_minute:{account_id}:{what}:{minute}"


def notes() -> str:
    """Sorted set: turns whose lead is due a note, by when to try. Until written or given up."""
    return f"{PREFIX}notes"


def gate(fingerprint: str) -> str:
    """Hash: what an OpenAI key, known by its fingerprint, is told to wait for (lua/gates.lua). Minutes."""
    return f"{PREFIX}gate:{fingerprint}"


def gate_line(fingerprint: str) -> str:
    """Sorted set: ids of the turns that wait for a key, by acceptance. Gone when empty."""
    return f"{gate(fingerprint)}:line"


def gates() -> str:
    """Sorted set: fingerprints of the gates in whose line somebody waits, by when to look after them."""
    return f"{PREFIX}gates"


def queued() -> str:
    """Sorted set: accounts whose turns wait for a worker, by round (lua/fair.lua has the keys beside it)."""
    return f"{PREFIX}queued"


def queued_of(account_id: int) -> str:
    """Sorted set: ids of an account's turns that wait for a worker, by acceptance. Gone when empty."""
    return f"{queued()}:{account_id}"


def ready() -> str:
    """Sorted set: accounts whose continue calls wait for their moment, by round."""
    return f"{PREFIX}ready"


def ready_of(account_id: int) -> str:
    """Sorted set: ids of an account's turns whose continue call waits for its moment, by acceptance."""
    return f"{ready()}:{account_id}"


def bell() -> str:
    """List of at most one element: there while something waits for a worker that may be idle."""
    return f"{PREFIX}bell"


def pace_of_egress(egress: str) -> str:
    """String: when the next call to Kommo may leave from an egress address, and when that was written. Seconds.

    Both in microseconds, by Redis' clock.
    """
    return f"{PREFIX}pace:egress:{egress}"


def pace_of_account(account_id: int) -> str:
    """String: when the next call to Kommo may be made for an account, as for an egress address. Seconds."""
    return f"{PREFIX}pace:account:{account_id}"


def unfinished_hooks() -> str:
    """Sorted set: hooks of Kommo that are not worked off yet, by when to try. Until they are, a day at most."""
    return f"{PREFIX}hooks"


def unfinished_hook(name: str) -> str:
    """String: one such hook, with its code or tokens (sealed). As long as it stands in the set."""
    return f"{PREFIX}hook:{name}"


def oauth_state(nonce: str) -> str:
    """String: who used the state of an OAuth window. Until the state expires."""
    return f"{PREFIX}oauth_state:{nonce}"


def token_checks() -> str:
    """Sorted set: ids of accounts by when their tokens of Kommo are looked at next. For ever."""
    return f"{PREFIX}token_checks"


def lock(name: str) -> str:
    """String: who holds a lock, until it is released or times out."""
    return f"{PREFIX}lock:{name}"


def workers() -> str:
    """Sorted set: names of living worker processes by the time at which they last said so."""
    return f"{PREFIX}workers"


def audit_log() -> str:
    """Stream: what operators have done. 400 days, and the newest 100,000 lines at the most."""
    return f"{PREFIX}audit_log"


def batches() -> str:
    """Sorted set: runs of many failed turns again, `<account>:<batch>`, by when they were begun. 7 days."""
    return f"{PREFIX}batches"


def open_batches() -> str:
    """Sorted set: those of them that are not over, in the order in which they are worked on. Until they are."""
    return f"{PREFIX}open_batches"


def batch(account_id: int, batch_id: str) -> str:
    """Hash: one of them: whose turns of which span, who wants it, how far it is. 7 days from its beginning."""
    return f"{PREFIX}batch:{account_id}:{batch_id}"


def batch_turns(account_id: int, batch_id: str) -> str:
    """List: ids of its turns. 7 days."""
    return f"{batch(account_id, batch_id)}:turns"


def batch_results(account_id: int, batch_id: str) -> str:
    """List: what became of each of them, `<turn> <result>`. 7 days."""
    return f"{batch(account_id, batch_id)}:results"


def operator_session(digest: str) -> str:
    """String: one login at the console (JSON), known by a hash of its id. Until it is over."""
    return f"{PREFIX}operator_session:{digest}"


def login_attempts(kind: str, whose: str) -> str:
    """String: attempts to log in that are counted together; whose is hashed. 15 minutes, or until their lock ends."""
    return f"{PREFIX}login_attempts:{kind}:{hashlib.sha256(whose.encode()).hexdigest()[:32]}"


def worker(name: str) -> str:
    """String: how busy a worker process is (JSON). As long as it counts as living."""
    return f"{PREFIX}worker:{name}"


def metrics() -> str:
    """Hash: what all processes have counted, by the fields of domain/metrics.py. For ever."""
    return f"{PREFIX}metrics"


def metrics_of(source: str) -> str:
    """String: the number of the last batch of counts that a process added there. An hour."""
    return f"{PREFIX}metrics:{source}"


def metrics_minute(minute: int) -> str:
    """Hash: what all processes have counted in one minute since the epoch (domain/service_minutes.py). 65 minutes."""
    return f"{PREFIX}metrics:minute:{minute}"


def last_success() -> str:
    """Hash: when OpenAI and Kommo last took a call, in milliseconds. For ever."""
    return f"{PREFIX}last_success"


def access_trouble() -> str:
    """Hash: accounts that Kommo gives no access, `lost` or `revoked` by id. Until it does, or they are removed."""
    return f"{PREFIX}access_trouble"


def replicated() -> str:
    """String, empty: written under Sentinel before the replicas are asked how far they are (lasting.py). For ever."""
    return f"{PREFIX}replicated"
