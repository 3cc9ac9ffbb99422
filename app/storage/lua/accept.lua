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
-- ARGV: what is unpacked below, in its order, empty for none

local url_key, account_key, plans_key, turn_key, line_key, turns_key, minute_key, text_key, usage_key = unpack(KEYS)
-- Most of it is only handed on to commands, as it came; `now` is milliseconds.
local turn_id, account, version, now, not_after, now_iso, period, day, hour, deadline_at, wake_at, lease_until, weight,
  return_url, refusal, line, lead, handler, origin, contact_spans, sealed, most_a_minute, most_of_a_text,
  return_url_ttl = unpack(ARGV)
weight = tonumber(weight)
contact_spans = contact_spans ~= '' and cjson.decode(contact_spans) or {}

-- A Redis that hung may run this long after the door has answered 503: then nothing may happen any more.
local clock = redis.call('TIME')
if clock[1] + clock[2] / 1000000 > tonumber(not_after) then
  return {'late'}
end

local first = redis.call('GET', url_key)
if first then
  return {'duplicate', first}
end

local present, plan, next_plan, next_period = unpack(redis.call('HMGET', account_key,
  'version', 'plan', 'next_plan', 'next_plan_period'))
if present ~= version then
  return {present and 'stale' or 'not_installed'}
end

local month, boosts = prepare_month(account, period, now, plan_of(plans_key, period, plan, next_plan, next_period))

-- An account has usually had webhooks in this minute, a text usually not.
local of_account = redis.call('INCR', minute_key)
if of_account == 1 then
  redis.call('PEXPIRE', minute_key, 120000)
end
local of_text = redis.call('SET', text_key, 1, 'NX', 'PX', 120000) and 1 or redis.call('INCR', text_key)

if refusal == '' and (of_account > tonumber(most_a_minute) or of_text > tonumber(most_of_a_text)) then
  refusal = 'busy'
end
if refusal == '' and over_contact_limit(contact_spans, weight) then
  refusal = 'contact_limit'
end
if refusal == '' and left_of(month, boosts) < weight then
  refusal = 'plan_quota'
end

redis.call('SET', url_key, turn_id, 'PX', return_url_ttl)
redis.call('ZADD', turns_key, now, turn_id)
list_accepted(account, lead, line, turn_id, now)

-- The record: what every turn has, and what this one has besides.
local function write_down(...)
  local fields = {'account_id', account, 'return_url', return_url, 'accepted_at', now, 'deadline_at', deadline_at,
    'decide_by', wake_at, 'period', period, 'day', day, 'hour', hour, 'claims', 0, ...}
  for name, value in pairs({line = line, handler = handler, origin = origin, note_lead_id = lead}) do
    if value ~= '' then
      fields[#fields + 1], fields[#fields + 2] = name, value
    end
  end
  redis.call('HSET', turn_key, unpack(fields))
end

local function queue_it()
  enqueue_known(turn_id, 1, account, now, wake_at, now_iso, lease_until)
end

if refusal ~= '' then
  write_down('queued', 1, 'status', 'refused', 'error_code', refusal, 'charge', 'none', 'weight', 0,
    'remaining', left_of(month, boosts))
  write_entry(account, period, now, 'refuse', turn_id, 0, refusal)
  count_usage(usage_key, {{'o', refusal, 1}})
  local first = refusal == 'plan_quota'
    and redis.call('HSETNX', quota_of(account, period), 'plan_quota_noted', turn_id) == 1
  if first then
    redis.call('HSET', turn_key, 'first_refusal', 1)
  end
  if refusal == 'plan_quota' then
    note_month(account, period)
  end
  add_step(turn_id, tonumber(now), 'refused', {error_code = refusal})
  queue_it()
  return {'accepted', turn_id, refusal}
end

local waits = line ~= '' and redis.call('RPUSH', line_key, turn_id) > 1
write_down('queued', waits and 0 or 1, 'status', 'accepted', 'charge', 'reserved', 'weight', weight, 'sealed', sealed)
reserve(account, period, now, turn_id, weight, handler, month)
count_for_contact(turn_key, contact_spans, weight)
add_step(turn_id, tonumber(now), 'accepted', {requests = weight})

if waits then
  -- Its conversation is busy: it waits in line and holds no worker. The one before it wakes it; if that takes so long
  -- that the turn would miss its deadline, the sweeper does.
  redis.call('ZADD', OPEN_KEY, wake_at, turn_id)
  add_step(turn_id, tonumber(now), 'waiting')
else
  queue_it()
end
return {'accepted', turn_id, ''}
