-- Accept one webhook, in one step: duplicate check, charge or refusal, the turn's record, its place in the queue.
--
-- A crash before this script: nothing happened, and Kommo gets no 200. A crash after it: everything happened.
-- The account was read before; its version is compared here, so that a pause, a new limit or a removal that came in
-- between is never overlooked: the caller reads again. The plan is read here, because it decides about money.
-- A refused turn is recorded and queued too: the bot waits for its continue call. It is charged nothing, holds no
-- conversation, and keeps no text.
--
-- Two guards against bots gone wild come before the plan (kommo.md 1.9): so many webhooks a minute for one account, so
-- many a minute with the same text for the same lead.
--
-- KEYS: return_url, account, plans, turn, line, the account's turns, this minute of the account, of this text,
--   the account's figures of the day
-- ARGV: 1 parameters (JSON)  2 sealed texts  3... the turn's fields, name and value in turn

local url_key, account_key, plans_key, turn_key, line_key, turns_key = unpack(KEYS, 1, 6)
local minute_key, text_key, usage_key = KEYS[7], KEYS[8], KEYS[9]
local p = cjson.decode(ARGV[1])
local account = p.account

-- A Redis that hung may run this long after the door has answered 503: then nothing may happen any more.
local clock = redis.call('TIME')
if clock[1] + clock[2] / 1000000 > p.not_after then
  return {'late'}
end

local first = redis.call('GET', url_key)
if first then
  return {'duplicate', first}
end

local version, retention_days = unpack(redis.call('HMGET', account_key, 'version', 'retention_days'))
if not version then
  return {'not_installed'}
end
if version ~= p.version then
  return {'stale'}
end

prepare_month(account, p.period, p.now, plan_in(account_key, plans_key, p.period))

-- Whether a minute's counter has passed its limit, this webhook included.
local function too_many(key, limit)
  local count = redis.call('INCR', key)
  if count == 1 then
    redis.call('PEXPIRE', key, 120000)
  end
  return count > limit
end

local refusal = p.refusal
local flood, loop = too_many(minute_key, p.most_a_minute), too_many(text_key, p.most_of_a_text)
if not refusal and (flood or loop) then
  refusal = 'busy'
end
if not refusal and over_contact_limit(p.contact_spans, p.weight) then
  refusal = 'contact_limit'
end
if not refusal and remaining(account, p.period) < p.weight then
  refusal = 'plan_quota'
end

redis.call('SET', url_key, p.turn_id, 'PX', p.return_url_ttl)
redis.call('HSET', turn_key, unpack(ARGV, 3))
redis.call('HSET', turn_key, 'accepted_at', p.now, 'deadline_at', p.deadline_at, 'decide_by', p.wake_at,
  'period', p.period, 'claims', 0)
redis.call('ZADD', turns_key, p.now, p.turn_id)
list_accepted(account, p.lead, p.line, p.turn_id, p.now, retention_days)

if refusal then
  redis.call('HSET', turn_key, 'status', 'refused', 'error_code', refusal, 'charge', 'none', 'weight', 0,
    'remaining', remaining(account, p.period))
  write_entry(account, p.period, p.now, 'refuse', p.turn_id, 0, refusal)
  count_usage(usage_key, {{'o', refusal, 1}})
  local first = refusal == 'plan_quota'
    and redis.call('HSETNX', quota_of(account, p.period), 'plan_quota_noted', p.turn_id) == 1
  if first then
    redis.call('HSET', turn_key, 'first_refusal', 1)
  end
  if refusal == 'plan_quota' then
    note_month(account, p.period)
  end
  add_step(p.turn_id, p.now, 'refused', {error_code = refusal})
  enqueue(p.turn_id, p.now_iso, p.lease_until)
  return {'accepted', p.turn_id, refusal}
end

redis.call('HSET', turn_key, 'status', 'accepted', 'charge', 'reserved', 'weight', p.weight, 'sealed', ARGV[2])
reserve(account, p.period, p.now, p.turn_id, p.weight, p.handler)
count_for_contact(turn_key, p.contact_spans, p.weight)
add_step(p.turn_id, p.now, 'accepted', {requests = p.weight})

if p.line and redis.call('RPUSH', line_key, p.turn_id) > 1 then
  -- Its conversation is busy: it waits in line and holds no worker. The one before it wakes it; if that takes so long
  -- that the turn would miss its deadline, the sweeper does.
  redis.call('ZADD', OPEN_KEY, p.wake_at, p.turn_id)
  add_step(p.turn_id, p.now, 'waiting')
else
  enqueue(p.turn_id, p.now_iso, p.lease_until)
end
return {'accepted', p.turn_id, ''}
