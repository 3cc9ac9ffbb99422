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
-- ARGV: 1-19 what stands in p below, in its order, empty for none  20 sealed texts  21... the turn's fields, name and
--   value in turn

local url_key, account_key, plans_key, turn_key, line_key, turns_key = unpack(KEYS, 1, 6)
local minute_key, text_key, usage_key = KEYS[7], KEYS[8], KEYS[9]
local function given(place)
  return ARGV[place] ~= '' and ARGV[place] or nil
end
local p = {
  turn_id = ARGV[1], account = ARGV[2], version = ARGV[3], now = tonumber(ARGV[4]), not_after = tonumber(ARGV[5]),
  now_iso = ARGV[6], period = ARGV[7], deadline_at = ARGV[8], lease_until = tonumber(ARGV[9]),
  wake_at = tonumber(ARGV[10]), weight = tonumber(ARGV[11]), refusal = given(12), handler = ARGV[13], line = given(14),
  lead = given(15), contact_spans = cjson.decode(ARGV[16]), most_a_minute = tonumber(ARGV[17]),
  most_of_a_text = tonumber(ARGV[18]), return_url_ttl = ARGV[19],
}
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

local version, retention_days, plan, next_plan, next_period = unpack(redis.call('HMGET', account_key,
  'version', 'retention_days', 'plan', 'next_plan', 'next_plan_period'))
if not version then
  return {'not_installed'}
end
if version ~= p.version then
  return {'stale'}
end

prepare_month(account, p.period, p.now, plan_of(plans_key, p.period, plan, next_plan, next_period))

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
redis.call('ZADD', turns_key, p.now, p.turn_id)
list_accepted(account, p.lead, p.line, p.turn_id, p.now, retention_days)

-- The record: what every turn has, and what this one has besides.
local function write_down(...)
  local fields = {'accepted_at', p.now, 'deadline_at', p.deadline_at, 'decide_by', p.wake_at, 'period', p.period,
    'claims', 0, ...}
  for i = 21, #ARGV do
    fields[#fields + 1] = ARGV[i]
  end
  redis.call('HSET', turn_key, unpack(fields))
end

local function queue_it()
  enqueue_known(p.turn_id, 1, account, p.now, p.wake_at, p.now_iso, p.lease_until)
end

if refusal then
  write_down('queued', 1, 'status', 'refused', 'error_code', refusal, 'charge', 'none', 'weight', 0,
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
  queue_it()
  return {'accepted', p.turn_id, refusal}
end

local waits = p.line and redis.call('RPUSH', line_key, p.turn_id) > 1
write_down('queued', waits and 0 or 1, 'status', 'accepted', 'charge', 'reserved', 'weight', p.weight, 'sealed', ARGV[20])
reserve(account, p.period, p.now, p.turn_id, p.weight, p.handler)
count_for_contact(turn_key, p.contact_spans, p.weight)
add_step(p.turn_id, p.now, 'accepted', {requests = p.weight})

if waits then
  -- Its conversation is busy: it waits in line and holds no worker. The one before it wakes it; if that takes so long
  -- that the turn would miss its deadline, the sweeper does.
  redis.call('ZADD', OPEN_KEY, p.wake_at, p.turn_id)
  add_step(p.turn_id, p.now, 'waiting')
else
  queue_it()
end
return {'accepted', p.turn_id, ''}
